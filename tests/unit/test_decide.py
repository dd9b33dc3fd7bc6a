"""Promote, hold or reject: a table of situations."""

from __future__ import annotations

from typing import Any

import pytest

from graft.decide import decide, decision_record
from graft.records import (
    Champion,
    Check,
    Dataset,
    Estimate,
    EvaluationRecord,
    Inputs,
    ModelRecord,
    Record,
    check,
)

MODEL, OTHER, SHA = "a" * 64, "b" * 64, "c" * 64


def drawn(low: float, high: float, policy: Any = "hold", step: str = "evaluate") -> Check:
    """Return a check against the bound 0."""
    seen = Estimate(value=(low + high) / 2, ci_low=low, ci_high=high, n=100, method="m", unit="points")
    return check(f"Gain {low} to {high}", step, seen, 0, "at_least", policy=policy)


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
        accuracy={"candidate": difference}, differences={"scratch": difference, "frozen_probe": difference},
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
        ({"champion": "undecided"}, {}, "hold", "Cannot tell whether it is as good as champion 0003"),
        ({"champion": "undecided", "checks": (OPEN_NOTED,)}, {}, "hold", "Some 420 test rows would tell, of 100 now."),
        ({"champion": "first", "transfer": "undecided"}, {"champion": None}, "hold", "Some 420 test rows would tell"),
        ({"checks": (GOOD, BAD)}, {}, "hold", "1 check failed"),
        ({"checks": (BAD, BAD)}, {}, "hold", "2 checks failed"),
        ({"checks": (GOOD, OPEN)}, {}, "hold", "Too few rows to tell"),
        ({"checks": (GOOD, OPEN_NOTED)}, {}, "promote", "Superior"),
        ({"checks": (BAD, OPEN_NOTED)}, {}, "hold", "failed"),
        ({"checks": (drawn(-0.2, -0.1, "note"),)}, {}, "hold", "failed"),  # a failed check always counts
        ({"checks": (OPEN,), "transfer": "negative"}, {}, "reject", "The transfer hurt"),
    ],
)
def test_situations(situation: dict[str, Any], world: dict[str, Any], verdict: str, says: str) -> None:
    """Each situation has its verdict, and a headline that says why."""
    found, headline, _ = decide(records(**situation), inputs(**world))
    assert (found, says in headline) == (verdict, True), headline
    if verdict != "promote" and "champion 0003 already" not in headline and "rolled back" not in headline:
        assert ("stays" in headline or "no champion yet" in headline) == ("closed" not in situation)


def test_checks_of_every_step_count() -> None:
    """A failed check of any step holds the candidate back, and every check is handed on."""
    for step in ("ingest", "validate", "embed", "detect_shift", "choose_base", "measure_bias"):
        given = records()
        bad = drawn(-0.2, -0.1, step=step)
        given[step] = Record(step=step, recipe="r", passed=True, summary="s", checks=(bad,))
        verdict, _, checks = decide(given, inputs())
        assert verdict == "hold"
        assert len(checks) == 2


@pytest.mark.parametrize(("champion", "says"), [(OTHER, "which it replaces."), (None, "its first champion.")])
def test_a_shift_that_policy_notes_holds_nobody_and_is_named(champion: str | None, says: str) -> None:
    """A found shift holds under policy hold; under note the model is promoted and the headline names it. Nothing else passes."""
    for step, policy, verdict in (
        ("detect_shift", "hold", "hold"), ("detect_shift", "note", "promote"), ("measure_bias", "note", "hold"),
    ):  # fmt: skip
        bad = drawn(-0.2, -0.1, policy, step)
        given = records(champion="superior" if champion else "first")
        given[step] = Record(step=step, recipe="r", passed=False, summary="s", checks=(bad,))
        found, headline, _ = decide(given, inputs(champion))
        assert found == verdict
        assert bad.holds == (verdict == "hold")
        if found == "promote":
            assert headline.endswith(f"{says} Noted: gain -0.2 to -0.1.")


def test_record_counts_and_agrees() -> None:
    """The record's counts, verdict and ``passed`` are those of the decision; without a model it names none."""
    record = decision_record("r", records(checks=(GOOD, GOOD, OPEN_NOTED)), inputs(), {"evaluate": SHA})
    assert (record.n_passed, record.n_failed, record.n_cannot_tell) == (2, 0, 1)
    assert (record.verdict, record.passed, record.model_id) == ("promote", True, MODEL)
    assert record.inputs == {"evaluate": SHA}
    closed = decision_record("r", records(closed="validate"), inputs(), {})
    assert (closed.verdict, closed.passed, closed.model_id) == ("hold", False, None)


def test_the_gate_that_closed_is_named_not_another_step_that_failed() -> None:
    """A shift that failed is no gate: where choose_base closed the way, choose_base is named."""
    found = records(closed="choose_base")
    failed = Record(step="detect_shift", recipe="r", passed=False, summary="shifted", checks=(BAD,))
    closed = Record(step="choose_base", recipe="r", passed=False, summary="s")
    skipped = {step: found[step] for step in ("finetune", "evaluate")}
    _, headline, _ = decide({"detect_shift": failed, "choose_base": closed, **skipped}, inputs())
    assert headline == "Nothing was trained: choose_base closed the gate: s."
