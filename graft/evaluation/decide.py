"""Promote, hold or reject: a pure function of the records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from graft.evaluation.advice import Title, arm_names, finding, gain_over, heaviest, next_step, without_gain
from graft.evaluation.baselines import BEST, CHAMPION, NAMES, PREDECESSORS
from graft.evaluation.wording import estimate_text
from graft.records import (
    Action,
    Check,
    DecisionRecord,
    EvaluationRecord,
    Inputs,
    ModelRecord,
    Record,
    Verdict,
)

BY_WEIGHT = ("evaluate", "measure_bias", "detect_shift", "choose_base", "validate")
"""Steps in the order in which people want to read their checks."""


class Decision(NamedTuple):
    """The verdict, the sentence that says it, every check, the id of the one that decided if one did, and what would help."""

    verdict: Verdict
    headline: str
    checks: tuple[Check, ...]
    deciding: str = ""
    do: str = ""
    action: Action = "run"


def decide(records: Mapping[str, Record], inputs: Inputs, *, title: Title) -> Decision:
    """Return the verdict and what led to it.

    *Reject*: a check failed that no further data will put right (the candidate is worse than the champion, or the transfer hurt).
    *Hold*: a gate was closed, any other check failed, a check that policy holds on cannot tell, nobody can tell whether the
    candidate is as good as the champion, or this very model is champion already or was rolled back. *Promote*: none of these.
    A shift that was found holds where policy says so; else the headline of a promotion names it.

    Args:
        records: record by step, ``ingest`` to ``measure_bias``.
        inputs: the pinned world.
        title: what people call a check, for the headline.
    """
    order = [*(step for step in BY_WEIGHT if step in records), *(step for step in records if step not in BY_WEIGHT)]
    checks = tuple(c for step in order for c in records[step].checks)
    model, evaluation = records["finetune"], records["evaluate"]
    if not isinstance(model, ModelRecord) or not isinstance(evaluation, EvaluationRecord):
        return _untrained(model, checks)
    champion = inputs.champion
    if champion and model.model_id == champion.model_id:
        return Decision(
            "hold", f"The candidate is champion {champion.number} already, byte for byte.", checks, action="status"
        )
    if model.model_id in inputs.rolled_back:
        do = "Change the data or the recipe: the same rows and settings give the same model."
        return Decision("hold", "This very model was rolled back before.", checks, do=do)
    verdict, what, check = _weigh(evaluation, model, checks, is_first=champion is None, title=title)
    stays = f"Champion {champion.number} stays." if champion else "There is no champion yet."
    headline = f"{what} {stays}"
    if verdict == "promote":
        headline = "Every check that decides passed. This recipe has its first champion."
        if champion:
            standing = evaluation.champion.replace("_", "-").capitalize()
            also = f", and to {inputs.best.number}, the best so far" if inputs.best else ""
            headline = f"{standing} to champion {champion.number}, which it replaces{also}."
        if noted := heaviest(c for c in checks if c.outcome == "failed"):
            headline += f" Noted: {finding(noted, evaluation, title)}."
    action, do = next_step(verdict, check, model, evaluation)
    return Decision(verdict, headline, checks, check.id if check else "", do, action)


def _untrained(model: Record, checks: Sequence[Check]) -> Decision:
    """Return the decision of a run in which a gate was closed: the first check of that gate that failed decided."""
    failed = next((c for c in checks if c.outcome == "failed" and model.because.startswith(c.step)), None)
    decision = Decision("hold", f"Nothing was trained: {model.because}.", tuple(checks), failed.id if failed else "")
    if failed is None or failed.step != "validate":
        return decision
    do = f"Correct the rows that it names, then run again: graft validate {model.recipe} shows them."
    return decision._replace(do=do, action="validate")


def _weigh(
    evaluation: EvaluationRecord, model: ModelRecord, checks: Sequence[Check], *, is_first: bool, title: Title
) -> tuple[Verdict, str, Check | None]:
    """Return the verdict on a candidate, what was found, and the check that found it."""
    if evaluation.transfer == "negative" or "inferior" in (evaluation.champion, evaluation.best):
        if evaluation.transfer == "negative":
            arms = [arm for arm in evaluation.differences if arm not in PREDECESSORS]
            worst = min(arms, key=lambda arm: evaluation.differences[arm].value)
            hurt = f"The transfer hurt: {estimate_text(evaluation.differences[worst])}, against {arm_names(evaluation)[worst]}"
        else:
            worst = CHAMPION if evaluation.champion == "inferior" else BEST
            hurt = f"Worse than {NAMES[worst]}: {estimate_text(evaluation.differences[worst])}"
        return "reject", f"{hurt}.", gain_over(checks, worst)
    against = [c for c in checks if c.holds]
    if first := heaviest([c for c in against if c.outcome == "failed"] or against):
        return "hold", f"{finding(first, evaluation, title)}.", first
    if is_first and evaluation.transfer != "positive":
        check = without_gain(checks)
        what = (
            finding(check, evaluation, title)
            if check
            else f"The transfer brought no clear gain ({evaluation.transfer})"
        )
        return "hold", f"{what}.", check
    if "undecided" in (evaluation.champion, evaluation.best):
        check = gain_over(checks, CHAMPION if evaluation.champion == "undecided" else BEST)
        what = finding(check, evaluation, title) if check else "Cannot tell whether it is as good as the champion"
        return "hold", f"{what}.", check
    return "promote", "", gain_over(checks, evaluation.rival(model.strategy) if is_first else CHAMPION)


def decision_record(
    recipe: str, records: Mapping[str, Record], inputs: Inputs, digests: dict[str, str], *, title: Title
) -> DecisionRecord:
    """Return the decision as a record."""
    verdict, headline, checks, deciding, do, action = decide(records, inputs, title=title)
    outcomes = [c.outcome for c in checks]
    model = records["finetune"]
    n_passed, n_failed, n_open = (outcomes.count(o) for o in ("passed", "failed", "cannot_tell"))
    return DecisionRecord(
        step="decide",
        recipe=recipe,
        passed=verdict == "promote",
        summary=f"{n_passed} passed, {n_failed} failed, {n_open} cannot tell",
        inputs=digests,
        checks=checks,
        verdict=verdict,
        headline=headline,
        model_id=model.model_id if isinstance(model, ModelRecord) else None,
        n_passed=n_passed,
        n_failed=n_failed,
        n_cannot_tell=n_open,
        deciding=deciding,
        do=do,
        action=action,
    )
