"""Does the same confidence mean the same accuracy in two samples?"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import optimize, special, stats

Vector = npt.NDArray[np.float64]
Hits = npt.NDArray[np.bool_]

_RIDGE = 1e-6


def concept_test(reference: tuple[Vector, Hits], current: tuple[Vector, Hits]) -> tuple[float, float]:
    """Test whether a classifier is right as often at the same confidence in two labelled samples.

    logit P(right) = a s + b + d (a' s + b'), s the log-odds of the classifier's confidence and d 1 for current rows; the
    likelihood ratio of a' = b' = 0 has a chi-square distribution with two degrees of freedom.

    Args:
        reference, current: confidences in (0, 1), shape (n,), and whether the classifier is right, shape (n,); the classifier
            has seen neither sample. Where the shares of classes moved, the confidences must be those under the new shares.

    Returns:
        p in (0, 1], small where labels no longer follow from the contents as they did; and the current accuracy minus the one
        that the reference promises at these confidences, in [-1, 1].

    Raises:
        ValueError: no rows on a side.
    Assumes: rows independent; accuracy a logistic function of the log-odds. A classifier that generalises badly to new contents
        looks the same, so this says "its answers are less right than they look", whatever the reason.
    Error: at a level of .05 errs in .05 to .06 of cases with 100 rows a side, .05 with 300 (tests/statistical).
    Cost: O(n + m) an iteration.
    Source: Cox 1958 (calibration slope and intercept); likelihood ratio: Wilks 1938.
    Checked against: scikit-learn's unpenalised logistic regression, tests/unit/stats/test_concept.py; null runs,
        tests/statistical.
    """
    s, hits = (np.concatenate([a, b]) for a, b in zip(reference, current, strict=True))
    if min(len(reference[0]), len(current[0])) == 0:
        raise ValueError("the test needs labelled rows on both sides")
    s = special.logit(np.clip(s, 1e-6, 1 - 1e-6))
    is_current = np.r_[np.zeros(len(reference[0])), np.ones(len(current[0]))]
    small = np.column_stack([s, np.ones(len(s))])
    large = np.column_stack([small, is_current[:, None] * small])
    ratio = 2 * (_fit(large, hits)[1] - _fit(small, hits)[1])
    promise, _ = _fit(small[is_current == 0], reference[1])
    away = current[1].mean() - special.expit(small[is_current == 1] @ promise).mean()
    return float(max(stats.chi2.sf(max(0.0, ratio), 2), np.finfo(float).tiny)), float(away)


def _fit(X: npt.NDArray[np.float64], hits: Hits) -> tuple[Vector, float]:
    """Return a logistic regression's weights and log-likelihood; the tiny ridge keeps separable rows finite."""
    sign = np.where(hits, 1.0, -1.0)

    def loss(theta: Vector) -> tuple[float, Vector]:
        margin = sign * (X @ theta)
        gradient = -(X * (sign * special.expit(-margin))[:, None]).sum(axis=0) + 2 * _RIDGE * theta
        return float(np.logaddexp(0, -margin).sum() + _RIDGE * theta @ theta), gradient

    fitted = optimize.minimize(loss, np.zeros(X.shape[1]), jac=True, method="L-BFGS-B")
    return fitted.x, -float(fitted.fun)
