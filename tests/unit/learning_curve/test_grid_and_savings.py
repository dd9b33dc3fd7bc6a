"""Which rows a curve learns from, and what transfer saves by what was right."""

from __future__ import annotations

import numpy as np
import pytest

from graft.errors import InputError
from graft.learning_curve.grid import draw_rows, hold_out_rows, n_rows, sizes_for
from graft.learning_curve.savings import Curves, area_gains, cost_saving, data_savings, points_of

LABELS = np.array(["a"] * 40 + ["b"] * 9 + ["c"] * 3)
SIZES = (1, 2, 4, 8, 16, 32, None)


def test_draws_are_stratified_and_nested() -> None:
    """A draw's rows at one size are the first of those at the next, so many of each class as there are."""
    order = draw_rows(LABELS, 3)
    assert sorted(order) == list(range(len(LABELS)))
    for size in SIZES:
        taken = LABELS[order[: n_rows(LABELS, size)]]
        for label, n in (("a", 40), ("b", 9), ("c", 3)):
            assert (taken == label).sum() == (n if size is None else min(n, size))


def test_draws_differ_and_are_the_same_again() -> None:
    """Another number is another draw; the same number is the same one."""
    assert (draw_rows(LABELS, 0) == draw_rows(LABELS, 0)).all()
    assert (draw_rows(LABELS, 0) != draw_rows(LABELS, 1)).any()


def test_rows_held_out_leave_one_of_each_class() -> None:
    """A fifth of each class is held out and never trained on; of one row a class nothing is."""
    train, held = hold_out_rows(LABELS, None, fraction=0.2)
    assert sorted([*train, *held]) == list(range(len(LABELS)))
    assert {label: int((LABELS[held] == label).sum()) for label in "abc"} == {"a": 8, "b": 2, "c": 1}
    assert len(hold_out_rows(LABELS, 1, fraction=0.2)[1]) == 0


def test_only_sizes_below_what_is_there() -> None:
    """Sizes beyond the largest class say nothing that all rows do not say; they come ascending and once."""
    assert sizes_for(LABELS) == (1, 2, 4, 8, 16, 32, None)
    assert sizes_for(LABELS, (None, 8, 40, 8, 2)) == (2, 8, None)
    assert sizes_for(LABELS, (4,)) == (4,)


@pytest.mark.parametrize(
    ("labels", "sizes", "says"),
    [
        (np.array(["a", "a"]), (1, None), "two classes"),
        (LABELS, (0, None), "cannot have 0 rows"),
        (LABELS, (40, 100), "below the 40 rows"),
        (LABELS, (), "below the 40 rows"),
    ],
)
def test_no_curve(labels: np.ndarray, sizes: tuple[int | None, ...], says: str) -> None:
    """One class, no rows, or sizes that are not there: one sentence."""
    with pytest.raises(InputError, match=says):
        sizes_for(labels, sizes)


def steps(*accuracies: float, draws: int = 3, n: int = 100) -> np.ndarray:
    """Return hits of exactly these accuracies at sizes of 10, 20, 40 and 80 rows, the same rows right in each draw."""
    right = np.arange(n) < np.round(np.array(accuracies) * n)[:, None]
    return np.repeat(right[None], draws, axis=0)


def curves(**arms: np.ndarray) -> Curves:
    return Curves.of(arms, dict.fromkeys(arms, (5, 10, 20, None)), dict.fromkeys(arms, (10, 20, 40, 80)))


def test_an_arm_may_have_sizes_of_its_own() -> None:
    """Ratios need of the arm from scratch all rows alone; areas are compared over the same sizes only."""
    hits = {"transfer": steps(0.5, 0.6, 0.7, 0.8), "scratch_network": steps(0.5, 0.55, 0.6, 0.7)[:, -1:]}
    sizes = {"transfer": (5, 10, 20, None), "scratch_network": (None,)}
    found = Curves.of(hits, sizes, {"transfer": [10, 20, 40, 80], "scratch_network": [80]})
    (saving, *_) = data_savings(found)
    assert saving.ratio.value == pytest.approx(0.5)
    assert area_gains(found) == {}
    assert [(point.arm, point.size) for point in points_of(found)][-1] == ("scratch_network", None)


def test_data_ratio_at_the_accuracy_of_all_rows_from_scratch() -> None:
    """Transfer that has with 10 rows what scratch has with 80 needs an eighth at most; what neither reaches is left out."""
    seen = curves(transfer=steps(0.7, 0.8, 0.9, 0.95), scratch=steps(0.4, 0.5, 0.6, 0.7))
    found = {one.target: one for one in data_savings(seen)}
    assert set(found) == {0.7, 0.8, 0.85, 0.9}
    assert (found[0.7].ratio.known, found[0.7].ratio.value, found[0.7].is_fixed) == ("at_most", 0.125, False)
    assert found[0.8].ratio.value == pytest.approx(20 / 80), "scratch never has .8: at most what transfer needs of all"
    assert found[0.8].ratio.known == "at_most"
    assert found[0.8].is_fixed


def test_transfer_that_never_gets_there() -> None:
    """The ratio is at least that of all rows, and no interval has an upper end."""
    seen = curves(transfer=steps(0.2, 0.3, 0.4, 0.5), scratch=steps(0.4, 0.5, 0.6, 0.7))
    (found,) = data_savings(seen)
    assert (found.ratio.known, found.ratio.value, found.ratio.ci_high) == ("at_least", 1.0, None)
    assert found.ratio.outcome(0.1) == "failed"


def test_every_pair_that_was_measured_is_compared() -> None:
    """Transfer and probe, each against both ways to learn from scratch; placebos are compared with nothing."""
    arms = ("transfer", "frozen_probe", "scratch", "scratch_network", "random_encoder", "shuffled_labels")
    seen = curves(**dict.fromkeys(arms, steps(0.4, 0.5, 0.6, 0.7)))
    assert list(seen.pairs()) == [
        ("transfer", "scratch_network"), ("frozen_probe", "scratch_network"),
        ("transfer", "scratch"), ("frozen_probe", "scratch"),
    ]  # fmt: skip
    assert list(curves(transfer=steps(0.1, 0.2, 0.3, 0.4)).pairs()) == []
    assert len(points_of(seen)) == 24
    gains = area_gains(seen)
    assert set(gains) == set(arms) - {"transfer"}
    assert gains["scratch"].value == pytest.approx(0)


def test_time_is_that_of_the_cheapest_size_that_gets_there() -> None:
    """Transfer reaches .7 with its second size in 3 s, scratch with all rows in 30 s."""
    seen = curves(transfer=steps(0.6, 0.75, 0.9, 0.95), scratch=steps(0.4, 0.5, 0.6, 0.7))
    took, against = np.tile([1.0, 3.0, 9.0, 27.0], (3, 1)), np.tile([4.0, 8.0, 16.0, 30.0], (3, 1))
    spent, spent_against, ratio = cost_saving(seen, "transfer", "scratch", took, against)
    assert (spent, spent_against, ratio.known) == (3.0, 30.0, "exact")
    assert ratio.value == pytest.approx(0.1)
