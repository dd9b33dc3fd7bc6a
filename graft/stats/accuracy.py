"""Accuracy, and differences of accuracy, with their intervals."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import optimize, stats

from graft.records import Estimate

Hits = npt.NDArray[np.bool_]
FEW_DISCORDANT = 5


def proportion(hits: Hits, *, level: float = 0.95) -> Estimate:
    """Estimate a proportion with Wilson's interval.

    Args:
        hits: shape (n,), whether each row is right; n >= 1.
        level: confidence level in (0, 1).

    Returns:
        a fraction in [0, 1]; the interval stays in [0, 1] and has width > 0 even for 0 or n hits.

    Raises:
        ValueError: no rows.
    Assumes: rows independent; rows of one customer are not, and then the interval is somewhat narrow.
    Error: coverage within 2 points of the level for n >= 10 (Brown, Cai, DasGupta 2001).
    Cost: O(n).
    Source: Wilson 1927, eq. (10); Brown, Cai, DasGupta 2001, sect. 3.1.1.
    Checked against: scipy.stats.binomtest(...).proportion_ci(method="wilson").
    """
    n = len(hits)
    if n == 0:
        raise ValueError("a proportion needs at least one row")
    low, high = _wilson(int(hits.sum()), n, level)
    return Estimate(
        value=float(hits.mean()), ci_low=low, ci_high=high, level=level, n=n, method="Wilson", unit="fraction"
    )


def _wilson(k: int, n: int, level: float) -> tuple[float, float]:
    z = float(stats.norm.ppf(0.5 + level / 2))
    p = k / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def proportion_difference(hits: Hits, others: Hits, *, level: float = 0.95) -> Estimate:
    """Estimate the difference of two proportions of different rows, first minus second.

    Args:
        hits, others: shapes (n,) and (m,), whether each row is right; n, m >= 1.
        level: confidence level in (0, 1).

    Returns:
        a difference in [-1, 1], with n the smaller sample; 0 means equal.

    Raises:
        ValueError: no rows on a side.
    Assumes: the two samples are independent.
    Cost: O(n + m).
    Source: Newcombe 1998, method 10 (square-and-add of Wilson's limits).
    Checked against: Newcombe 1998, table II, 56/70 against 48/80.
    """
    if len(hits) == 0 or len(others) == 0:
        raise ValueError("a difference needs rows on both sides")
    p, q = float(hits.mean()), float(others.mean())
    p_low, p_high = _wilson(int(hits.sum()), len(hits), level)
    q_low, q_high = _wilson(int(others.sum()), len(others), level)
    low = p - q - math.hypot(p - p_low, q_high - q)
    high = p - q + math.hypot(p_high - p, q - q_low)
    n = min(len(hits), len(others))
    return Estimate(value=p - q, ci_low=low, ci_high=high, level=level, n=n, method="Newcombe", unit="points")


def paired_difference(
    hits: Hits, others: Hits, *, rng: np.random.Generator, n_bootstrap: int, level: float = 0.95
) -> Estimate:
    """Estimate the difference of two models' accuracy on the same rows by the paired bootstrap.

    Rows are resampled together, so what both models find hard cancels. A row's difference is -1, 0 or 1, so a bootstrap sample
    of n rows is one multinomial draw over three counts: the same distribution as drawing rows, at a cost without n.

    Args:
        hits, others: shape (n,), whether each model is right on each row; n >= 1.
        rng: source of the bootstrap's randomness.
        n_bootstrap: samples; 10,000 leaves a Monte-Carlo error of about 2% of the interval's width.
        level: confidence level in (0, 1).

    Returns:
        first minus second in [-1, 1]; 0 means equally accurate.

    Raises:
        ValueError: no rows, or not as many for both.
    Assumes: rows independent. Where fewer than five rows speak for either side the bootstrap knows too little of what was not
        seen, and the score interval takes its place; without any such row it holds at least what the rule of three says.
    Error: coverage .93-.97 at n >= 100, .93 or more at n = 10 and 30 (tests/statistical).
    Cost: O(n + n_bootstrap).
    Source: Efron & Tibshirani 1993, ch. 13; score interval: Tango 1998; rule of three: Hanley & Lippman-Hand 1983.
    Checked against: drawing rows one by one, tests/unit/stats/test_accuracy.py.
    """
    n = len(hits)
    if n == 0 or n != len(others):
        raise ValueError("a paired difference needs the same rows for both, at least one")
    wins, losses = int((hits & ~others).sum()), int((~hits & others).sum())
    if min(wins, losses) < FEW_DISCORDANT:
        low, high = _score_interval(wins, losses, n, level)
        if wins + losses == 0:
            low, high = min(low, -min(1.0, 3 / n)), max(high, min(1.0, 3 / n))
        method = "score"
    else:
        draws = rng.multinomial(n, [wins / n, losses / n, 1 - (wins + losses) / n], size=n_bootstrap)
        means = (draws[:, 0] - draws[:, 1]) / n
        low, high = (float(q) for q in np.quantile(means, [(1 - level) / 2, (1 + level) / 2]))
        method = "paired bootstrap"
    value = (wins - losses) / n
    return Estimate(value=value, ci_low=low, ci_high=high, level=level, n=n, method=method, unit="points")


def _score_interval(wins: int, losses: int, n: int, level: float) -> tuple[float, float]:
    """Return the differences that Tango's score test does not reject: of those, the smallest and the largest.

    ``q`` is the most likely share of losses where the true difference is ``delta``.
    """
    z = float(stats.norm.ppf(0.5 + level / 2))

    def score(delta: float) -> float:
        b = (2 * n - wins + losses) * delta - wins - losses
        q = (math.sqrt(max(0.0, b * b + 8 * n * losses * delta * (1 - delta))) - b) / (4 * n)
        away, variance = wins - losses - n * delta, n * (2 * q + delta * (1 - delta))
        return away / math.sqrt(max(variance, 1e-12))

    value = (wins - losses) / n
    low = -1.0 if score(-1.0) < z else float(optimize.brentq(lambda delta: score(delta) - z, -1.0, value))
    high = 1.0 if score(1.0) > -z else float(optimize.brentq(lambda delta: score(delta) + z, value, 1.0))
    return low, high


def mcnemar(hits: Hits, others: Hits) -> float:
    """Test whether two models are equally accurate on the same rows.

    Only rows that exactly one model gets right count; under the null hypothesis each is a fair coin.

    Args:
        hits, others: shape (n,), whether each model is right on each row.

    Returns:
        the exact two-sided p-value in (0, 1]; 1 where no row tells the models apart.

    Assumes: rows independent.
    Cost: O(n).
    Source: McNemar 1947; exact form: Fagerland, Lydersen, Laake 2013, eq. (3).
    Checked against: CIFAR-10.1 predictions of published models, tests/statistical.
    """
    wins, losses = int((hits & ~others).sum()), int((~hits & others).sum())
    if wins + losses == 0:
        return 1.0
    return float(stats.binomtest(wins, wins + losses, 0.5).pvalue)


def rows_to_tell(difference: Estimate, hits: Hits, others: Hits, *, bound: float, power: float = 0.8) -> int | None:
    """Return how many rows a comparison of this kind needs in all before its interval leaves a bound, or None: over a million.

    Args:
        difference: of two models on the same rows, as ``paired_difference`` estimates it; its level is that of the interval.
        hits, others: shape (n,), what it was estimated from.
        bound: what the difference is compared with.
        power: chance that the interval of so many new rows lies on one side of the bound.

    Assumes: the models differ by just what was seen, and disagree as often; few rows say neither well.
    Cost: O(n).
    Source: Connor 1987, for the paired difference of proportions, with the variance under the alternative.
    Checked against: simulated power, tests/statistical/test_verdicts.py.
    """
    n = len(hits)
    discordant = float((hits != others).mean()) or min(1.0, 3 / n)
    variance, away = discordant - difference.value**2, abs(difference.value - bound)
    z = float(stats.norm.ppf(0.5 + difference.level / 2) + stats.norm.ppf(power))
    if away * 1000 < z * math.sqrt(variance):
        return None
    return math.ceil(variance * (z / away) ** 2)
