"""Which check decided, what it found in one sentence, and what would help."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from graft.evaluation.baselines import GAIN, NAMES, PREDECESSORS, PROBE, SCRATCH, SCRATCH_NETWORK
from graft.evaluation.wording import bound, estimate_text
from graft.records import Action, Check, EvaluationRecord, ModelRecord, Verdict

Title = Callable[[Check], str]
"""What people call a check."""


def compared_with(check: Check) -> str | None:
    """Return the arm that a check compares the candidate with, None for any other check."""
    return check.id.removeprefix(GAIN) if check.id.startswith(GAIN) else None


def arm_names(evaluation: EvaluationRecord) -> dict[str, str]:
    """Return what the arms are called, the cheap model by what it is."""
    return NAMES | ({SCRATCH: evaluation.cheap_model} if evaluation.cheap_model else {})


def heaviest(checks: Iterable[Check]) -> Check | None:
    """Return the check that speaks for a group: the first, but the network from scratch only where it is alone."""
    return min(checks, key=lambda check: compared_with(check) == SCRATCH_NETWORK, default=None)


def without_gain(checks: Sequence[Check]) -> Check | None:
    """Return the check that keeps the transfer from being called a gain: an open one, else that of the cheap model."""
    compared = [check for check in checks if compared_with(check) not in (None, *PREDECESSORS)]
    return heaviest(check for check in compared if check.outcome != "passed") or gain_over(checks, SCRATCH)


def gain_over(checks: Sequence[Check], arm: str) -> Check | None:
    """Return the check that compares the candidate with an arm."""
    return next((check for check in checks if compared_with(check) == arm), None)


def finding(check: Check, evaluation: EvaluationRecord, title: Title) -> str:
    """Return what a check that did not pass has found, as a sentence without its full stop."""
    arm = compared_with(check)
    if arm is None:
        return f"{title(check)}: {estimate_text(check.observed)}, allowed is {bound(check)}"
    name = arm_names(evaluation)[arm]
    gain = estimate_text(check.observed)
    if check.outcome != "cannot_tell":
        return f"{'Worse' if check.outcome == 'failed' else 'Hardly better'} than {name}: {gain}"
    if check.observed.value < 0 and arm in (SCRATCH, SCRATCH_NETWORK):
        return f"{name[0].upper()}{name[1:]} does as well: {gain}"
    return f"Not shown to {'beat' if arm in (SCRATCH, SCRATCH_NETWORK) else 'be as good as'} {name}: {gain}"


def next_step(
    verdict: Verdict, check: Check | None, model: ModelRecord, evaluation: EvaluationRecord
) -> tuple[Action, str]:
    """Return the one thing that would help most, as what to do first and as a sentence, empty where nothing has to be done."""
    if verdict == "promote":
        return "audit", ""
    if check is None:
        return "run", ""
    arm = compared_with(check)
    if arm is not None:
        return _against(arm, check, model, evaluation)
    if check.id == "evaluate.accuracy":
        return "add", f"{_most_confused(evaluation)}; or more labelled rows."
    if check.id == "evaluate.test_set_uses":
        return "add", "Set fresh test rows aside, as these have been used too often: graft add, or data.test."
    by_step: dict[str, tuple[Action, str]] = {
        "measure_bias": (
            "add",
            f"Add labelled rows of this group, {check.observed.n:,} test rows are few, and read its mistakes."
            if check.outcome == "cannot_tell"
            else "Read the mistakes of this group and add labelled rows of it.",
        ),
        "detect_shift": (
            "run",
            "Look at the rows that stand out, and whether train and test come from the same time and place.",
        ),
        "validate": ("validate", f"Correct the rows that it names: graft validate {model.recipe} shows them."),
    }
    return by_step.get(check.step, ("run", "Look at what this check names, then run again."))


def _against(arm: str, check: Check, model: ModelRecord, evaluation: EvaluationRecord) -> tuple[Action, str]:
    """Return what helps against an arm that the candidate does not beat."""
    more = _more_rows(evaluation.rows_to_tell.get(arm), check.observed.n)
    if arm == SCRATCH:
        cheap = f"{arm_names(evaluation)[SCRATCH]}, which costs next to nothing"
        is_open = more and check.outcome == "cannot_tell" and evaluation.transfer != "none"
        return ("add", f"{more}; or take {cheap}.") if is_open else ("run", f"Take {cheap}, or another base.")
    if arm == PROBE and model.strategy == "head":
        return "add", f"{more or 'Add labelled rows'}."
    if arm == PROBE:
        head = "finetune.strategy: head, as tuning has brought nothing over the frozen base"
        is_open = more and check.outcome == "cannot_tell"
        return ("add", f"{more}; or set {head}.") if is_open else ("run", f"Set {head}.")
    if arm in PREDECESSORS and check.outcome == "failed":
        return "run", f"{_most_confused(evaluation)}; the champion stays."
    return "add", f"{more or 'Add labelled rows, or try another base'}."


def _more_rows(needed: int | None, now: int) -> str:
    """Return how many more test rows would tell, as the beginning of a sentence, or nothing where that is not known."""
    if needed is None or needed <= now:
        return ""
    step = 10 ** max(0, len(str(needed - now)) - 2)
    further = -(-(needed - now) // step) * step
    return f"Label about {further:,} more test row{'' if further == 1 else 's'}, which would tell them apart"


def _most_confused(evaluation: EvaluationRecord) -> str:
    if not evaluation.confusions:
        return "Read the mistakes"
    *labels, n = evaluation.confusions[0]
    true, predicted = (label if len(label) <= 40 else f"{label[:37]}..." for label in map(str, labels))
    return f"Read the {n} test row{'' if n == 1 else 's'} of {true} that it takes for {predicted}"
