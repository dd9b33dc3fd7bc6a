"""The two verdicts of an evaluation, and what leads to them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix

from graft.evaluation.compare import (
    champion_verdict,
    compare_arms,
    confusion,
    confusions,
    evaluation_checks,
    open_comparisons,
    transfer_verdict,
)
from graft.recipe.schema import Decide, Evaluate
from graft.records import Estimate, Retention
from graft.stats import paired_difference


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
    differences = {"scratch": gain(*scratch), "frozen_probe": gain(*probe)}
    assert transfer_verdict(differences, margin_probe=0.04, rope=0.04) == verdict
    better = {"scratch_network": gain(0.2, 0.3)}  # only the stronger of the two matters
    assert transfer_verdict({**differences, **better}, margin_probe=0.04, rope=0.04) == verdict


@pytest.mark.parametrize(
    ("network", "verdict"),
    [((-0.10, -0.01), "negative"), ((-0.02, 0.05), "undecided"), ((-0.01, 0.008), "none"), ((0.001, 0.009), "none")],
)
def test_the_same_network_untaught_must_be_beaten_too(network: tuple[float, float], verdict: str) -> None:
    """A gain over the cheap model is no transfer where the network gets as far without its pretraining."""
    differences = {"scratch": gain(0.01, 0.10), "scratch_network": gain(*network), "frozen_probe": gain(0.0, 0.1)}
    assert transfer_verdict(differences, margin_probe=0.04, rope=0.01) == verdict


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


SETTINGS = Evaluate(margin_champion=0.02, margin_probe=0.04, min_accuracy=0.5, n_bootstrap=1000)
POLICY = Decide(shift="note", transfer="hold", champion="note", slices="note")


def right(seen: Estimate) -> Estimate:
    """Return an estimate as an accuracy, which has no sign."""
    return seen.model_copy(update={"unit": "fraction"})


def checks(**changed: Estimate) -> dict[str, str]:
    accuracy = {"candidate": right(changed.pop("candidate", gain(0.6, 0.7)))}
    differences = {"scratch": gain(0.0, 0.1), "frozen_probe": gain(-0.04, 0.1), **changed}
    found = evaluation_checks(accuracy, differences, settings=SETTINGS, policy=POLICY, notes={}, n_looks=0)
    assert {c.id: c.policy for c in found}.get("evaluate.gain.champion", "note") == "note"
    assert found[0].policy == "hold"
    return {c.id: c.outcome for c in found}


@pytest.mark.parametrize(
    ("arm", "interval", "check_id", "outcome"),
    [
        ("candidate", (0.5, 0.6), "evaluate.accuracy", "passed"),
        ("candidate", (0.4, 0.49), "evaluate.accuracy", "failed"),
        ("scratch", (-0.1, -0.01), "evaluate.gain.scratch", "failed"),
        ("scratch_network", (-0.1, -0.01), "evaluate.gain.scratch_network", "failed"),
        ("frozen_probe", (-0.05, 0.0), "evaluate.gain.frozen_probe", "cannot_tell"),
        ("frozen_probe", (-0.09, -0.05), "evaluate.gain.frozen_probe", "failed"),
        ("champion", (-0.02, 0.01), "evaluate.gain.champion", "passed"),
        ("champion", (-0.05, -0.03), "evaluate.gain.champion", "failed"),
        ("champion", (-0.05, 0.03), "evaluate.gain.champion", "cannot_tell"),
    ],
)
def test_checks_stand_beside_their_margins(
    arm: str, interval: tuple[float, float], check_id: str, outcome: str
) -> None:
    """Each arm has its check with its own margin, and the others pass; without a champion there is no check on one."""
    found = checks(**{arm: gain(*interval)})
    assert found.pop(check_id) == outcome
    assert set(found.values()) == {"passed"}
    assert ("evaluate.gain.champion" in checks()) is False


def test_a_test_set_is_worn_after_so_many_looks() -> None:
    """Ten looks are let pass, the eleventh is not."""
    arms = {"scratch": gain(0.0, 0.1), "frozen_probe": gain(0.0, 0.1)}
    for n_before, outcome in ((0, "passed"), (9, "passed"), (10, "failed")):
        found = evaluation_checks(
            {"candidate": right(gain(0.6, 0.7))}, arms, settings=SETTINGS, policy=POLICY, notes={}, n_looks=n_before
        )
        (looks,) = (c for c in found if c.id == "evaluate.test_set_uses")
        assert (looks.observed.value, looks.observed.unit, looks.outcome) == (n_before + 1, "uses", outcome)


def test_retention_is_checked_and_what_is_gone_is_never_called_kept() -> None:
    """A promoted ancestor has a check with the recipe's bound; without its rows that cannot tell; a mere base has none."""
    arms = {"scratch": gain(0.0, 0.1), "frozen_probe": gain(0.0, 0.1)}
    kept = (
        Retention(ancestor="a 0001", n=100, probe=gain(-0.04, 0.0)),
        Retention(ancestor="b 0003", n=100, probe=gain(-0.20, -0.06)),
        Retention(ancestor="c 0002", n=0, because="its rows are not here"),
        Retention(ancestor="pkg:x", n=0, is_promoted=False, cka=0.9),
    )
    found = evaluation_checks(
        {"candidate": right(gain(0.6, 0.7))}, arms, kept, settings=SETTINGS, policy=POLICY, notes={}, n_looks=0
    )
    outcomes = {c.measurement.against: c.outcome for c in found if c.kind == "evaluate.retention"}
    assert outcomes == {"a 0001": "passed", "b 0003": "failed", "c 0002": "cannot_tell"}
    assert (
        next(c.note for c in found if c.id == "evaluate.retention[c 0002]")
        == "cannot be measured: its rows are not here"
    )


def test_an_open_comparison_says_how_many_rows_would_tell() -> None:
    """Only intervals that cross their bound are open; what lies exactly on it no number of rows can tell."""
    rng = np.random.default_rng(1)
    theirs = rng.random(200) < 0.7
    ours = theirs.copy()
    ours[rng.permutation(np.flatnonzero(~theirs))[:4]] = True  # 2 points better
    ours[rng.permutation(np.flatnonzero(theirs))[:2]] = False
    found = {
        name: paired_difference(one, theirs, rng=rng, n_bootstrap=2000)
        for name, one in (("scratch", ours), ("frozen_probe", ours), ("champion", theirs))
    }
    hits = {"scratch": (theirs, ours), "frozen_probe": (theirs, ours), "champion": (theirs, theirs)}
    needed = open_comparisons(found, hits, settings=SETTINGS.model_copy(update={"margin_champion": 0.0}))
    assert set(needed) == {"scratch", "champion"}  # the margin to the probe is kept
    assert needed["champion"] is None
    assert 1500 < (needed["scratch"] or 0) < 3500  # (z_.975 + z_.8)^2 (.03 - .01^2) / .01^2 = 2,347


def test_confusions_are_ranked() -> None:
    """Errors come most frequent first, ties by name, right answers never."""
    y_true = np.array(["a", "a", "a", "b", "c", "c"])
    y_pred = np.array(["b", "b", "a", "a", "a", "c"])
    assert confusions(y_true, y_pred) == (("a", "b", 2), ("b", "a", 1), ("c", "a", 1))
    many = np.array([f"l{k:02}" for k in range(30)])
    assert len(confusions(many, np.roll(many, 1))) == 12


def test_a_confusion_matrix_is_sklearns_and_is_left_out_when_unreadable() -> None:
    """Rows are labels, columns what they were taken for, over all that occur; with over 20 labels there is none."""
    y_true, y_pred = np.array(list("aabbbc")), np.array(list("abbbdc"))
    found = confusion(y_true, y_pred)
    assert found is not None
    assert found.labels == ("a", "b", "c", "d")
    assert np.array_equal(np.array(found.rows), confusion_matrix(y_true, y_pred, labels=list(found.labels)))
    for n_labels in (20, 21):
        labels = np.array([f"label {k}" for k in range(n_labels)])
        assert (confusion(labels, labels) is None) == (n_labels == 21)
