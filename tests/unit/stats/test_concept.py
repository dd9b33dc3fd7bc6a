"""Whether the same confidence means the same accuracy in two samples."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats
from sklearn.linear_model import LogisticRegression

from graft.stats.concept import concept_test


def answers(
    rng: np.random.Generator, n: int, *, slope: float = 1.0, offset: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Confidences, and whether answers are right: calibrated, or with another slope and offset of the log-odds."""
    confidence = special.expit(rng.normal(1, 1, n))
    return confidence, rng.random(n) < special.expit(slope * special.logit(confidence) + offset)


@pytest.mark.parametrize(("slope", "offset"), [(1.0, 0.0), (1.0, -0.7), (0.3, 0.0)])
def test_likelihoods_are_those_of_scikit_learn(slope: float, offset: float) -> None:
    """p is the chi-square tail of twice the difference of two log-likelihoods of unpenalised logistic regressions."""
    rng = np.random.default_rng(0)
    reference, current = answers(rng, 300), answers(rng, 200, slope=slope, offset=offset)
    s = special.logit(np.concatenate([reference[0], current[0]]))[:, None]
    hits = np.concatenate([reference[1], current[1]])
    is_current = np.repeat([0.0, 1.0], [300, 200])[:, None]

    def likelihood(X: np.ndarray, y: np.ndarray) -> tuple[float, LogisticRegression]:
        model = LogisticRegression(C=np.inf, tol=1e-8, max_iter=5000).fit(X, y)
        return float(np.log(model.predict_proba(X)[np.arange(len(y)), y.astype(int)]).sum()), model

    ratio = 2 * (likelihood(np.hstack([s, is_current, is_current * s]), hits)[0] - likelihood(s, hits)[0])
    promised = likelihood(s[:300], reference[1])[1].predict_proba(s[300:])[:, 1].mean()
    p_value, away = concept_test(reference, current)
    assert p_value == pytest.approx(stats.chi2.sf(ratio, 2), rel=0.01)
    assert away == pytest.approx(current[1].mean() - promised, abs=1e-3)


@pytest.mark.parametrize(("share", "direction"), [(0.0, 0), (0.3, -1), (-0.3, 1)])
def test_direction_and_size(share: float, direction: int) -> None:
    """Flipping three of ten answers is found, with its sign and its size within .03; flipping none gives no difference."""
    rng = np.random.default_rng(1)
    samples = []
    for flipped in (max(0.0, -share), max(0.0, share)):
        confidence, hits = answers(rng, 3000)
        samples.append((confidence, hits ^ (rng.random(3000) < flipped)))
    p_value, away = concept_test(*samples)
    assert (p_value < 0.001) == bool(direction)
    expected = samples[1][1].mean() - samples[0][1].mean()
    assert away == pytest.approx(expected, abs=0.03)
    assert np.sign(round(away, 1)) == direction


def test_confidence_that_moves_is_no_concept() -> None:
    """Current rows that are harder, and known to be so, are answered as well as their confidence promises."""
    rng = np.random.default_rng(2)
    reference = answers(rng, 2000)
    confidence = special.expit(rng.normal(0, 1, 2000))
    current = confidence, rng.random(2000) < confidence
    assert current[1].mean() < reference[1].mean() - 0.1
    p_value, away = concept_test(reference, current)
    assert p_value > 0.01
    assert abs(away) < 0.03


def test_separable_rows_stay_finite() -> None:
    """Answers that are all right, all wrong, or split by confidence, and confidences of 0 and 1, give finite numbers."""
    n = 100
    some = np.linspace(0, 1, n)
    cases = {
        "all right": (some, np.ones(n, dtype=bool)),
        "all wrong": (some, np.zeros(n, dtype=bool)),
        "split": (some, some > 0.5),
        "certain": (np.ones(n), np.arange(n) % 2 == 0),
        "never": (np.zeros(n), np.arange(n) % 3 == 0),
    }
    for reference in cases.values():
        for current in cases.values():
            p_value, away = concept_test(reference, current)
            assert 0 < p_value <= 1
            assert -1 <= away <= 1
    assert concept_test(cases["all right"], cases["all wrong"])[0] < 1e-6
    assert concept_test(cases["all right"], cases["all wrong"])[1] == pytest.approx(-1, abs=0.01)
    assert concept_test(cases["split"], cases["split"])[0] > 0.99


def test_p_is_never_zero() -> None:
    """However clear the difference, p is above 0."""
    many = np.full(100_000, 0.9)
    right, wrong = np.ones(100_000, dtype=bool), np.zeros(100_000, dtype=bool)
    assert 0 < concept_test((many, right), (many, wrong))[0] < 1e-100


def test_rows_are_needed() -> None:
    """No rows on a side are refused."""
    some, none = (np.array([0.7, 0.8]), np.array([True, False])), (np.empty(0), np.empty(0, dtype=bool))
    for pair in ((some, none), (none, some)):
        with pytest.raises(ValueError, match="both sides"):
            concept_test(*pair)
