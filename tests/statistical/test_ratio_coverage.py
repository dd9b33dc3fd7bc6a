"""The interval of a data ratio covers the truth as often as it says."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from graft.stats.ratio import isotonic, ratio, resample_curves, rows_to_reach

SIZES = 2.0 ** np.arange(3, 12)
TRUE, N_ROWS, N = 0.1, 400, 500


def simulate(rng: np.random.Generator, n_draws: dict[str, int]) -> dict[str, np.ndarray]:
    """Return hits of two arms whose accuracies rise with log n alike, one with a tenth of the rows.

    Rows are hard or easy for both, draws good or bad at all sizes, and the rest is chance.
    """
    hard = rng.standard_normal(N_ROWS)
    hits = {}
    for arm, k in n_draws.items():
        accuracy = 0.30 + 0.055 * np.log2(SIZES / (TRUE if arm == "transfer" else 1))
        draws = 0.04 * rng.standard_normal((k, 1, 1))
        chance = np.sqrt(0.6) * hard + np.sqrt(0.4) * rng.standard_normal((k, len(SIZES), N_ROWS))
        hits[arm] = chance + draws < norm.ppf(np.minimum(accuracy, 0.97))[:, None]
    return hits


def coverage(n_draws: dict[str, int]) -> tuple[int, float]:
    """Return how many of 500 intervals hold the true ratio, and the median of the ratios."""
    n_covered, values = 0, []
    for seed in range(N):
        rng = np.random.default_rng(seed)
        curves = resample_curves(simulate(rng, n_draws), rng=rng, n_bootstrap=1000)
        target = isotonic(curves["scratch"])[:, -1]
        top, bottom = (rows_to_reach(curves[arm], SIZES, target) for arm in ("transfer", "scratch"))
        found = ratio(top, bottom, n=N_ROWS)
        assert found.value is not None
        values.append(found.value)
        n_covered += found.ci_low <= TRUE <= (np.inf if found.ci_high is None else found.ci_high)
    return n_covered, float(np.median(values))


def test_ten_draws_of_each_arm() -> None:
    """A true ratio of .1 is covered by 465 to 485 of 500 intervals of 95%.

    Of 500 intervals that cover with probability .95, 465 to 485 do so with probability .97 (binomial).
    """
    n_covered, median = coverage({"transfer": 10, "scratch": 10})
    assert 465 <= n_covered <= 485
    assert median == pytest.approx(TRUE, rel=0.02)


def test_three_draws_of_the_costly_arm() -> None:
    """With three draws of one arm intervals never cover less than they say: at least 465 of 500."""
    assert coverage({"transfer": 3, "scratch": 10})[0] >= 465
