"""The classifier two-sample test, against refitting and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import roc_auc_score

from graft.stats import two_sample_test
from graft.stats.twosample import _auc, _out_of_fold_scores


def normal(seed: int, n: int, d: int = 8, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1, (n, d))


@pytest.mark.parametrize("d", [3, 40, 200])
def test_scores_are_those_of_refitting(d: int) -> None:
    """The out-of-fold scores are those of a ridge regression refitted without each fold, also with more columns than rows."""
    X = np.concatenate([normal(0, 30, d), normal(1, 45, d, 0.3)])
    X -= X.mean(axis=0)
    sides = np.repeat([False, True], [30, 45])[:, None]
    fold = np.random.default_rng(2).permutation(np.arange(75) % 5)
    found = _out_of_fold_scores(X, sides, fold, 0.01)[:, 0]
    y = np.where(sides[:, 0], 1.0, -1.0)
    y -= y.mean()
    for k in range(5):
        ridge = Ridge(alpha=0.01 * (X**2).sum() / d, fit_intercept=False).fit(X[fold != k], y[fold != k])
        assert found[fold == k] == pytest.approx(ridge.predict(X[fold == k]), abs=1e-8)


def test_auc_is_that_of_scikit_learn() -> None:
    """Each column's AUC is scikit-learn's, ties included; the estimate's value is the observed column's."""
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 6, (60, 4)).astype(float)
    sides = np.stack([rng.permutation(60) < 25 for _ in range(4)], axis=1)
    expected = [roc_auc_score(sides[:, k], scores[:, k]) for k in range(4)]
    assert _auc(scores, sides) == pytest.approx(expected)


def test_result_describes_the_current_rows() -> None:
    """Scores belong to the current rows in their order: a planted outlier among them scores highest."""
    reference, current = normal(0, 60), normal(1, 50)
    current[:25] += 1.5
    result = two_sample_test(reference, current, rng=np.random.default_rng(2), n_permutations=99)
    assert result.scores.shape == (50,)
    assert result.scores[:25].mean() > result.scores[25:].mean() + 0.5
    assert result.auc.ci_low < result.auc.value < result.auc.ci_high
    assert result.auc.n == 50
    assert result.p_value == 0.01


def test_delong_interval() -> None:
    """The AUC's standard error is DeLong's: the structural components summed pair by pair."""
    reference, current = normal(3, 40), normal(4, 50, shift=0.4)
    rng = np.random.default_rng(5)
    auc = two_sample_test(reference, current, rng=rng, n_permutations=9).auc
    X = np.concatenate([reference, current])
    fold = np.random.default_rng(5).permutation(np.arange(90) % 5)
    observed = np.repeat([False, True], [40, 50])
    scores = _out_of_fold_scores(X - X.mean(axis=0), observed[:, None], fold, 0.01)[:, 0]
    above = np.array([[(p > q) + 0.5 * (p == q) for q in scores[:40]] for p in scores[40:]])
    error = np.sqrt(above.mean(axis=1).var(ddof=1) / 50 + above.mean(axis=0).var(ddof=1) / 40)
    assert auc.value == pytest.approx(above.mean())
    assert auc.ci_high - auc.value == pytest.approx(1.959964 * error, rel=1e-5)


@pytest.mark.parametrize("shift", [0.0, 50.0])
@pytest.mark.parametrize("n_permutations", [1, 99])
def test_p_is_never_zero(shift: float, n_permutations: int) -> None:
    """Even for samples that are wholly apart p is at least 1 / (B + 1), and then it is exactly that."""
    result = two_sample_test(
        normal(0, 100), normal(1, 100, shift=shift), rng=np.random.default_rng(2), n_permutations=n_permutations
    )
    assert 1 / (n_permutations + 1) <= result.p_value <= 1
    if shift:
        assert result.p_value == 1 / (n_permutations + 1)
        assert result.auc.value == 1


def test_constant_features_tell_nothing() -> None:
    """Where every row is the same the AUC is one half and p is 1."""
    same = np.ones((20, 5))
    result = two_sample_test(same, same, rng=np.random.default_rng(0), n_permutations=19)
    assert (result.auc.value, result.p_value) == (0.5, 1.0)


def test_same_seed_same_result() -> None:
    """The generator is the only source of randomness."""
    first, second = (
        two_sample_test(normal(0, 30), normal(1, 30), rng=np.random.default_rng(7), n_permutations=99) for _ in range(2)
    )
    assert first.p_value == second.p_value
    assert (first.scores == second.scores).all()


@pytest.mark.parametrize(("n", "m"), [(9, 30), (30, 9), (0, 30)])
def test_few_rows_are_refused(n: int, m: int) -> None:
    """Below 10 rows on a side there is no test."""
    with pytest.raises(ValueError, match="at least 10 rows"):
        two_sample_test(normal(0, n), normal(1, m), rng=np.random.default_rng(0), n_permutations=9)


def test_bad_features_are_refused() -> None:
    """Other widths, NaN and infinity are refused."""
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="widths"):
        two_sample_test(normal(0, 20, 3), normal(1, 20, 4), rng=rng, n_permutations=9)
    for wrong in (np.nan, np.inf):
        current = normal(1, 20)
        current[3, 2] = wrong
        with pytest.raises(ValueError, match="not finite"):
            two_sample_test(normal(0, 20), current, rng=rng, n_permutations=9)
