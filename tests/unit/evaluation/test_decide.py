"""Promote, hold or reject: a table of situations."""

from __future__ import annotations

from typing import Any

import pytest

from graft.evaluation import decide as decisions
from graft.evaluation.decide import Decision
from graft.presentation.titles import title
from graft.records import (
    BestChampion,
    Champion,
    Check,
    Dataset,
    Estimate,
    EvaluationRecord,
    Inputs,
    ModelRecord,
    Record,
)
from tests.support import checks as samples

MODEL, OTHER, SHA = "a" * 64, "b" * 64, "c" * 64


def drawn(low: float, high: float, policy: Any = "hold", step: str = "evaluate") -> Check:
    """Return a check against the bound 0."""
    seen = Estimate(value=(low + high) / 2, ci_low=low, ci_high=high, n=100, method="m", unit="points")
    return samples.called(f"Gain {low} to {high}", step, "accuracy_difference", seen, 0, policy=policy)


def decide(records: dict[str, Record], inputs: Inputs) -> Decision:
    return decisions.decide(records, inputs, title=title)


GOOD, BAD, OPEN, OPEN_NOTED = drawn(0.1, 0.2), drawn(-0.2, -0.1), drawn(-0.1, 0.1), drawn(-0.1, 0.1, "note")


def records(
    *, transfer: Any = "positive", champion: Any = "superior", checks: tuple[Check, ...] = (GOOD,), closed: str = ""
) -> dict[str, Record]:
    plain = {
        step: Record(step=step, recipe="r", passed=step != closed, summary="s")
        for step in ("ingest", "validate", "embed")
    }
    if closed:
        because = f"{closed} closed the gate: s"
        skipped = Record(
            step="finetune", recipe="r", status="skipped", because=because, passed=False, summary="skipped"
        )
        return {**plain, "finetune": skipped, "evaluate": skipped.model_copy(update={"step": "evaluate"})}
    difference = drawn(0.0, 0.1).observed
    model = ModelRecord(
        step="finetune", recipe="r", passed=True, summary="s", model_id=MODEL, files=(), base="b", base_sha256=SHA,
        strategy="full", n_train=10, n_parameters=1, n_trained_parameters=1, loss=(),
    )  # fmt: skip
    evaluation = EvaluationRecord(
        step="evaluate", recipe="r", passed=True, summary="s", checks=checks, n_test=100,
        accuracy={"candidate": difference}, differences=dict.fromkeys(("scratch", "frozen_probe", "champion"), difference),
        mcnemar_p_values={}, transfer=transfer, champion=champion, per_class={}, confusions=(), predictions_sha256=SHA,
        rows_to_tell={"champion": 420, "scratch": 130, "frozen_probe": None},
    )  # fmt: skip
    return {**plain, "finetune": model, "evaluate": evaluation}


def inputs(champion: str | None = OTHER, rolled_back: tuple[str, ...] = ()) -> Inputs:
    live = (
        Champion(number="0003", entry=SHA, model_id=champion, base_sha256=SHA, folder="registry/r/0003")
        if champion
        else None
    )
    return Inputs(
        recipe="r", recipe_sha256=SHA, dataset=Dataset(name="d", sha256=SHA, files=()), bases=(), champion=live,
        rolled_back=rolled_back, n_looks=0, steps={},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("situation", "world", "verdict", "says"),
    [
        ({}, {}, "promote", "Superior to champion 0003"),
        ({"champion": "non_inferior"}, {}, "promote", "Non-inferior to champion 0003"),
        ({"transfer": "undecided"}, {}, "promote", "Superior to champion 0003"),
        ({"champion": "first"}, {"champion": None}, "promote", "first champion"),
        ({"champion": "first", "transfer": "none"}, {"champion": None}, "hold", "no clear gain (none)"),
        ({"champion": "first", "transfer": "undecided"}, {"champion": None}, "hold", "no clear gain (undecided)"),
        ({"champion": "first", "transfer": "negative"}, {"champion": None}, "reject", "The transfer hurt"),
        ({"closed": "validate"}, {}, "hold", "validate closed the gate"),
        ({"closed": "validate"}, {"champion": None}, "hold", "validate closed the gate"),
        ({}, {"champion": MODEL}, "hold", "champion 0003 already"),
        ({"transfer": "negative"}, {"champion": MODEL}, "hold", "champion 0003 already"),
        ({}, {"rolled_back": (MODEL,)}, "hold", "rolled back before"),
        ({}, {"rolled_back": (OTHER,)}, "promote", "Superior"),
        ({"transfer": "negative"}, {}, "reject", "The transfer hurt"),
        ({"champion": "inferior"}, {}, "reject", "Worse than the champion"),
        ({"champion": "undecided"}, {}, "hold", "Cannot tell whether it is as good as the champion"),
        ({"champion": "undecided", "checks": (OPEN_NOTED,)}, {}, "hold", "Cannot tell whether"),
        ({"checks": (GOOD, BAD)}, {}, "hold", "Gain -0.2 to -0.1: -15.0 points [-20.0, -10.0], n 100, allowed is"),
        ({"checks": (GOOD, OPEN)}, {}, "hold", "Gain -0.1 to 0.1: +0.0 points [-10.0, +10.0], n 100, allowed is"),
        ({"checks": (GOOD, OPEN_NOTED)}, {}, "promote", "Superior"),
        ({"checks": (BAD, OPEN_NOTED)}, {}, "hold", "-15.0 points"),
        ({"checks": (drawn(-0.2, -0.1, "note"),)}, {}, "hold", "-15.0 points"),  # a failed check always counts
        ({"checks": (OPEN,), "transfer": "negative"}, {}, "reject", "The transfer hurt"),
    ],
)
def test_situations(situation: dict[str, Any], world: dict[str, Any], verdict: str, says: str) -> None:
    """Each situation has its verdict, and a headline that says why."""
    found, headline, *_ = decide(records(**situation), inputs(**world))
    assert (found, says in headline) == (verdict, True), headline
    if verdict != "promote" and "champion 0003 already" not in headline and "rolled back" not in headline:
        assert ("stays" in headline or "no champion yet" in headline) == ("closed" not in situation)


CHEAP, NETWORK, PROBE, CHAMPION = "scratch", "scratch_network", "frozen_probe", "champion"


def gain(low: float, high: float, arm: str, policy: Any = "hold") -> Check:
    """Return the check of a gain over an arm."""
    return samples.gain(arm, drawn(low, high).observed, policy=policy)


@pytest.mark.parametrize(
    ("checks", "champion", "says", "do", "action"),
    [
        ((gain(-0.05, 0.03, CHEAP),), None, "TF-IDF does as well: -1.0 points [-5.0, +3.0], n 100.",
         "Label about 30 more test rows, which would tell them apart; or take TF-IDF, which costs next to nothing.", "add"),
        ((gain(-0.03, 0.05, CHEAP),), OTHER, "Not shown to beat TF-IDF: +1.0 points", "Label about 30 more test rows", "add"),
        ((gain(-0.05, 0.03, NETWORK), gain(-0.03, 0.05, CHEAP)), None, "Not shown to beat TF-IDF", "Label about 30", "add"),
        ((gain(-0.05, 0.03, NETWORK),), None, "The same network from scratch does as well", "Add labelled rows", "add"),
        ((gain(-0.05, -0.03, PROBE),), OTHER, "Worse than the frozen probe", "Set finetune.strategy: head", "run"),
        ((gain(-0.05, 0.03, CHAMPION),), OTHER, "Not shown to be as good as the champion: -1.0 points",
         "Label about 320 more test rows", "add"),
        ((gain(-0.05, -0.03, CHAMPION),), OTHER, "Worse than the champion", "Read the 7 test rows of a that", "run"),
        ((drawn(-0.1, 0.1).model_copy(update={"id": "evaluate.accuracy"}),), None, "Accuracy:", "Read the 7 test rows", "add"),
        ((drawn(-0.2, -0.1, step="measure_bias"),), OTHER, "Gain -0.2 to -0.1:", "Read the mistakes of this group", "add"),
        ((drawn(-0.2, -0.1, step="ingest"),), OTHER, "Gain -0.2 to -0.1:", "Look at what this check names", "run"),
    ],
)  # fmt: skip
def test_the_fact_that_decides_is_the_headline_and_says_what_helps(
    checks: tuple[Check, ...], champion: str | None, says: str, do: str, action: str
) -> None:
    """The first check that keeps a candidate back stands with its numbers; the network from scratch only where it is alone."""
    given = records(checks=checks, champion="superior" if champion else "first")
    changed = {"cheap_model": "TF-IDF", "confusions": (("a", "b", 7),)}
    found = decide({**given, "evaluate": given["evaluate"].model_copy(update=changed)}, inputs(champion))
    assert (found.verdict, found.headline.startswith(says), found.do.startswith(do)) == ("hold", True, True), found
    assert found.deciding in {check.id for check in checks}
    assert found.action == action


def test_a_needless_gain_names_the_cheap_model_and_asks_no_more_rows() -> None:
    """Where the cheap model does as well within what makes a difference, more rows would not change that."""
    given = records(checks=(gain(0.001, 0.009, CHEAP), gain(0.1, 0.2, PROBE)), champion="first", transfer="none")
    found = decide(given, inputs(None))
    assert (
        found.headline
        == "Hardly better than training from scratch: +0.5 points [+0.1, +0.9], n 100. There is no champion yet."
    )
    assert (found.deciding, "test rows" in found.do, "Take training" in found.do) == (
        "evaluate.gain.scratch",
        False,
        True,
    )


@pytest.mark.parametrize(
    ("situation", "champion", "action"),
    [
        ({}, OTHER, "audit"),
        ({}, MODEL, "status"),
        ({"checks": (drawn(-0.2, -0.1, step="validate"),)}, OTHER, "validate"),
        ({"checks": (drawn(-0.2, -0.1, step="detect_shift"),)}, OTHER, "run"),
        ({"checks": (drawn(-0.2, -0.1).model_copy(update={"id": "evaluate.test_set_uses"}),)}, OTHER, "add"),
        ({"closed": "choose_base"}, OTHER, "run"),
    ],
)
def test_a_decision_says_which_command_helps(situation: dict[str, Any], champion: str, action: str) -> None:
    """Audit what was promoted, nothing for the champion itself, else what the check that decided asks for."""
    assert decide(records(**situation), inputs(champion)).action == action


def test_a_closed_gate_of_validate_asks_to_look_at_the_rows() -> None:
    """The first check of that gate that failed decides, and its rows are shown by a command."""
    given = records(closed="validate")
    bad = drawn(-0.2, -0.1, step="validate")
    found = decide({**given, "validate": given["validate"].model_copy(update={"checks": (bad,)})}, inputs())
    assert (found.deciding, found.action) == (bad.id, "validate")


def test_checks_of_every_step_count() -> None:
    """A failed check of any step holds the candidate back, and every check is handed on."""
    for step in ("ingest", "validate", "embed", "detect_shift", "choose_base", "measure_bias"):
        given = records()
        bad = drawn(-0.2, -0.1, step=step)
        given[step] = Record(step=step, recipe="r", passed=True, summary="s", checks=(bad,))
        verdict, _, checks, *_ = decide(given, inputs())
        assert verdict == "hold"
        assert len(checks) == 2


def test_a_shift_that_policy_only_notes_is_named_and_holds_nobody() -> None:
    """A failed check of detect_shift holds where policy says so; else the headline of the promotion names it."""
    for policy, verdict in (("hold", "hold"), ("note", "promote")):
        given = records()
        bad = drawn(-0.2, -0.1, policy, step="detect_shift")
        given["detect_shift"] = Record(step="detect_shift", recipe="r", passed=False, summary="s", checks=(bad,))
        found = decide(given, inputs())
        assert (found.verdict, "Noted: Gain -0.2 to -0.1: -15.0 points" in found.headline) == (
            verdict,
            verdict == "promote",
        )


def test_record_counts_and_agrees() -> None:
    """The record's counts, verdict and ``passed`` are those of the decision; without a model it names none."""
    record = decisions.decision_record(
        "r", records(checks=(GOOD, GOOD, OPEN_NOTED)), inputs(), {"evaluate": SHA}, title=title
    )
    assert (record.n_passed, record.n_failed, record.n_cannot_tell) == (2, 0, 1)
    assert (record.verdict, record.passed, record.model_id) == ("promote", True, MODEL)
    assert record.inputs == {"evaluate": SHA}
    closed = decisions.decision_record("r", records(closed="validate"), inputs(), {}, title=title)
    assert (closed.verdict, closed.passed, closed.model_id) == ("hold", False, None)


def test_the_gate_that_closed_is_named_not_another_step_that_failed() -> None:
    """A shift that failed is no gate: where choose_base closed the way, choose_base is named."""
    found = records(closed="choose_base")
    failed = Record(step="detect_shift", recipe="r", passed=False, summary="shifted", checks=(BAD,))
    closed = Record(step="choose_base", recipe="r", passed=False, summary="s")
    skipped = {step: found[step] for step in ("finetune", "evaluate")}
    _, headline, *_ = decide({"detect_shift": failed, "choose_base": closed, **skipped}, inputs())
    assert headline == "Nothing was trained: choose_base closed the gate: s."


def test_a_rejection_names_the_comparison_that_it_is_about() -> None:
    """However much worse the candidate is than another arm: transfer against models without it, champions by their own."""
    gaps = {"scratch": -0.1, "frozen_probe": 0.05, "champion": -0.2, "best_champion": -0.3}
    differences = {arm: drawn(gap - 0.01, gap + 0.01).observed for arm, gap in gaps.items()}

    def headline(**verdicts: str) -> str:
        given = records(champion=verdicts.get("champion", "superior"), transfer=verdicts.get("transfer", "positive"))
        changed = {"differences": differences, "best": verdicts.get("best", "superior")}
        return decide({**given, "evaluate": given["evaluate"].model_copy(update=changed)}, inputs()).headline

    assert headline(transfer="negative", best="inferior").startswith("The transfer hurt: -10.0 points")
    assert headline(champion="inferior", best="inferior").startswith("Worse than the champion: -20.0 points")
    assert headline(best="inferior").startswith("Worse than the best champion so far: -30.0 points")


@pytest.mark.parametrize(
    ("champion", "best", "verdict", "says"),
    [
        (
            "superior",
            "superior",
            "promote",
            "Superior to champion 0003, which it replaces, and to 0001, the best so far.",
        ),
        ("non_inferior", "non_inferior", "promote", "Non-inferior to champion 0003"),
        ("superior", "inferior", "reject", "Worse than the best champion so far: +0.0 points"),
        ("superior", "undecided", "hold", "Not shown to be as good as the best champion so far"),
        ("inferior", "inferior", "reject", "Worse than the champion"),
    ],
)
def test_a_candidate_has_to_hold_against_the_best_so_far_too(champion: str, best: str, verdict: str, says: str) -> None:
    """Better than the champion in force is not enough where that one is worse than a champion before it."""
    given = records(champion=champion, checks=(gain(-0.05, 0.05, "best_champion", "note"),))
    differences = {arm: drawn(-0.05, 0.05).observed for arm in ("champion", "best_champion")}
    evaluation = given["evaluate"].model_copy(update={"best": best, "differences": differences})
    pinned = BestChampion(
        number="0001", entry=SHA, model_id=SHA, base_sha256=SHA, folder="registry/r/0001", n_compared=2
    )
    found = decide({**given, "evaluate": evaluation}, inputs().model_copy(update={"best": pinned}))
    assert (found.verdict, says in found.headline) == (verdict, True), found.headline
