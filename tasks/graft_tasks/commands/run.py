"""What a run came to, read from its records and the ledger."""

from __future__ import annotations

from pydantic import Field

from graft.presentation.facts import CheckFacts, check_facts
from graft.records import Action, DecisionRecord, Estimate, EvaluationRecord, ModelRecord, Value, load_record
from graft.records.cost import Cost, add_up
from graft.records.steps import Verdict
from graft.records.table import MeasurementRow, long_table
from graft_tasks.recipe_handle import RecipeHandle
from graft_tasks.steps.context import STEPS
from graft_tasks.steps.cost import costs


class Comparison(Value):
    """A candidate beside the more accurate of the models that cost next to nothing, on the same test rows."""

    accuracy: Estimate
    macro_f1: Estimate | None
    rival: str = Field(description="frozen_probe or scratch; empty: neither was measured")
    cheap_model: str = Field(description="what scratch is: TF-IDF or pixels, and logistic regression")
    rival_accuracy: Estimate | None
    difference: Estimate | None = Field(description="of accuracies, candidate minus rival")


class RunResult(Value):
    """The verdict that stands after a run, and what became of it."""

    recipe: str
    ran: bool = Field(description="false: there was nothing to do")
    because: str = Field(description="why there was nothing to do")
    verdict: Verdict
    headline: str = Field(description="the fact that decided, in a sentence")
    deciding: str = Field(description="the name of the check that decided; empty: none did alone")
    deciding_id: str = Field(description="its id")
    do: str = Field(description="what would help most; may be empty")
    action: Action = Field(description="the command that this begins with")
    model_id: str | None = Field(description="of the candidate; null: nothing was trained")
    champion: str | None = Field(description="the number of the champion in force; null: there is none")
    is_champion: bool = Field(description="whether the candidate is the champion in force")
    checks: tuple[CheckFacts, ...]
    measurements: tuple[MeasurementRow, ...] = Field(
        description="a row for each check, and for all else that was measured with an interval"
    )
    comparison: Comparison | None = Field(description="null: nothing was trained")
    cost: Cost | None = Field(description="what the steps took that ran; null: none did")
    report: str = Field(description="path of the page")


def run_result(handle: RecipeHandle, *, began: str, up_to_date: str = "") -> RunResult:
    """Return what a recipe's last run came to.

    Args:
        began: time in UTC; what steps took that began before is not counted.
        up_to_date: why this run had nothing to do; empty: it had.
    """
    decision = load_record(handle.record("decide"), "decide")
    assert isinstance(decision, DecisionRecord)  # noqa: S101 - decide is never skipped
    champion = handle.workspace.ledger().champion(handle.name)
    before = [load_record(handle.record(step), step) for step in STEPS[: STEPS.index("decide")]]
    checks = check_facts(decision.checks)
    new = [cost for cost in costs(handle).values() if cost.started_at >= began]
    return RunResult(
        recipe=handle.name,
        ran=not up_to_date,
        because=up_to_date,
        verdict=decision.verdict,
        headline=decision.headline,
        deciding=next((check.name for check in checks if check.id == decision.deciding), ""),
        deciding_id=decision.deciding,
        do=decision.do,
        action=decision.action,
        model_id=decision.model_id,
        champion=champion.predicate.number if champion else None,
        is_champion=champion is not None and champion.predicate.model_id == decision.model_id,
        checks=checks,
        measurements=tuple(long_table(before)),
        comparison=_comparison(handle),
        cost=add_up(new) if new else None,
        report=str(handle.report_page),
    )


def _comparison(handle: RecipeHandle) -> Comparison | None:
    """Return what the candidate reached; None where nothing was trained."""
    model, evaluation = (load_record(handle.record(step), step) for step in ("finetune", "evaluate"))
    if not isinstance(model, ModelRecord) or not isinstance(evaluation, EvaluationRecord):
        return None
    accuracy, rival = evaluation.accuracy.get("candidate"), evaluation.rival(model.strategy)
    if accuracy is None:
        return None
    return Comparison(
        accuracy=accuracy,
        macro_f1=evaluation.macro_f1.get("candidate"),
        rival=rival,
        cheap_model=evaluation.cheap_model,
        rival_accuracy=evaluation.accuracy[rival] if rival else None,
        difference=evaluation.differences[rival] if rival else None,
    )
