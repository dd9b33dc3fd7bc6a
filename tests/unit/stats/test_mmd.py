"""The kernel two-sample test, against loops over pairs and gathered permutations."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from graft.stats import mmd
from graft.stats.mmd import gaussian, mmd_test, statistics


def normal(seed: int, n: int, d: int = 6, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1, (n, d))


def looped(X: np.ndarray, side: np.ndarray, variance: float) -> float:
    """MMD² pair by pair, as it is defined."""
    x, y = X[~side].astype(float), X[side].astype(float)

    def kernel(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.exp(-((a - b) ** 2).sum() / (2 * variance)))

    def within(rows: np.ndarray) -> float:
        pairs = [kernel(a, b) for i, a in enumerate(rows) for j, b in enumerate(rows) if i != j]
        return sum(pairs) / (len(rows) * (len(rows) - 1))

    return within(x) + within(y) - 2 * sum(kernel(a, b) for a in x for b in y) / (len(x) * len(y))


def test_one_product_is_the_double_loop() -> None:
    """The statistics of 20 random splits by one matrix product are those of double loops over pairs of rows, to 1e-6."""
    X = normal(0, 25).astype(np.float32)
    rng = np.random.default_rng(1)
    sides = np.stack([rng.permutation(25) < 10 for _ in range(20)])
    found = statistics(gaussian(X, 3.0), sides)
    assert found == pytest.approx([looped(X, side, 3.0) for side in sides], abs=1e-6)
    assert np.ptp(found) > 0.01


@pytest.mark.parametrize(("n", "m", "shift"), [(30, 30, 0.0), (20, 45, 0.3), (45, 20, 0.0), (150, 100, 0.15)])
def test_p_is_that_of_gathered_permutations(n: int, m: int, shift: float) -> None:
    """With the same permutations p, statistic and width are those of an implementation that copies K for each of them."""
    reference, current = normal(0, n), normal(1, m, shift=shift)
    found = mmd_test(reference, current, rng=np.random.default_rng(2), n_permutations=199)
    sides = np.zeros((200, n + m), dtype=bool)
    sides[:, n:] = True
    np.random.default_rng(2).permuted(sides[1:], axis=1, out=sides[1:])
    X = np.concatenate([reference, current]).astype(np.float32).astype(float)
    distances = ((X[:, None] - X[None]) ** 2).sum(axis=2)
    variance = np.median(distances[np.triu_indices(n + m, 1)]) / 2
    K = np.exp(-distances / (2 * variance))
    gathered = []
    for side in sides:
        order = np.r_[np.flatnonzero(~side), np.flatnonzero(side)]
        moved = K[order][:, order]
        xx = (moved[:n, :n].sum() - n) / (n * (n - 1))
        yy = (moved[n:, n:].sum() - m) / (m * (m - 1))
        gathered.append(xx + yy - 2 * moved[:n, n:].mean())
    p_value = (1 + sum(one >= gathered[0] - 1e-12 for one in gathered[1:])) / 200
    assert found.p_value == p_value
    assert found.value == pytest.approx(gathered[0], abs=1e-6)
    assert found.sigma == pytest.approx(np.sqrt(variance), rel=1e-5)
    assert found.is_exact


@pytest.mark.parametrize("shift", [0.0, 0.2, 1.0])
def test_random_features_come_near(shift: float) -> None:
    """Random features give the exact statistic within .002 and a sixth of it in each of 20 draws, and .005 on average.

    The standard error of one K is at most 1 / sqrt(256) = .06; that of a difference of means of K is less.
    """
    reference, current = normal(0, 300), normal(1, 200, shift=shift)
    exact = mmd_test(reference, current, rng=np.random.default_rng(0), n_permutations=19)
    found = [
        mmd_test(reference, current, rng=np.random.default_rng(seed), n_permutations=19, max_exact=0)
        for seed in range(20)
    ]
    away = np.array([one.value for one in found]) - exact.value
    assert exact.is_exact
    assert not any(one.is_exact for one in found)
    assert np.abs(away).max() < 0.002 + max(exact.value, 0) / 6
    assert abs(away.mean()) < 0.005
    if shift == 1:
        assert {one.p_value for one in found} == {exact.p_value} == {0.05}


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows and permutations are taken in blocks of any size with the same result."""
    X, Y = normal(0, 60), normal(1, 50)
    for max_exact in (0, 100):
        found = []
        for rows, columns in ((4096, 128), (7, 3)):
            monkeypatch.setattr(mmd, "_ROWS", rows)
            monkeypatch.setattr(mmd, "_COLUMNS", columns)
            found.append(mmd_test(X, Y, rng=np.random.default_rng(3), n_permutations=49, max_exact=max_exact))
        assert found[0].p_value == found[1].p_value
        assert found[0].value == pytest.approx(found[1].value, abs=1e-6)


@pytest.mark.parametrize("n_permutations", [1, 99])
@pytest.mark.parametrize("max_exact", [0, 2000])
@pytest.mark.parametrize("shift", [0.0, 50.0])
def test_p_is_never_zero(shift: float, max_exact: int, n_permutations: int) -> None:
    """Even for samples that are wholly apart p is at least 1 / (B + 1), and then it is exactly that."""
    result = mmd_test(
        normal(0, 60),
        normal(1, 60, shift=shift),
        rng=np.random.default_rng(2),
        n_permutations=n_permutations,
        max_exact=max_exact,
    )
    assert 1 / (n_permutations + 1) <= result.p_value <= 1
    if shift:
        assert result.p_value == 1 / (n_permutations + 1)


def test_the_mirrored_split_counts() -> None:
    """Of 2 + 2 rows a third of all splits is the observed one or its mirror, rounding aside: p is never far below 1/3."""
    for seed in range(50):
        rng = np.random.default_rng(seed)
        assert mmd_test(rng.normal(size=(2, 3)), rng.normal(size=(2, 3)), rng=rng, n_permutations=199).p_value > 0.2


def test_ties_are_no_evidence() -> None:
    """Three rows of sixty that differ from all others, all on one side, give p near the exact 0.24, never 1 / (B + 1)."""
    X = np.zeros((60, 1))
    X[:3] = 1
    found = mmd_test(X[:30], X[30:], rng=np.random.default_rng(0), n_permutations=1999)
    exact = 2 * np.prod([(30 - i) / (60 - i) for i in range(3)])
    assert found.p_value == pytest.approx(exact, abs=0.03)  # three standard errors of 1,999 draws


@pytest.mark.parametrize("max_exact", [0, 2000])
def test_constant_features_tell_nothing(max_exact: int) -> None:
    """Where every row is the same the discrepancy is 0 and p is 1, also for a number that binary fractions only come near."""
    same = np.full((20, 5), 0.1)
    found = mmd_test(same, same, rng=np.random.default_rng(0), n_permutations=19, max_exact=max_exact)
    assert (found.value, found.p_value) == (0.0, 1.0)


def test_each_side_constant() -> None:
    """Two constant samples at different places differ as far as can be, also where one has twenty rows of 20,020."""
    for n in (30, 20_000):
        found = mmd_test(np.zeros((n, 3)), np.ones((20, 3)), rng=np.random.default_rng(1), n_permutations=99)
        assert found.p_value == 0.01
        assert 0.2 < found.value <= 2
        assert found.sigma > 0


def test_duplicates() -> None:
    """A sample against itself row by row shows nothing; rows that stand many times leave the width finite."""
    X = normal(0, 40)
    assert mmd_test(X, X, rng=np.random.default_rng(1), n_permutations=99).p_value > 0.5
    heaped = np.concatenate([np.zeros((80, 6)), X])
    found = mmd_test(heaped, heaped[::-1], rng=np.random.default_rng(1), n_permutations=99)
    assert found.p_value > 0.5
    assert found.sigma > 0


def test_one_row_or_none_is_refused() -> None:
    """The unbiased statistic needs two rows on each side; two are enough."""
    for n, m in ((1, 30), (30, 1), (0, 30)):
        with pytest.raises(ValueError, match="two rows"):
            mmd_test(normal(0, n), normal(1, m), rng=np.random.default_rng(0), n_permutations=9)
    assert mmd_test(normal(0, 2), normal(1, 2), rng=np.random.default_rng(0), n_permutations=9).p_value > 0


def test_bad_features_are_refused() -> None:
    """Other widths, NaN, infinity and what single precision cannot hold are refused."""
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="widths"):
        mmd_test(normal(0, 20, 3), normal(1, 20, 4), rng=rng, n_permutations=9)
    for wrong in (np.nan, np.inf, 1e300):
        current = normal(1, 20)
        current[3, 2] = wrong
        with pytest.raises(ValueError, match="not finite"), np.errstate(over="ignore"):
            mmd_test(normal(0, 20), current, rng=rng, n_permutations=9)


@pytest.mark.parametrize("shift", [0.0, 5.0])
def test_very_different_sizes(shift: float) -> None:
    """Ten rows against 3,000 are compared by random features, and found apart exactly where they are."""
    found = mmd_test(normal(0, 10, shift=shift), normal(1, 3000), rng=np.random.default_rng(2), n_permutations=99)
    assert not found.is_exact
    assert np.isfinite(found.value)
    assert (found.p_value == 0.01) == bool(shift)


@pytest.mark.parametrize("max_exact", [0, 2000])
def test_units_and_places_change_nothing(max_exact: int) -> None:
    """Features times a very large or small number, or moved, give the same discrepancy and p."""
    X, Y = normal(0, 50), normal(1, 50, shift=0.2)

    def run(scale: float, place: float) -> mmd.Mmd:
        rng = np.random.default_rng(4)
        return mmd_test(X * scale + place, Y * scale + place, rng=rng, n_permutations=99, max_exact=max_exact)

    plain = run(1, 0)
    for scale, place in ((1e25, 0), (1e-25, 0), (1, 1000)):
        found = run(scale, place)
        assert found.value == pytest.approx(plain.value, rel=1e-3)
        assert found.p_value == plain.p_value
        assert found.sigma == pytest.approx(scale * plain.sigma, rel=1e-3)


def test_order_of_samples() -> None:
    """The statistic is symmetric, and negative now and then where nothing differs: it is unbiased."""
    values = []
    for seed in range(40):
        X, Y = normal(seed, 15), normal(1000 + seed, 25)
        sides = np.repeat([False, True], [15, 25])[None]
        K = gaussian(np.concatenate([X, Y]), 6.0)
        values.append(float(statistics(K.copy(), sides)[0]))
        assert float(statistics(K.copy(), ~sides)[0]) == pytest.approx(values[-1])
    assert min(values) < 0 < max(values)
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(40)


def test_all_splits_average_to_nothing() -> None:
    """Over all 20 splits of six rows the statistic's mean is 0, as each pair lies within and between equally often."""
    K = gaussian(normal(3, 6), 2.0)
    sides = np.array([[i in chosen for i in range(6)] for chosen in itertools.combinations(range(6), 3)])
    assert statistics(K, sides).mean() == pytest.approx(0, abs=1e-12)
