"""One dimension at a time, and what several p-values say together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import stats

_EXACT = 10_000
_TINY = float(np.finfo(float).tiny)


def ks_test(reference: npt.NDArray[np.floating], current: npt.NDArray[np.floating]) -> tuple[float, float]:
    """Test each dimension by Kolmogorov and Smirnov's two-sample test, with Bonferroni's correction over all of them.

    Args:
        reference: shape (n, d), n >= 1, finite; for BBSDs the classifier's probabilities.
        current: shape (m, d), m >= 1, finite.

    Returns:
        the largest distance of two distribution functions, in [0, 1], and p = min(1, d x smallest p), in (0, 1].

    Raises:
        ValueError: no rows, other widths, or values that are not finite.
    Assumes: rows independent. Blind to what only shows in several dimensions together.
    Error: conservative where dimensions go together, or values repeat. Where n x m > 10,000 p is asymptotic.
    Cost: O(d (n + m) log(n + m)).
    Source: Rabanser, Günnemann, Lipton 2019 (BBSDs: Lipton, Wang, Smola 2018).
    Checked against: scipy one dimension at a time, tests/unit/stats/test_univariate.py; 2,000 null runs, tests/statistical.
    """
    if min(len(reference), len(current)) == 0 or reference.shape[1] != current.shape[1]:
        raise ValueError("a test needs rows of the same width on both sides")
    if not (np.isfinite(reference).all() and np.isfinite(current).all()):
        raise ValueError("features are not finite")
    method = "exact" if len(reference) * len(current) <= _EXACT else "asymp"
    found = [stats.ks_2samp(a, b, method=method) for a, b in zip(reference.T, current.T, strict=True)]
    p_value = min(1.0, len(found) * min(float(test.pvalue) for test in found))
    return max(float(test.statistic) for test in found), max(p_value, _TINY)


def fisher_test(k: npt.ArrayLike, n: int, j: npt.ArrayLike, m: int) -> npt.NDArray[np.float64]:
    """Test whether k of n rows and j of m rows have a property with the same probability, for many properties at once.

    Given k + j, the count j is hypergeometric where nothing differs; p is twice the smaller tail.

    Args:
        k, j: counts, any shape, 0 <= k <= n and 0 <= j <= m.
        n, m: rows of the two samples.

    Returns:
        p in (0, 1], of that shape.

    Assumes: rows independent.
    Error: conservative, most so for rare properties; never more than its level, however few the rows.
    Cost: O(min(k + j, m)) each.
    Source: Fisher 1935; doubling: Yates 1984.
    Checked against: scipy.stats.fisher_exact's two one-sided tests, tests/unit/stats/test_univariate.py.
    """
    k, j = np.asarray(k), np.asarray(j)
    given = stats.hypergeom(n + m, k + j, m)
    p_values: npt.NDArray[np.float64] = np.clip(2 * np.minimum(given.cdf(j), given.sf(j - 1)), _TINY, 1)
    return p_values


def holm(p_values: Sequence[float]) -> list[float]:
    """Return each p-value adjusted for all of them: what is below alpha rejects, and errs at all in a share alpha at most.

    Args:
        p_values: each in [0, 1], in any dependence.

    Returns:
        as many, in [0, 1], none below its own and in the same order.

    Cost: O(k log k).
    Source: Holm 1979.
    Checked against: an example by hand, and statsmodels on random p-values where it is installed,
        tests/unit/stats/test_univariate.py.
    """
    order = sorted(range(len(p_values)), key=lambda k: p_values[k])
    adjusted, floor = [1.0] * len(p_values), 0.0
    for rank, k in enumerate(order):
        floor = max(floor, min(1.0, (len(p_values) - rank) * p_values[k]))
        adjusted[k] = floor
    return adjusted
