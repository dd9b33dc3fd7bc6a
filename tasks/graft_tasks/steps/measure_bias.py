"""measure_bias: does the model serve some group worse? Predictions in, slices out."""

from __future__ import annotations

import pandas as pd

from graft.evaluation.baselines import CANDIDATE, PROBE
from graft.evaluation.bias import bias_checks, measure_slices
from graft.records import BiasRecord
from graft.rows import COLUMN, TEST
from graft_tasks.steps.context import Context
from graft_tasks.steps.rows import PREDICTIONS, read_rows


def run(context: Context) -> BiasRecord:
    """Measure every group of every sensitive column on the test rows."""
    predictions = pd.read_parquet(context.file("evaluate", PREDICTIONS))
    rows = read_rows(context, TEST)
    settings = context.recipe.measure_bias
    hits = {arm: (predictions[arm] == predictions["label"]).to_numpy() for arm in (CANDIDATE, PROBE)}
    groups = {column: rows[COLUMN + column].str.strip().to_numpy(dtype=str) for column in context.recipe.data.sensitive}
    slices = measure_slices(groups, hits[CANDIDATE], hits[PROBE], min_rows=settings.min_rows)
    checks = bias_checks(slices, max_gap=settings.max_gap, policy=context.recipe.decide.slices)
    worst = min(slices, key=lambda group_slice: group_slice.gap.value, default=None)
    summary = "no sensitive columns named"
    if worst:
        gap = worst.gap
        summary = (
            f"{len(slices)} slices, largest gap {gap.value * 100:+.1f} points "
            f"[{gap.ci_low * 100:+.1f}, {gap.ci_high * 100:+.1f}]"
        )
    return BiasRecord(
        step="measure_bias",
        recipe=context.recipe.name,
        passed=not any(check.outcome == "failed" for check in checks),
        summary=summary,
        inputs=context.digests,
        checks=checks,
        slices=slices,
    )
