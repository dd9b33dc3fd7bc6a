"""The two verdicts of an evaluation, and what leads to them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score

from graft.evaluate import (
    champion_verdict,
    compare_arms,
    confusions,
    evaluation_checks,
    transfer_verdict,
)
from graft.records import Estimate


def gain(low: float, high: float) -> Estimate:
    return Estimate(value=(low + high) / 2, ci_low=low, ci_high=high, n=100, method="m", unit="points")


@pytest.mark.parametrize(
    ("scratch", "probe", "verdict"),
    [
        ((0.01, 0.10), (-0.04, 0.02), "positive"),  # the margin itself is allowed
        ((0.01, 0.10), (0.02, 0.05), "positive"),
        ((0.01, 0.10), (-0.05, 0.02), "undecided"),
        ((0.01, 0.10), (-0.09, -0.05), "negative"),  # gains, but tuning destroyed what the base knew
        ((-0.10, -0.01), (0.02, 0.05), "negative"),
        ((-0.10, -0.01), (-0.09, -0.05), "negative"),
        ((-0.04, 0.04), (0.00, 0.05), "none"),
        ((0.00, 0.04), (0.00, 0.05), "none"),
        ((0.00, 0.05), (0.00, 0.05), "undecided"),
        ((-0.05, 0.01), (0.00, 0.05), "undecided"),
        ((-0.20, 0.20), (-0.20, 0.20), "undecided"),
    ],
)
def test_transfer_verdict(scratch: tuple[float, float], probe: tuple[float, float], verdict: str) -> None:
    """The transfer's verdict follows the whole intervals of both gains, at a margin of 4 points."""
    assert transfer_verdict(gain(*scratch), gain(*probe), margin_probe=0.04) == verdict


@pytest.mark.parametrize(
    ("difference", "verdict"),
    [
        (None, "first"),
        ((0.001, 0.05), "superior"),
        ((0.0, 0.05), "non_inferior"),
        ((-0.02, 0.05), "non_inferior"),
        ((-0.021, 0.05), "undecided"),
        ((-0.05, -0.02), "undecided"),
        ((-0.05, -0.021), "inferior"),
    ],
)
def test_champion_verdict(difference: tuple[float, float] | None, verdict: str) -> None:
    """The candidate's standing follows the whole interval, at a margin of 2 points."""
    assert champion_verdict(gain(*difference) if difference else None, margin=0.02) == verdict


def test_arms_are_compared_on_the_same_rows() -> None:
    """Accuracy is each arm's, differences are candidate minus arm, and every arm but the candidate has a p-value."""
    rng = np.random.default_rng(0)
    y_true = rng.integers(0, 3, 200).astype(str)
    wrong = np.array([str((int(label) + 1) % 3) for label in y_true])
    arms = {
        name: np.where(rng.random(200) < rate, y_true, wrong) for name, rate in (("candidate", 0.9), ("scratch", 0.6))
    }
    accuracy, differences, p_values = compare_arms(y_true, arms, rng=rng, n_bootstrap=2000)
    for name, predicted in arms.items():
        assert accuracy[name].value == accuracy_score(y_true, predicted)
    assert differences["scratch"].value == pytest.approx(accuracy["candidate"].value - accuracy["scratch"].value)
    assert differences["scratch"].ci_low > 0
    assert set(differences) == set(p_values) == {"scratch"}
    assert p_values["scratch"] < 1e-6


def checks(**changed: Estimate) -> dict[str, str]:
    accuracy = {"candidate": changed.pop("candidate", gain(0.6, 0.7))}
    differences = {"scratch": gain(0.0, 0.1), "frozen_probe": gain(-0.04, 0.1), **changed}
    found = evaluation_checks(
        accuracy, differences, min_accuracy=0.5, margin_probe=0.04, margin_champion=0.02,
        transfer_policy="hold", champion_policy="note", scratch="TF-IDF",
    )  # fmt: skip
    assert {c.name: c.policy for c in found}.get("Gain over the champion", "note") == "note"
    assert found[0].policy == "hold"
    return {c.name: c.outcome for c in found}


@pytest.mark.parametrize(
    ("arm", "interval", "name", "outcome"),
    [
        ("candidate", (0.5, 0.6), "Accuracy", "passed"),
        ("candidate", (0.4, 0.49), "Accuracy", "failed"),
        ("scratch", (-0.1, -0.01), "Gain over training from scratch", "failed"),
        ("frozen_probe", (-0.05, 0.0), "Gain over the frozen probe", "cannot_tell"),
        ("frozen_probe", (-0.09, -0.05), "Gain over the frozen probe", "failed"),
        ("champion", (-0.02, 0.01), "Gain over the champion", "passed"),
        ("champion", (-0.05, -0.03), "Gain over the champion", "failed"),
        ("champion", (-0.05, 0.03), "Gain over the champion", "cannot_tell"),
    ],
)
def test_checks_stand_beside_their_margins(arm: str, interval: tuple[float, float], name: str, outcome: str) -> None:
    """Each arm has its check with its own margin, and the others pass; without a champion there is no check on one."""
    found = checks(**{arm: gain(*interval)})
    assert found.pop(name) == outcome
    assert set(found.values()) == {"passed"}
    assert ("Gain over the champion" in checks()) is False


def test_confusions_are_ranked() -> None:
    """Errors come most frequent first, ties by name, right answers never."""
    y_true = np.array(["a", "a", "a", "b", "c", "c"])
    y_pred = np.array(["b", "b", "a", "a", "a", "c"])
    assert confusions(y_true, y_pred) == (("a", "b", 2), ("b", "a", 1), ("c", "a", 1))
    many = np.array([f"l{k:02}" for k in range(30)])
    assert len(confusions(many, np.roll(many, 1))) == 12
