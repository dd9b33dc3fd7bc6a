"""validate: may it be trained on? Rows in, checks and findings out."""

from __future__ import annotations

from graft.data import read_rows_file
from graft.records import Check, DatasetRecord, Finding, ValidationRecord
from graft.rows import TRAIN
from graft.validate import validate_rows
from graft_tasks.datasets.findings import finding_rows
from graft_tasks.steps.context import Context
from graft_tasks.steps.rows import ROWS, read_rows


def run(context: Context) -> ValidationRecord:
    """Run the suite over every row that was read, dropped ones included: what was dropped was there."""
    dataset = context.record("ingest", DatasetRecord)
    path = context.file("ingest", ROWS)
    bounds = context.recipe.validate_
    if dataset.n_unlabelled:  # the recipe asks for rows without a label
        bounds = bounds.model_copy(update={"max_fraction_unlabelled": 1.0})
    with finding_rows(context.handle, "validate") as all_rows:
        checks, findings = validate_rows(
            lambda: read_rows_file(path),
            modality=context.recipe.data.modality,
            labels=dataset.labels,
            bounds=bounds,
            whole=all_rows.add,
        )
        record = _record(context, checks, findings)
        all_rows.finish(record)
    return record


def _record(context: Context, checks: tuple[Check, ...], findings: tuple[Finding, ...]) -> ValidationRecord:
    n_failed = sum(check.outcome == "failed" for check in checks)
    counts = read_rows(context, TRAIN)["label"].value_counts().to_dict()
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
