"""Slices and their gaps."""

from __future__ import annotations

import numpy as np
import pytest

from graft.evaluation.bias import bias_checks, measure_slices
from graft.records import Estimate, Slice


def groups_and_answers(seed: int = 0) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Return 900 rows in three varieties, of which the candidate serves one worse and the probe none."""
    rng = np.random.default_rng(seed)
    groups = {
        "variety": rng.choice(["a", "b", "c"], 900),
        "channel": rng.choice(["app", ""], 900),
        "only": np.full(900, "x"),
    }
    candidate = rng.random(900) < np.where(groups["variety"] == "b", 0.5, 0.9)
    return groups, candidate, rng.random(900) < 0.8


def test_slices_agree_with_fairlearn() -> None:
    """Each group's accuracy and n are those of fairlearn's MetricFrame."""
    metrics = pytest.importorskip("fairlearn.metrics", reason="fairlearn is not installed")
    sklearn_metrics = pytest.importorskip("sklearn.metrics")
    groups, candidate, probe = groups_and_answers()
    frame = metrics.MetricFrame(
        metrics={"accuracy": sklearn_metrics.accuracy_score, "n": metrics.count},
        y_true=np.ones(900, dtype=int),
        y_pred=candidate.astype(int),
        sensitive_features=groups["variety"],
    )
    slices = [one for one in measure_slices(groups, candidate, probe, min_rows=30) if one.column == "variety"]
    assert len(slices) == 3
    for one in slices:
        assert one.accuracy.value == pytest.approx(frame.by_group.loc[one.group, "accuracy"], abs=1e-12)
        assert one.n == frame.by_group.loc[one.group, "n"]


def test_gap_is_to_all_other_rows() -> None:
    """A slice's gap is its accuracy minus that of the rows outside it, for the candidate and for the probe."""
    groups, candidate, probe = groups_and_answers()
    found = {(one.column, one.group): one for one in measure_slices(groups, candidate, probe, min_rows=30)}
    inside = groups["variety"] == "b"
    b = found["variety", "b"]
    assert b.gap.value == pytest.approx(candidate[inside].mean() - candidate[~inside].mean())
    assert b.probe_gap.value == pytest.approx(probe[inside].mean() - probe[~inside].mean())
    assert list(found) == [
        ("channel", "(not stated)"),
        ("channel", "app"),
        ("variety", "a"),
        ("variety", "b"),
        ("variety", "c"),
    ]


def test_a_group_served_worse_fails() -> None:
    """A gap wholly beyond the bound fails and says that tuning brought it in; no other slice does."""
    checks = bias_checks(measure_slices(*groups_and_answers(), min_rows=30), max_gap=0.15, policy="note")
    failed = [c for c in checks if c.outcome == "failed"]
    assert [(c.id, c.note, c.policy) for c in failed] == [
        ("measure_bias.accuracy_gap[variety=b]", "came in with tuning", "note")
    ]
    groups, candidate, _ = groups_and_answers()
    inherited = bias_checks(measure_slices(groups, candidate, candidate, min_rows=30), max_gap=0.15, policy="note")
    assert [c.note for c in inherited if c.outcome == "failed"] == ["the frozen base has it too"]


@pytest.mark.parametrize("gap", [(-0.9, -0.8), (-0.1, 0.1), (0.5, 0.6)])
@pytest.mark.parametrize("sufficient", [True, False])
def test_insufficient_never_passes(gap: tuple[float, float], sufficient: bool) -> None:
    """A slice with too few rows can neither pass nor fail, whatever its gap; one with enough rows is judged."""
    estimate = Estimate(value=sum(gap) / 2, ci_low=gap[0], ci_high=gap[1], n=5, method="m", unit="points")
    one = Slice(
        column="c", group="g", n=5, accuracy=estimate, gap=estimate, probe_gap=estimate, sufficient=sufficient
    )  # fmt: skip
    (found,) = bias_checks((one,), max_gap=0.15, policy="note")
    expected = "cannot_tell" if not sufficient else "failed" if gap[1] < -0.15 else "passed"
    assert found.outcome == expected


@pytest.mark.parametrize(("n_inside", "n_outside", "sufficient"), [(30, 30, True), (29, 100, False), (100, 29, False)])
def test_sufficient_counts_both_sides(n_inside: int, n_outside: int, sufficient: bool) -> None:
    """A slice is sufficient when it has enough rows and so do the rows that it is compared with."""
    values = np.repeat(["in", "out"], [n_inside, n_outside])
    right = np.ones(len(values), dtype=bool)
    slices = measure_slices({"c": values}, right, right, min_rows=30)
    assert {one.sufficient for one in slices} == {sufficient}
