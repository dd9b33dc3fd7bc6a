"""One dimension at a time, Fisher's test of many counts, and Holm's correction."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from graft.stats.univariate import fisher_test, holm, ks_test


@pytest.mark.parametrize(("n", "m", "d"), [(30, 40, 1), (80, 60, 7), (10, 3000, 4)])
def test_ks_is_that_of_scipy(n: int, m: int, d: int) -> None:
    """The distance is the largest of scipy's over the dimensions, p the smallest of scipy's times their number, at most 1."""
    rng = np.random.default_rng(0)
    for shift in (0.0, 0.6):
        X, Y = rng.normal(size=(n, d)), rng.normal(size=(m, d))
        Y[:, d // 2] += shift
        distance, p_value = ks_test(X, Y)
        each = [stats.ks_2samp(X[:, k], Y[:, k]) for k in range(d)]
        assert distance == max(one.statistic for one in each)
        assert p_value == pytest.approx(min(1, d * min(one.pvalue for one in each)), rel=0.1)
        if n * m <= 10_000:
            exact = [stats.ks_2samp(X[:, k], Y[:, k], method="exact").pvalue for k in range(d)]
            assert p_value == pytest.approx(min(1, d * min(exact)), rel=1e-12)


def test_ks_names_the_dimension_that_moved() -> None:
    """A shift of one dimension of ten is found; without it nothing is."""
    rng = np.random.default_rng(1)
    X, Y = rng.normal(size=(200, 10)), rng.normal(size=(200, 10))
    assert ks_test(X, Y)[1] > 0.05
    Y[:, 4] += 1
    assert ks_test(X, Y)[1] < 1e-6


def test_ks_p_is_never_zero() -> None:
    """Samples that are wholly apart at 20,000 rows have a p above 0, equal ones have 0 and 1."""
    X = np.random.default_rng(2).normal(size=(20_000, 2))
    assert 0 < ks_test(X, X + 100)[1] < 1e-100
    assert ks_test(X, X) == (0.0, 1.0)
    assert ks_test(np.ones((20, 3)), np.ones((30, 3))) == (0.0, 1.0)


def test_ks_of_bad_input() -> None:
    """No rows, other widths, NaN and infinity are refused."""
    good = np.random.default_rng(3).normal(size=(20, 3))
    for wrong in (good[:0], good[:, :2]):
        for pair in ((good, wrong), (wrong, good)):
            with pytest.raises(ValueError, match="same width"):
                ks_test(*pair)
    for number in (np.nan, np.inf):
        wrong = good.copy()
        wrong[3, 1] = number
        with pytest.raises(ValueError, match="not finite"):
            ks_test(good, wrong)


def test_fisher_is_that_of_scipy() -> None:
    """p is twice the smaller of scipy's two one-sided p-values, at most 1, for every table of 7 and 12 rows."""
    for k in range(8):
        found = fisher_test(np.full(13, k), 7, np.arange(13), 12)
        for j in range(13):
            table = [[k, 7 - k], [j, 12 - j]]
            sides = [stats.fisher_exact(table, alternative=one).pvalue for one in ("less", "greater")]
            assert found[j] == pytest.approx(min(1, 2 * min(sides)), rel=1e-9)


def test_fisher_keeps_its_level_with_few_rows() -> None:
    """Exactly: over all outcomes of 8 and 2,000 rows of one probability, p below .01 has probability .01 at most."""
    for probability in (0.001, 0.05, 0.5):
        rare = stats.binom(2000, probability)
        k = np.arange(int(rare.ppf(1e-6)), int(rare.ppf(1 - 1e-6)) + 1)
        j = np.arange(9)
        p_values = fisher_test(k[:, None], 2000, j[None], 8)
        weights = rare.pmf(k)[:, None] * stats.binom(8, probability).pmf(j)[None]
        assert weights[p_values <= 0.01].sum() <= 0.01


def test_holm_by_hand() -> None:
    """.01, .04, .03, .005 become .03, .06, .06, .02: the smallest times 4, the next times 3, and none below one before it."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.4, 0.9, 0.6]) == [1.0, 1.0, 1.0]
    assert holm([0.2]) == [0.2]
    assert holm([]) == []


@pytest.mark.slow  # the import alone takes seconds
def test_holm_is_that_of_statsmodels() -> None:
    """On 50 random sets of p-values, ties among them, the result is that of statsmodels, where it is installed."""
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    rng = np.random.default_rng(4)
    for _ in range(50):
        p_values = np.round(rng.beta(0.3, 1, rng.integers(1, 9)), 2)
        assert holm(p_values.tolist()) == pytest.approx(multitest.multipletests(p_values, method="holm")[1])
