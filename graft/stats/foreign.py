"""Which share of rows cannot have come from a reference, where only low scores speak against a row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from graft.records import Estimate

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Foreign:
    """The share with its interval, and p of there being no such row at all."""

    share: Estimate
    p_value: float


def foreign_share(reference: Vector, current: Vector, *, rng: np.random.Generator, n_permutations: int) -> Foreign:
    """Estimate the share of current rows that are not of the reference's kind, by scores that are low for such rows.

    Each row of both samples gets the Savage score of its rank, largest for the lowest; T is their sum over the current rows.
    No foreign row: T is that of a random part of all rows, p = (1 + #{permuted >= observed}) / (1 + permutations). At most k of
    them: take the k lowest current rows out, and what is left scores no lower than known rows would, whichever rows the foreign
    ones are; so k is rejected where T of the rest is too large. The smallest k that is not rejected bounds the count from below
    without a model of the foreign rows.

    Args:
        reference: shape (n,), n >= 1, scores of known rows that are as new to what scores them as the current ones.
        current: shape (m,), m >= 1.
        rng: draws permutations.
        n_permutations: B; the smallest attainable p is 1 / (B + 1).

    Returns:
        the share: the value that leaves the rest level with the reference, and its 95% interval. It says how many rows stand
        out: foreign rows that score as known ones do are in no such number, and known rows that became harder are in it.

    Raises:
        ValueError: no rows on a side, or values that are not finite.
    Assumes: known rows exchangeable with the reference (independent; one customer's are not).
    Error: p exact up to 1 / (B + 1), ties included. Ends of the interval by the normal approximation of T.
    Cost: O((n + m) (B + log(m) log(n + m))).
    Source: scores: Savage 1956; p: Phipson & Smyth 2010; conformal p-values pooled in this way: Bates, Candes, Lei, Romano,
        Sesia 2023; lower bounds of a mixture's share: Genovese & Wasserman 2004.
    Checked against: enumeration of all splits, tests/unit/stats/test_foreign.py; planted shares,
        tests/statistical/test_monitor.py.
    """
    if min(len(reference), len(current)) == 0 or not (np.isfinite(reference).all() and np.isfinite(current).all()):
        raise ValueError("a share needs finite scores on both sides")
    m, lowest = len(current), np.sort(current)
    pooled = savage(np.concatenate([current, reference]))
    total, order, n_as_large = pooled[:m].sum(), pooled.copy(), 0
    for _ in range(n_permutations):
        rng.shuffle(order)
        n_as_large += bool(order[:m].sum() >= total - 1e-9 * m)

    def smallest(level: float) -> int:
        """Return the smallest count whose rest is not rejected at a level: rejection ends where enough rows are taken out."""
        low, high = 0, m
        while low < high:
            k = (low + high) // 2
            low, high = (low, k) if _tail(lowest[k:], reference) >= level else (k + 1, high)
        return low

    low, middle, high = (smallest(level) / m for level in (0.025, 0.5, 0.975))
    share = Estimate(value=middle, ci_low=low, ci_high=high, n=m, method="rank test inverted", unit="fraction")
    return Foreign(share=share, p_value=(1 + n_as_large) / (1 + n_permutations))


def savage(scores: Vector) -> Vector:
    """Return the Savage score of each value's rank, the largest for the lowest; equal values share the mean of theirs.

    Args:
        scores: shape (n,).

    Returns:
        shape (n,), > 0, with mean 1.

    Cost: O(n log n).
    Source: Savage 1956.
    """
    n = len(scores)
    sums = np.concatenate([[0.0], np.cumsum(np.cumsum(1 / np.arange(n, 0, -1))[::-1])])
    first, last = (stats.rankdata(scores, method=method).astype(int) for method in ("min", "max"))
    of: Vector = (sums[last] - sums[first - 1]) / (last - first + 1)
    return of


def _tail(rest: Vector, reference: Vector) -> float:
    """Return the chance of a sum as large as that of the rest, by the normal approximation; 1 where nothing is left."""
    m, n = len(rest), len(reference)
    if m == 0:
        return 1.0
    of = savage(np.concatenate([rest, reference]))
    spread = m * n / ((m + n) * (m + n - 1)) * float(((of - of.mean()) ** 2).sum())
    return float(stats.norm.sf((of[:m].sum() - m * of.mean()) / np.sqrt(spread))) if spread > 0 else 1.0
