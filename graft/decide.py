"""Promote, hold or reject: a pure function of the records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from graft.arms import NAMES
from graft.records import (
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


def decide(records: Mapping[str, Record], inputs: Inputs) -> tuple[Verdict, str, tuple[Check, ...]]:
    """Return the verdict, the one sentence that says it, and every check that led to it.

    *Reject*: a check failed that no further data will mend (the candidate is worse than the champion, or the transfer hurt).
    *Hold*: a gate was closed, any other check failed, a check that policy holds on cannot tell, nobody can tell whether the
    candidate is as good as the champion, or this very model is champion already or was rolled back. *Promote*: none of these.
    A shift that was found holds where policy says so; else the headline of a promotion names it.

    Args:
        records: record by step, ``ingest`` to ``measure_bias``.
        inputs: the pinned world.
    """
    order = [*(step for step in BY_WEIGHT if step in records), *(step for step in records if step not in BY_WEIGHT)]
    checks = tuple(c for step in order for c in records[step].checks)
    model, evaluation = records["finetune"], records["evaluate"]
    if not isinstance(model, ModelRecord) or not isinstance(evaluation, EvaluationRecord):
        return "hold", f"Nothing was trained: {model.because}.", checks
    champion = inputs.champion
    if champion and model.model_id == champion.model_id:
        return "hold", f"The candidate is champion {champion.number} already, byte for byte.", checks
    if model.model_id in inputs.rolled_back:
        return "hold", "This very model was rolled back before.", checks
    stays = f" Champion {champion.number} stays." if champion else " There is no champion yet."
    if evaluation.transfer == "negative":
        return "reject", f"The transfer hurt: {_worst(evaluation)}.{stays}", checks
    if evaluation.champion == "inferior":
        return "reject", f"Worse than the champion: {_worst(evaluation)}.{stays}", checks
    failed = [c for c in checks if c.outcome == "failed" and c.holds]
    if failed:
        return "hold", f"{_count(failed, 'check')} failed: {_names(failed)}.{stays}", checks
    open_ = [c for c in checks if c.outcome == "cannot_tell" and c.holds]
    if open_:
        return "hold", f"Too few rows to tell: {_names(open_)}.{_wanted(evaluation)}{stays}", checks
    noted = [c for c in checks if c.outcome == "failed"]  # all that is left of them holds nobody back
    also = f" Noted: {_names(noted)}." if noted else ""
    if champion is None:
        if evaluation.transfer != "positive":
            what = f"The transfer brought no clear gain ({evaluation.transfer})."
            return "hold", f"{what}{_wanted(evaluation)}{stays}", checks
        return "promote", f"Every check that decides passed. This recipe has its first champion.{also}", checks
    if evaluation.champion == "undecided":
        what = f"Cannot tell whether it is as good as champion {champion.number}, which stays."
        return "hold", f"{what}{_wanted(evaluation)}", checks
    return (
        "promote",
        f"{evaluation.champion.replace('_', '-').capitalize()} to champion {champion.number}, which it replaces.{also}",
        checks,
    )


def decision_record(
    recipe: str, records: Mapping[str, Record], inputs: Inputs, digests: dict[str, str]
) -> DecisionRecord:
    """Return the decision as a record."""
    verdict, headline, checks = decide(records, inputs)
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
    )


def _names(checks: Sequence[Check]) -> str:
    names = [c.name[0].lower() + c.name[1:] for c in checks[:2]]
    return "; ".join(names) + (f" and {len(checks) - 2} more" if len(checks) > 2 else "")


def _count(checks: Sequence[Check], noun: str) -> str:
    return f"{len(checks)} {noun}{'' if len(checks) == 1 else 's'}"


def _worst(evaluation: EvaluationRecord) -> str:
    arm, difference = min(evaluation.differences.items(), key=lambda item: item[1].value)
    return f"{difference.value * 100:+.1f} points against {NAMES[arm]}"


def _wanted(evaluation: EvaluationRecord) -> str:
    """Return how many test rows would tell, where that is known; more than the most wanted comparison needs help nobody."""
    needed = [n for n in evaluation.rows_to_tell.values() if n is not None]
    return f" Some {max(needed):,} test rows would tell, of {evaluation.n_test:,} now." if needed else ""
