"""validate: may it be trained on? Rows in, checks and findings out."""

from __future__ import annotations

from graft.data import TEST, TRAIN
from graft.records import DatasetRecord, ValidationRecord
from graft.validate import validate_rows
from tasks.rows import read_rows
from tasks.steps import Context


def run(context: Context) -> ValidationRecord:
    """Run the suite over every row that was read, dropped ones included: what was dropped was there."""
    dataset = context.record("ingest", DatasetRecord)
    rows = read_rows(context, TRAIN, TEST, "dropped")
    bounds = context.recipe.validate_
    checks, findings = validate_rows(
        rows,
        labels=dataset.labels,
        max_fraction_damaged=bounds.max_fraction_damaged,
        max_fraction_duplicates=bounds.max_fraction_duplicates,
        max_fraction_conflicts=bounds.max_fraction_conflicts,
        max_fraction_unlabelled=bounds.max_fraction_unlabelled,
        min_rows_per_class=bounds.min_rows_per_class,
    )
    n_failed = sum(check.outcome == "failed" for check in checks)
    counts = rows[rows["side"] == TRAIN]["label"].value_counts().to_dict()
    return ValidationRecord(
        step="validate",
        recipe=context.recipe.name,
        passed=n_failed == 0,
        summary=f"{len(checks) - n_failed} of {len(checks)} expectations hold",
        inputs=context.digests,
        checks=checks,
        n_expectations=len(checks),
        findings=findings,
        class_counts={str(label): int(n) for label, n in counts.items()},
    )
