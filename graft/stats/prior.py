"""Which share of each class a sample has, seen through a classifier alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

Matrix = npt.NDArray[np.float64]
Vector = npt.NDArray[np.float64]

MIN_SINGULAR = 0.05
_FLOOR = 1e-12


def calibrate(probabilities: Matrix, labels: npt.NDArray[np.int_]) -> tuple[float, Vector]:
    """Fit temperature and class biases that make a classifier's probabilities fit the labels of rows it has not seen.

    log q = log p / T + b, normalised; a small penalty keeps the biases of rare classes near 0.

    Args:
        probabilities: shape (n, c), rows sum to 1.
        labels: shape (n,), class indices.

    Returns:
        T > 0 and b, shape (c,).

    Raises:
        ValueError: no rows.
    Assumes: rows are of the distribution whose calibration is wanted.
    Cost: O(n c) an iteration, convex in (1/T, b).
    Source: bias-corrected temperature scaling, Alexandari, Kundaje, Shrikumar 2020.
    Checked against: temperatures and biases that were put in, tests/unit/stats/test_prior.py.
    """
    if len(labels) == 0:
        raise ValueError("calibration needs rows")
    logits = np.log(np.maximum(probabilities, _FLOOR))
    n, c = logits.shape
    one_hot = np.eye(c)[labels]

    def loss(theta: Vector) -> tuple[float, Vector]:
        scores = theta[0] * logits + theta[1:]
        away = special.softmax(scores, axis=1) - one_hot
        value = float((special.logsumexp(scores, axis=1) - scores[np.arange(n), labels]).mean())
        gradient = np.concatenate([[(away * logits).sum() / n], away.mean(axis=0) + theta[1:] / n])
        return value + float(theta[1:] @ theta[1:]) / (2 * n), gradient

    bounds = [(1e-3, 1e3), *[(None, None)] * c]
    fitted = optimize.minimize(loss, np.r_[1.0, np.zeros(c)], jac=True, method="L-BFGS-B", bounds=bounds).x
    return 1 / float(fitted[0]), fitted[1:]


def calibrated(probabilities: Matrix, temperature: float, biases: Vector) -> Matrix:
    """Return probabilities under a temperature and biases, as ``calibrate`` gives them.

    Args:
        probabilities: shape (n, c), rows sum to 1.
        temperature: > 0; 1 changes nothing.
        biases: shape (c,), on the scale of log probabilities.

    Returns:
        shape (n, c), rows sum to 1.

    Cost: O(n c).
    Source: as ``calibrate``.
    """
    logits = np.log(np.maximum(probabilities, _FLOOR)) / temperature + biases
    adjusted: Matrix = special.softmax(logits, axis=1)
    return adjusted


def estimate_prior(
    probabilities: Matrix, prior: Vector, *, max_iterations: int = 1_000, tolerance: float = 1e-7
) -> Vector:
    """Estimate the share of each class in unlabelled rows, by the likelihood of a classifier's calibrated probabilities.

    q <- mean_i of p_i q / prior, normalised by row. The likelihood is concave, so its maximum is the only one.

    Args:
        probabilities: shape (n, c), of the rows, calibrated where the classes have shares ``prior``.
        prior: shape (c,), > 0, sums to 1.
        max_iterations: of EM, after which the last estimate is returned.
        tolerance: largest change of a share at which EM stops.

    Returns:
        shares, shape (c,), sum to 1.

    Raises:
        ValueError: no rows, or values that are not finite.
    Assumes: label shift: within each class the rows are as they were. Under another shift the result means nothing.
    Error: that of the calibration; standard errors shrink with n.
    Cost: O(n c) an iteration, tens of them.
    Source: Saerens, Latinne, Decaestecker 2002; with calibration it beats BBSE and RLLS (Alexandari et al. 2020).
    Checked against: two Gaussians with known shares and CIFAR-10.1, tests/unit/stats/test_prior.py.
    """
    if len(probabilities) == 0 or not np.isfinite(probabilities).all():
        raise ValueError("shares of classes need rows with finite probabilities")
    ratio = probabilities / prior
    shares = prior.copy()
    for _ in range(max_iterations):
        weighted = ratio * shares
        new = (weighted / weighted.sum(axis=1, keepdims=True)).mean(axis=0)
        done = float(np.abs(new - shares).max()) < tolerance
        shares = new
        if done:
            break
    return shares


def estimate_prior_by_confusion(
    predicted: npt.NDArray[np.int_], labels: npt.NDArray[np.int_], current: npt.NDArray[np.int_], *, n_classes: int
) -> Vector | None:
    """Estimate the share of each class in unlabelled rows from how often each class is predicted.

    Solves C w = mu with C_ij = P(predicted i, class j) on labelled rows and mu_i = P(predicted i) on the unlabelled ones;
    shares are w times those of the labelled rows, negative ones set to 0.

    Args:
        predicted, labels: shape (n,), class indices of labelled rows the classifier has not seen.
        current: shape (m,), predicted class indices.
        n_classes: c >= 2.

    Returns:
        shares, shape (c,), sum to 1; None where the classifier confuses classes so much (smallest singular value of the column
        stochastic C below .05) that they cannot be estimated.

    Raises:
        ValueError: no rows on a side.
    Assumes: label shift, as ``estimate_prior``; no calibration.
    Cost: O(n + m + c^3).
    Source: BBSE: Lipton, Wang, Smola 2018.
    Checked against: as ``estimate_prior``.
    """
    if len(labels) == 0 or len(current) == 0:
        raise ValueError("shares of classes need rows on both sides")
    joint = np.zeros((n_classes, n_classes))
    np.add.at(joint, (predicted, labels), 1 / len(labels))
    prior = joint.sum(axis=0)
    conditional = joint / np.maximum(prior, _FLOOR)
    if np.linalg.svd(conditional, compute_uv=False).min() < MIN_SINGULAR:
        return None
    mu = np.bincount(current, minlength=n_classes) / len(current)
    shares = np.maximum(np.linalg.solve(conditional, mu), 0)
    normalised: Vector = shares / shares.sum()
    return normalised
