"""How much less of something reaches an accuracy: ratios read off two measured curves, with what was never reached left open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from graft.records import Estimate, Ratio

Floats = npt.NDArray[np.float64]
METHOD = "parametric bootstrap over draws and test rows"


class Bounds(NamedTuple):
    """Numbers of which only bounds may be known: equal where they were read off, 0 and infinity where there is no bound."""

    low: Floats
    high: Floats


def resample_curves(
    hits: Mapping[str, npt.NDArray[np.bool_]], *, rng: np.random.Generator, n_bootstrap: int
) -> dict[str, Floats]:
    """Draw samples of the mean accuracies of several arms, as other draws and other test rows would have given them.

    A row that is right in one draw and wrong in another is chance of both kinds at once. Resampling both draws and rows counts
    it three times, and intervals are half as wide again as they should be. So the covariance of the means is estimated part by
    part,

        S = S_draws / k + S_rows / n - S_both / (k n),

    where the first two are covariances of draw means and of row means, each of which holds the third, and samples are normal with
    that covariance. The part of the draws, which few of them tell, is stretched as Student's t with k - 1 degrees.

    Args:
        hits: by arm, shape (draws k, sizes, rows n), whether each test row is right; k >= 2, n >= 2, the same rows in all arms.
        rng: source of the randomness.
        n_bootstrap: samples.

    Returns:
        by arm, shape (1 + samples, sizes), in [0, 1]; the first sample is what was measured.

    Raises:
        ValueError: fewer than two draws or rows, or other rows in one arm than in another.
    Assumes: test rows independent, and enough of them that a mean is near normal; a draw is a whole curve, its sizes nested.
        Draws of two arms count as independent, although arms share them: that makes differences rather too wide.
    Error: Monte-Carlo error of a limit about 2% of the interval's width at 2,000 samples. With 3 draws intervals are rather too
        wide: they cover 99% where they say 95%.
    Cost: O(draws x sizes^2 x rows + samples x (arms x sizes)^2).
    Source: two-way random effects, Searle, Casella, McCulloch 1992, ch. 4; why resampling both overstates: Owen 2007.
    Checked against: coverage in 500 simulations, tests/statistical/test_ratio_coverage.py.
    """
    shapes = {arm: of_arm.shape for arm, of_arm in hits.items()}
    n = next(iter(shapes.values()))[2]
    if any(k < 2 or n < 2 or rows != n for k, _, rows in shapes.values()):
        raise ValueError("curves need two draws of each arm, and the same test rows in all of them")
    of_rows = np.concatenate([of_arm.mean(axis=0) for of_arm in hits.values()])
    shared = np.atleast_2d(np.cov(of_rows)) / n
    parts, start = {}, 0
    for arm, of_arm in hits.items():
        k, size = len(of_arm), of_arm.shape[1]
        of_draws, block = of_arm.mean(axis=2), slice(start, start + size)
        rest = of_arm - of_draws[:, :, None] - of_rows[block] + of_draws.mean(axis=0)[:, None]
        both = np.einsum("dsr,dtr->st", rest, rest, optimize=True) / ((k - 1) * (n - 1))
        shared[block, block] -= both / (k * n)
        stretch = np.sqrt((k - 1) / rng.chisquare(k - 1, size=(n_bootstrap, 1)))
        parts[arm] = block, stretch * _normal(np.atleast_2d(np.cov(of_draws.T)) / k, rng, n_bootstrap)
        start += size
    by_rows, means = _normal(shared, rng, n_bootstrap), of_rows.mean(axis=1)
    return {
        arm: np.clip(np.vstack([means[block], means[block] + by_draws + by_rows[:, block]]), 0, 1)
        for arm, (block, by_draws) in parts.items()
    }


def _normal(covariance: Floats, rng: np.random.Generator, n: int) -> Floats:
    """Return n normal samples around 0; what is negative in the covariance, by chance of its estimate, counts as 0."""
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(rng.standard_normal((n, len(values))) * np.sqrt(np.maximum(values, 0)) @ vectors.T)


def isotonic(means: Floats) -> Floats:
    """Return the nearest curves, in squares, that never fall.

    Args:
        means: shape (samples, sizes).

    Returns:
        shape (samples, sizes), each row ascending.

    Cost: O(samples x sizes^3), for a handful of sizes.
    Source: Robertson, Wright, Dykstra 1988, theorem 1.4.4 (the max-min formula), equal weights.
    Checked against: sklearn.isotonic, tests/unit/stats/test_ratio.py.
    """
    n = means.shape[1]
    total = np.concatenate([np.zeros((len(means), 1)), np.cumsum(means, axis=1)], axis=1)
    best = np.full(means.shape, -np.inf)
    for start in range(n):
        average = (total[:, start + 1 :] - total[:, [start]]) / np.arange(1, n - start + 1)
        least = np.minimum.accumulate(average[:, ::-1], axis=1)[:, ::-1]
        best[:, start:] = np.maximum(best[:, start:], least)
    return best


def rows_to_reach(means: Floats, n_rows: Floats, target: Floats) -> Bounds:
    """Return how many rows reach an accuracy, in each sample.

    The curve is made to never fall and is taken as straight in log n between two sizes. A curve whose gain becomes less with each
    doubling lies above that, so the rows are if anything too many. It is never carried on beyond what was measured.

    Args:
        means: shape (samples, sizes).
        n_rows: shape (sizes,), ascending, > 0.
        target: shape (samples,).

    Returns:
        rows; between 0 and the smallest size where that reaches the target already, between the largest and infinity where none
        does.

    Cost: that of ``isotonic``.
    Source: log-linear interpolation of the isotonic fit (see ``isotonic``).
    """
    rising, logs = isotonic(means), np.log(n_rows)
    reached = rising >= target[:, None] - 1e-12
    first = reached.argmax(axis=1)
    each, last = np.arange(len(means)), np.maximum(first - 1, 0)
    gain = rising[each, first] - rising[each, last]
    part = np.where(gain > 0, (target - rising[each, last]) / np.where(gain > 0, gain, 1.0), 1.0)
    between = np.exp(logs[last] + np.clip(part, 0, 1) * (logs[first] - logs[last]))
    exact = np.where(part >= 1, n_rows[first], between)
    is_first, is_never = reached[:, 0], ~reached.any(axis=1)
    low = np.where(is_never, n_rows[-1], np.where(is_first, 0.0, exact))
    return Bounds(low, np.where(is_never, np.inf, np.where(is_first, n_rows[0], exact)))


def cost_to_reach(means: Floats, costs: Floats, target: Floats) -> Bounds:
    """Return what reaching an accuracy took, in each sample: the cost of the cheapest size that was measured and reaches it.

    Args:
        means: shape (samples, sizes).
        costs: shape (samples, sizes), >= 0, as ``mean_costs`` returns it.
        target: shape (samples,).

    Returns:
        the cost; between that of the largest size and infinity where no size reaches the target.

    Cost: O(samples x sizes).
    Source: time to accuracy, Coleman et al. 2017 (DAWNBench).
    """
    reached = isotonic(means) >= target[:, None] - 1e-12
    cheapest = np.where(reached, costs, np.inf).min(axis=1)
    return Bounds(np.where(np.isinf(cheapest), costs[:, -1], cheapest), cheapest)


def mean_costs(costs: Floats, *, rng: np.random.Generator, n_bootstrap: int) -> Floats:
    """Return the mean cost of each size, as measured and in bootstrap samples of the draws, shape (1 + samples, sizes).

    Of k draws k - 1 are taken with replacement, which gives the mean its unbiased variance.

    Args:
        costs: shape (draws, sizes), two draws at least.
        rng: source of the bootstrap's randomness.
        n_bootstrap: samples.

    Source: Rao & Wu 1988.
    """
    k = len(costs)
    weights = rng.multinomial(k - 1, np.full(k, 1 / k), size=n_bootstrap) / (k - 1)
    return np.vstack([costs.mean(axis=0), weights @ costs])


def ratio(top: Bounds, bottom: Bounds, *, n: int, level: float = 0.95) -> Ratio:
    """Estimate a ratio of two numbers that curves give, from its bootstrap samples; the first is what was measured.

    A ratio of which only bounds are known counts with its lower bound for the interval's lower end and with its upper bound for
    the upper end. So an end is never too favourable, and is absent where too many samples have no bound.

    Args:
        top, bottom: shapes (1 + samples,), > 0 apart from absent bounds.
        n: test rows.
        level: confidence level in (0, 1).

    Returns:
        the ratio, below 1 where less of the top is needed; ``at_most`` or ``at_least`` where it is one bound, without a value
        where there is none.

    Error: percentile interval; covers a true ratio of .1 in 93% to 97% of 500 simulations
        (tests/statistical/test_ratio_coverage.py).
    Cost: O(samples).
    Source: Efron & Tibshirani 1993, ch. 13; bounds in place of values as in interval-censored data, Gomez et al. 2009.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        low = np.where(np.isinf(bottom.high), 0.0, top.low / bottom.high)
        high = np.where((bottom.low == 0) | np.isinf(top.high), np.inf, top.high / bottom.low)
    ci_low = float(np.quantile(low[1:], (1 - level) / 2, method="lower"))
    ci_high = float(np.quantile(high[1:], (1 + level) / 2, method="higher"))
    has_low, has_high = low[0] > 0, bool(np.isfinite(high[0]))
    kinds = {(True, True): "exact", (False, True): "at_most", (True, False): "at_least", (False, False): "unknown"}
    value = float(high[0]) if has_high else float(low[0]) if has_low else None
    return Ratio.model_validate({
        "value": value,
        "ci_low": ci_low,
        "ci_high": ci_high if np.isfinite(ci_high) else None,
        "level": level,
        "n": n,
        "known": kinds[bool(has_low), has_high],
        "method": METHOD,
    })  # fmt: skip


def area(means: Floats, n_rows: Floats) -> Floats:
    """Return the area under accuracy against log2 of the rows, over its width: a mean accuracy in [0, 1], one per sample.

    Args:
        means: shape (samples, sizes), at least two sizes.
        n_rows: shape (sizes,), ascending.

    Source: the trapezoid rule.
    """
    logs = np.log2(n_rows)
    return np.asarray(np.trapezoid(means, logs, axis=1) / (logs[-1] - logs[0]))


def estimate(samples: Floats, *, n: int, unit: str, level: float = 0.95) -> Estimate:
    """Return what was measured, the first sample, with the percentile interval of the others.

    Args:
        samples: shape (1 + samples,).
        n: test rows.
        unit: as in ``Estimate``.
        level: confidence level in (0, 1).

    Source: Efron & Tibshirani 1993, ch. 13.
    """
    low, high = np.quantile(samples[1:], [(1 - level) / 2, (1 + level) / 2])
    return Estimate.model_validate({
        "value": float(samples[0]), "ci_low": float(low), "ci_high": float(high),
        "level": level, "n": n, "method": METHOD, "unit": unit,
    })  # fmt: skip
