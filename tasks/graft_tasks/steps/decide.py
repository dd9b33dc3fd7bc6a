"""decide: promote, hold or reject? Every record in, a verdict out. Pure and cached; ``promote`` enacts it."""

from __future__ import annotations

from graft.evaluation.decide import decision_record
from graft.presentation.titles import title
from graft.records import DecisionRecord
from graft_tasks.steps.context import STEPS, Context


def run(context: Context) -> DecisionRecord:
    """Decide from the records of all steps before."""
    before = STEPS[: STEPS.index("decide")]
    records = {step: context.any_record(step) for step in before}
    return decision_record(context.recipe.name, records, context.pinned, context.digests, title=title)
