"""The kernel two-sample test: maximum mean discrepancy, with every permutation in one matrix product."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.floating]
Sides = npt.NDArray[np.bool_]
Bits = npt.NDArray[np.uint8]

MAX_EXACT = 2_000
"""Rows of the larger sample up to which the whole kernel matrix is computed."""
N_FREQUENCIES = 256
N_MEDIAN = 1_000
N_DOUBLE = 1_000
"""Rows of both samples up to which K is in double precision: few rows have many equal splits, which rounding would part."""
TIE = 1e-5
"""How far apart two statistics may lie, in units of 1/n + 1/m, and still be one: more than rounding, less than p can tell."""
_ROWS, _COLUMNS = 4_096, 128


@dataclass(frozen=True)
class Mmd:
    """The test's result: squared discrepancy (0: the same; it may fall slightly below), p-value and the kernel's width."""

    value: float
    p_value: float
    sigma: float
    is_exact: bool


def mmd_test(
    reference: Matrix, current: Matrix, *, rng: np.random.Generator, n_permutations: int, max_exact: int = MAX_EXACT
) -> Mmd:
    """Test whether two samples come from one distribution, by the unbiased MMD^2 with a Gaussian kernel.

    MMD^2 = sum_{i!=j} K_xx / n(n-1) + sum_{i!=j} K_yy / m(m-1) - 2 mean K_xy, K(a, b) = exp(-|a-b|^2 / 2 sigma^2), with sigma^2
    half the median squared distance of the pooled rows. Which rows are current is a 0/1 matrix S with one column a permutation;
    with r = K 1 and t = 1'K 1, all sums of all columns follow from S * (K S): one matrix product instead of B times a copy of K.
    Above ``max_exact`` rows, K is approximated by random Fourier features; the permutations keep the level exact.

    Args:
        reference: shape (n, d), n >= 2, finite.
        current: shape (m, d), m >= 2, finite.
        rng: draws permutations, frequencies and the rows of the median.
        n_permutations: B; the smallest attainable p is 1 / (B + 1).
        max_exact: rows of the larger sample up to which K itself is used.

    Returns:
        MMD^2 in about [0, 2] and p in (0, 1]. Samples without any spread are alike: 0 and 1.

    Raises:
        ValueError: fewer than two rows on a side, other widths, or values that are not finite.
    Assumes: rows exchangeable under the null. One width fits all: a difference on a much finer scale is missed.
    Error: level exact up to 1 / (B + 1). Random features: a standard error of about 1 / sqrt(N_FREQUENCIES) of each K.
    Cost: exact O((n+m)^2 (d + B)) time, O((n+m)^2) memory; above, O((n+m) N_FREQUENCIES (d + B)) time and (n+m) B / 8 bytes.
    Source: Gretton et al. 2012, eq. (3); features: Rahimi & Recht 2007; p: Phipson & Smyth 2010, which several libraries'
        p-values, that can be 0, leave out.
    Checked against: double loops and gathered permutations, tests/unit/stats/test_mmd.py; 2,000 null runs, tests/statistical.
    """
    n, m = len(reference), len(current)
    if min(n, m) < 2:
        raise ValueError("the kernel test needs at least two rows on each side")
    if reference.shape[1] != current.shape[1]:
        raise ValueError("the samples have different widths")
    for block in _blocks(reference, current):
        if not np.isfinite(block).all():
            raise ValueError("features are not finite")
    splits = _draw(n, m, n_permutations, rng)
    mean = sum(block.sum(axis=0, dtype=np.float64) for block in _blocks(reference, current)) / (n + m)
    centre = np.asarray(mean, dtype=np.float32)
    sigma = float(np.sqrt(_median_distance(reference, current, centre, rng.permutation(n + m)[:N_MEDIAN]) / 2))
    if sigma == 0:
        return Mmd(value=0.0, p_value=1.0, sigma=0.0, is_exact=True)
    scaled = ((block - centre) / np.float32(sigma) for block in _blocks(reference, current))
    is_exact = max(n, m) <= max_exact
    if is_exact:
        X = np.concatenate(list(scaled))
        K = gaussian(X.astype(np.float64) if n + m <= N_DOUBLE else X, 1)
        found = statistics(K, np.unpackbits(splits, axis=1, count=n + m).view(bool))
    else:
        W = rng.normal(size=(reference.shape[1], N_FREQUENCIES)).astype(np.float32)
        found = _approximate(scaled, W, (n, m), splits)
    p_value = (1 + int((found[1:] >= found[0] - TIE * (1 / n + 1 / m)).sum())) / (1 + n_permutations)
    return Mmd(value=float(found[0]), p_value=p_value, sigma=sigma, is_exact=is_exact)


def _blocks(reference: Matrix, current: Matrix) -> Iterator[npt.NDArray[np.float32]]:
    """Yield the rows of both samples, some at a time: at 100,000 a side, a copy of all would be most of the memory."""
    n = len(reference)
    for start in range(0, n + len(current), _ROWS):
        stop = start + _ROWS
        yield np.concatenate([reference[start:stop], current[max(0, start - n) : max(0, stop - n)]]).astype(np.float32)


def _draw(n: int, m: int, n_permutations: int, rng: np.random.Generator) -> Bits:
    """Return which rows are current, eight to a byte: the observed split first, then permutations, shape (B + 1, bytes)."""
    bits = []
    for start in range(0, n_permutations + 1, _COLUMNS):
        sides = np.zeros((min(_COLUMNS, n_permutations + 1 - start), n + m), dtype=bool)
        sides[:, n:] = True
        drawn = sides if start else sides[1:]
        rng.permuted(drawn, axis=1, out=drawn)
        bits.append(np.packbits(sides, axis=1))
    return np.concatenate(bits)


def _median_distance(
    reference: Matrix, current: Matrix, centre: npt.NDArray[np.float32], chosen: npt.NDArray[np.int_]
) -> float:
    """Return the median squared distance of chosen rows; the mean of all where more than half of the pairs are equal."""
    n = len(reference)
    some = np.concatenate([reference[chosen[chosen < n]], current[chosen[chosen >= n] - n]]).astype(np.float32)
    rows = (some - centre).astype(np.float64)
    median = float(np.median(_distances(rows)[np.triu_indices(len(rows), 1)]))
    away = (block - centre for block in _blocks(reference, current))
    mean = 2 * sum(float(np.einsum("ij,ij->", X, X, dtype=np.float64)) for X in away) / (n + len(current))
    return median if median > 1e-12 * mean else mean


def _distances(X: Matrix) -> Matrix:
    norms = np.einsum("ij,ij->i", X, X)
    distances = X @ X.T
    distances *= -2
    distances += norms[:, None]
    distances += norms[None, :]
    return np.maximum(distances, 0, out=distances)


def gaussian(X: Matrix, variance: float) -> Matrix:
    """Return the Gaussian kernel's matrix with zeros on its diagonal, exp(-|a-b|^2 / 2 variance) elsewhere.

    Args:
        X: shape (N, d). Distances are taken from the rows' centre, which loses less to rounding.
        variance: sigma^2 > 0.

    Returns:
        shape (N, N), in the precision of X.

    Cost: O(N^2 d) time, O(N^2) memory.
    Source: Gretton et al. 2012.
    """
    K = _distances(X - X.mean(axis=0))
    K *= -1 / (2 * variance)
    np.exp(K, out=K)
    np.fill_diagonal(K, 0)
    return K


def statistics(K: Matrix, sides: Sides) -> npt.NDArray[np.float64]:
    """Return the unbiased MMD^2 of each split, shape (splits,).

    Args:
        K: shape (N, N), zero diagonal. It is changed: its mean is taken off, which no MMD^2 sees and every rounding does.
        sides: shape (splits, N), true for current rows; as many in each.

    Cost: O(N^2 splits).
    Source: Gretton et al. 2012, eq. (3).
    """
    N, m = len(K), int(sides[0].sum())
    n = N - m
    K -= K.sum(dtype=np.float64) / (N * (N - 1))
    np.fill_diagonal(K, 0)
    r = K.sum(axis=1, dtype=np.float64)
    total = float(r.sum())
    found = np.empty(len(sides))
    for start in range(0, len(sides), _COLUMNS):
        S = sides[start : start + _COLUMNS].T.astype(K.dtype)
        yy = np.einsum("ij,ij->j", S, K @ S, dtype=np.float64)
        y = r @ S
        xy = y - yy
        xx = total - 2 * xy - yy
        found[start : start + _COLUMNS] = xx / (n * (n - 1)) + yy / (m * (m - 1)) - 2 * xy / (n * m)
    return found


def _approximate(
    blocks: Iterable[npt.NDArray[np.float32]], W: npt.NDArray[np.float32], sizes: tuple[int, int], splits: Bits
) -> npt.NDArray[np.float64]:
    """Return the MMD^2 of each split, sigma 1, by random features F of frequencies W, |F_i| = 1."""
    n, m = sizes
    of_current, of_all = np.zeros((len(splits), 2 * N_FREQUENCIES)), np.zeros(2 * N_FREQUENCIES)
    start = 0
    for X in blocks:
        Z = X @ W
        F = np.concatenate([np.cos(Z), np.sin(Z)], axis=1) / np.float32(np.sqrt(N_FREQUENCIES))
        sides = np.unpackbits(splits[:, start // 8 : (start + len(X) + 7) // 8], axis=1)[:, start % 8 :][:, : len(X)]
        start += len(X)
        of_all += F.sum(axis=0, dtype=np.float64)
        of_current += sides.astype(np.float32) @ F
    x, y = (of_all - of_current) / n, of_current / m
    within_x, within_y = (x * x).sum(axis=1), (y * y).sum(axis=1)
    found: npt.NDArray[np.float64] = (
        (n * within_x - 1) / (n - 1) + (m * within_y - 1) / (m - 1) - 2 * (x * y).sum(axis=1)
    )
    return found
