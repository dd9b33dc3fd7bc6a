"""Ratios read off two curves: interpolated where they were measured, open where they were not."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression

from graft.records import Ratio
from graft.stats.ratio import (
    Bounds,
    area,
    cost_to_reach,
    estimate,
    isotonic,
    mean_costs,
    ratio,
    resample_curves,
    rows_to_reach,
)

SIZES = np.array([10.0, 20.0, 40.0, 80.0])


def reached(curve: list[float], target: float) -> tuple[float, float]:
    low, high = rows_to_reach(np.array([curve]), SIZES, np.array([target]))
    return float(low[0]), float(high[0])


def ratio_of(top: tuple[float, float], bottom: tuple[float, float], n: int = 50) -> Ratio:
    """Return the ratio of numbers that are the same in every sample."""
    sides = [Bounds(np.full(n, low), np.full(n, high)) for low, high in (top, bottom)]
    return ratio(sides[0], sides[1], n=100)


def test_isotonic_agrees_with_scikit_learn() -> None:
    """The max-min formula gives what pooling adjacent violators gives."""
    means = np.random.default_rng(0).random((200, 8))
    expected = [IsotonicRegression().fit_transform(np.arange(8), row) for row in means]
    assert isotonic(means) == pytest.approx(np.array(expected))


def test_rows_are_read_off_in_log_n() -> None:
    """Half way between the accuracies of two sizes lies the geometric mean of the sizes."""
    assert reached([0.2, 0.4, 0.6, 0.8], 0.5) == pytest.approx((800**0.5, 800**0.5))
    assert reached([0.2, 0.4, 0.6, 0.8], 0.6) == pytest.approx((40, 40))
    assert reached([0.2, 0.6, 0.6, 0.8], 0.6) == pytest.approx((20, 20)), "the fewest rows of a plateau"
    assert reached([0.2, 0.7, 0.5, 0.8], 0.6) == pytest.approx((20, 20)), "a dip is pooled"


def test_nothing_is_carried_on_beyond_what_was_measured() -> None:
    """The smallest size that reaches the target is an upper bound, and the largest that does not a lower one."""
    assert reached([0.5, 0.6, 0.7, 0.8], 0.4) == (0, 10)
    assert reached([0.5, 0.6, 0.7, 0.8], 0.9) == (80, np.inf)


def test_a_concave_curve_needs_no_fewer_rows_than_are_read_off() -> None:
    """Where each doubling gains less, the straight piece lies below the curve: the rows are too many, if anything."""
    accuracy = 1 - 1 / np.sqrt(SIZES)
    for rows in (12.0, 15.0, 27.0, 55.0):
        assert reached(accuracy.tolist(), 1 - 1 / rows**0.5)[0] > rows


@pytest.mark.parametrize(
    ("top", "bottom", "known", "value", "ends"),
    [
        ((5, 5), (50, 50), "exact", 0.1, (0.1, 0.1)),
        ((0, 5), (50, 50), "at_most", 0.1, (0.0, 0.1)),
        ((5, 5), (50, np.inf), "at_most", 0.1, (0.0, 0.1)),
        ((0, 5), (50, np.inf), "at_most", 0.1, (0.0, 0.1)),
        ((5, np.inf), (50, 50), "at_least", 0.1, (0.1, None)),
        ((5, 5), (0, 50), "at_least", 0.1, (0.1, None)),
        ((5, np.inf), (0, 50), "at_least", 0.1, (0.1, None)),
        ((5, np.inf), (50, np.inf), "unknown", None, (0.0, None)),
        ((0, 5), (0, 50), "unknown", None, (0.0, None)),
    ],
)
def test_censoring_is_flagged_both_ways(
    top: tuple[float, float], bottom: tuple[float, float], known: str, value: float | None, ends: tuple[float, float]
) -> None:
    """What one arm reached at once, or never, bounds the ratio on the side that it can, and leaves the other open."""
    found = ratio_of(top, bottom)
    assert (found.known, found.value, (found.ci_low, found.ci_high)) == (known, value, ends)


def test_a_claim_holds_only_with_its_whole_interval() -> None:
    """At most so much: passed with the upper end, failed with the lower, and an open end never passes."""
    assert ratio_of((5, 5), (50, 50)).outcome(0.1) == "passed"
    assert ratio_of((6, 6), (50, 50)).outcome(0.1) == "failed"
    assert ratio_of((0, 5), (50, 50)).outcome(0.1) == "passed"
    assert ratio_of((0, 6), (50, 50)).outcome(0.1) == "cannot_tell"
    assert ratio_of((4, np.inf), (50, 50)).outcome(0.1) == "cannot_tell"
    assert ratio_of((6, np.inf), (50, 50)).outcome(0.1) == "failed"
    assert ratio_of((5, np.inf), (50, np.inf)).outcome(0.1) == "cannot_tell"


def test_what_a_ratio_says() -> None:
    """A bound is called one, an open end is called open, and large ratios are times."""
    assert ratio_of((5, 5), (50, 50)).words == "10.0% [10.0%, 10.0%]"
    assert ratio_of((0, 5), (50, 50)).words == "at most 10.0% [0.0%, 10.0%]"
    assert ratio_of((150, np.inf), (50, 50)).words == "at least 3.0x [3.0x, open]"
    assert ratio_of((0, 5), (0, 50)).words == "cannot tell"


def test_cost_is_that_of_the_cheapest_size_that_reaches_the_target() -> None:
    """A size that costs more and is reached too does not count; one that is never reached counts with its largest size."""
    means, costs = np.array([[0.2, 0.6, 0.7, 0.8]]), np.array([[1.0, 9.0, 5.0, 20.0]])
    for target, expected in ((0.5, (5, 5)), (0.75, (20, 20)), (0.9, (20, np.inf)), (0.1, (1, 1))):
        low, high = cost_to_reach(means, costs, np.array([target]))
        assert (low[0], high[0]) == expected


def test_area_is_a_mean_over_doublings() -> None:
    """A flat curve has its own accuracy as area; a straight one in log n the middle."""
    assert area(np.array([[0.4] * 4, [0.2, 0.4, 0.6, 0.8]]), SIZES) == pytest.approx([0.4, 0.5])


def test_variance_is_that_of_draws_and_rows() -> None:
    """The spread of samples is draws / k + rows / n + both / (k n), each counted once, and Student's t where draws are few.

    Rows differ by +-.25, draws by .03, the rest is a coin: so the three variances are known. The variance of t with 9 degrees is
    9/7.
    """
    rng = np.random.default_rng(5)
    k, n, estimated = 10, 400, []
    for _ in range(400):
        chance = 0.6 + 0.03 * rng.standard_normal((k, 1)) + 0.25 * rng.choice([-1, 1], size=n)
        hits = rng.random((k, n)) < chance
        estimated.append(np.var(resample_curves({"arm": hits[:, None, :]}, rng=rng, n_bootstrap=400)["arm"][1:]))
    draws, rows = 0.03**2, 0.25**2
    both = 0.6 * 0.4 - draws - rows
    expected = 9 / 7 * (draws / k + both / (k * n)) + rows / n
    assert np.mean(estimated) == pytest.approx(expected, rel=0.05)


def test_the_first_sample_is_what_was_measured() -> None:
    """Means, intervals and costs all start from the measured values, and the same seed gives the same samples."""
    hits = np.random.default_rng(1).random((3, 4, 60)) < 0.7
    once, again = (resample_curves({"a": hits}, rng=np.random.default_rng(2), n_bootstrap=50)["a"] for _ in range(2))
    assert (once == again).all()
    assert once[0] == pytest.approx(hits.mean(axis=(0, 2)))
    assert once.shape == (51, 4)
    seen = estimate(once[:, 1], n=60, unit="fraction")
    assert seen.value == pytest.approx(hits[:, 1].mean())
    assert seen.ci_low < seen.value < seen.ci_high
    costs = mean_costs(np.array([[1.0, 2.0], [3.0, 4.0]]), rng=np.random.default_rng(0), n_bootstrap=20)
    assert costs[0].tolist() == [2, 3]
    assert set(costs[1:, 0]) == {1.0, 3.0}


def test_one_draw_has_no_interval() -> None:
    """Fewer than two draws, or other rows in one arm than in another, are refused."""
    hits = np.ones((2, 3, 10), dtype=bool)
    for wrong in ({"a": hits[:1]}, {"a": hits, "b": hits[:, :, :5]}):
        with pytest.raises(ValueError, match="two draws"):
            resample_curves(wrong, rng=np.random.default_rng(0), n_bootstrap=10)
