"""Intervals of accuracy, against other implementations and published values."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from graft.stats import mcnemar, paired_difference, proportion, proportion_difference


def hits(k: int, n: int) -> np.ndarray:
    return np.arange(n) < k


def paired(both: int, wins: int, losses: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    """Return two models' hits with these counts."""
    counts = [both, wins, losses, neither]
    return np.repeat([True, True, False, False], counts), np.repeat([True, False, True, False], counts)


@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
@pytest.mark.parametrize(("k", "n"), [(0, 1), (1, 1), (0, 10), (3, 10), (10, 10), (50, 99), (999, 1000)])
def test_proportion_is_wilson(k: int, n: int, level: float) -> None:
    """The interval is SciPy's Wilson interval, stays in [0, 1] and never has width 0."""
    found = proportion(hits(k, n), level=level)
    oracle = stats.binomtest(k, n).proportion_ci(confidence_level=level, method="wilson")
    assert (found.ci_low, found.ci_high) == pytest.approx((oracle.low, oracle.high), abs=1e-12)
    assert (found.value, found.n, found.level) == (k / n, n, level)
    assert 0 <= found.ci_low < found.ci_high <= 1


@pytest.mark.parametrize(
    ("k", "n", "other_k", "m", "low", "high"),
    [
        (56, 70, 48, 80, 0.0524, 0.3339),
        (9, 10, 3, 10, 0.1705, 0.8090),
        (6, 7, 2, 7, 0.0582, 0.8062),
        (5, 56, 0, 29, -0.0381, 0.1926),
        (0, 10, 0, 20, -0.1611, 0.2775),
        (0, 10, 0, 10, -0.2775, 0.2775),
        (10, 10, 0, 20, 0.6791, 1.0000),
        (10, 10, 0, 10, 0.6075, 1.0000),
    ],
)
def test_proportion_difference_is_newcombe(k: int, n: int, other_k: int, m: int, low: float, high: float) -> None:
    """The interval is that of Newcombe 1998, table II, method 10, to its four digits; exchanging the samples mirrors it."""
    found = proportion_difference(hits(k, n), hits(other_k, m))
    assert found.value == pytest.approx(k / n - other_k / m)
    assert (found.ci_low, found.ci_high) == pytest.approx((low, high), abs=5.1e-5)
    assert found.n == min(n, m)
    mirror = proportion_difference(hits(other_k, m), hits(k, n))
    assert (mirror.ci_low, mirror.ci_high) == pytest.approx((-found.ci_high, -found.ci_low))


def test_bootstrap_draws_rows() -> None:
    """The multinomial short cut has the distribution of drawing rows one by one: same mean, spread and interval.

    Compared at 20,000 samples each; the bounds are 5 Monte-Carlo standard errors, a false alarm in a million.
    """
    first, second = paired(150, 30, 12, 108)
    n, n_bootstrap = len(first), 20_000
    rng = np.random.default_rng(1)
    row = first.astype(int) - second.astype(int)
    means = np.array([row[rng.integers(0, n, n)].mean() for _ in range(n_bootstrap)])
    found = paired_difference(first, second, rng=np.random.default_rng(2), n_bootstrap=n_bootstrap)
    assert found.value == pytest.approx(18 / 300)
    error = means.std() * np.sqrt(0.025 * 0.975 / n_bootstrap) / stats.norm.pdf(1.96)  # of a 2.5% quantile
    tolerance = 5 * np.sqrt(2) * error + 1 / n  # the means lie on a grid of 1/n
    assert (found.ci_low, found.ci_high) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])), abs=tolerance)
    variance = 42 / 300 - (18 / 300) ** 2
    width = (found.ci_high - found.ci_low) / (2 * 1.96)
    assert width == pytest.approx(np.sqrt(variance / n), rel=0.06)


def test_bootstrap_interval_follows_its_level_and_seed() -> None:
    """The same seed gives the same interval, a higher level a wider one, and the mirrored question the mirrored value."""
    first, second = paired(50, 20, 10, 20)

    def draw(level: float) -> tuple[float, float]:
        found = paired_difference(first, second, rng=np.random.default_rng(3), n_bootstrap=2000, level=level)
        assert found.level == level
        return found.ci_low, found.ci_high

    assert draw(0.95) == draw(0.95)
    assert draw(0.99)[0] < draw(0.95)[0] < draw(0.8)[0] < 0.1 < draw(0.8)[1] < draw(0.95)[1] < draw(0.99)[1]


@pytest.mark.parametrize(("n", "bound"), [(300, 3.8415 / 303.8415), (2, 1.0)])
def test_no_discordant_row_is_no_certainty(n: int, bound: float) -> None:
    """Two models that agree on every row differ by 0, give or take what n rows could not have shown."""
    found = paired_difference(hits(n // 2, n), hits(n // 2, n), rng=np.random.default_rng(0), n_bootstrap=1000)
    assert (found.value, found.ci_low, found.ci_high) == (
        0,
        pytest.approx(-bound, abs=1e-5),
        pytest.approx(bound, abs=1e-5),
    )
    assert found.ci_high >= min(1.0, 3 / n)


@pytest.mark.parametrize(("wins", "losses"), [(0, 0), (0, 1), (5, 5), (9, 2), (2, 9), (63, 40)])
def test_mcnemar_is_the_exact_binomial_test(wins: int, losses: int) -> None:
    """The p-value is twice the smaller binomial tail, at most 1, and rows that agree do not enter."""
    n = wins + losses
    expected = min(1.0, 2 * stats.binom.cdf(min(wins, losses), n, 0.5)) if n else 1.0
    assert mcnemar(*paired(7, wins, losses, 3)) == pytest.approx(expected)
    assert mcnemar(*paired(700, wins, losses, 0)) == pytest.approx(expected)


def test_nothing_from_nothing() -> None:
    """No rows, or rows that do not pair, give no estimate."""
    empty = hits(0, 0)
    with pytest.raises(ValueError, match="at least one row"):
        proportion(empty)
    with pytest.raises(ValueError, match="rows on both sides"):
        proportion_difference(hits(1, 2), empty)
    for other in (empty, hits(1, 3)):
        with pytest.raises(ValueError, match="same rows"):
            paired_difference(hits(1, 2), other, rng=np.random.default_rng(0), n_bootstrap=1000)


@pytest.mark.parametrize(
    ("wins", "losses", "n", "low", "high"),
    [(1, 0, 44, -0.0594, 0.1181), (12, 2, 50, 0.0611, 0.3447), (0, 0, 100, -0.0370, 0.0370)],
)
def test_few_discordant_rows_have_the_score_interval(wins: int, losses: int, n: int, low: float, high: float) -> None:
    """The limits are where Tango's score test is just not rejected; without a discordant row z^2 / (n + z^2)."""
    rows = np.arange(n)
    hits, others = rows < wins, (rows >= wins) & (rows < wins + losses)
    found = paired_difference(hits, others, rng=np.random.default_rng(0), n_bootstrap=1000)
    assert (found.ci_low, found.ci_high) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))
    assert found.method == "score"
    swapped = paired_difference(others, hits, rng=np.random.default_rng(0), n_bootstrap=1000)
    assert (swapped.ci_low, swapped.ci_high) == (pytest.approx(-high, abs=5e-5), pytest.approx(-low, abs=5e-5))


def test_the_score_interval_is_that_of_the_constrained_likelihood() -> None:
    """At either limit the score with the most likely share of losses, found numerically, is z."""
    wins, losses, n, z = 7, 3, 60, 1.959964
    rows = np.arange(n)
    hits, others = rows < wins, (rows >= wins) & (rows < wins + losses)
    found = paired_difference(hits, others, rng=np.random.default_rng(0), n_bootstrap=1000)
    for limit in (found.ci_low, found.ci_high):
        q = np.linspace(max(0, -limit) + 1e-7, (1 - limit) / 2 - 1e-7, 400_001)
        likelihood = wins * np.log(q + limit) + losses * np.log(q) + (n - wins - losses) * np.log(1 - 2 * q - limit)
        best = q[likelihood.argmax()]
        score = (wins - losses - n * limit) / np.sqrt(n * (2 * best + limit - limit**2))
        assert abs(score) == pytest.approx(z, abs=1e-3)
