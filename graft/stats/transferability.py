"""How well do a base's features fit a task, before anything is trained? Neighbours, evidence, and the base's own head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import linalg

Matrix = npt.NDArray[np.floating]
Labels = npt.NDArray[Any]

MAX_K = 20
N_BLOCK = 512
"""Rows whose distances to all others are held at once."""
_STEP = 1e-6
"""Cosines that differ by less are taken as equal: float32 does not tell them apart."""
_BEYOND = 18.0
"""How far beyond the logarithms of the least and the largest eigenvalue that of t is sought."""
_N_GRID, _N_REFINE, _N_POINTS = 97, 8, 9


@dataclass(frozen=True)
class Neighbours:
    """Which rows the others' labels give away: ``hits[k - 1]`` with k neighbours, shape (n,)."""

    hits: npt.NDArray[np.bool_]

    @property
    def k(self) -> int:
        """The number of neighbours with the most hits, the least of equals."""
        return int(self.hits.sum(axis=1).argmax()) + 1

    @property
    def best(self) -> npt.NDArray[np.bool_]:
        """The hits with ``k`` neighbours, shape (n,)."""
        return np.asarray(self.hits[self.k - 1])


def knn_accuracy(features: Matrix, labels: Labels, *, max_k: int = MAX_K) -> Neighbours:
    """Classify each row by the majority of its nearest other rows, by cosine, for every k from 1 to ``max_k`` at once.

    Of classes with as many votes the one with the nearest row wins, and of rows equally near the one that comes first.

    Args:
        features: shape (n, d), n >= 2, finite, no row of zeros.
        labels: shape (n,), at least two classes.
        max_k: neighbours asked at most; n - 1 where the rows are fewer.

    Returns:
        the hits for each k. The share of chance is that of the most frequent class; as the best of 20 the accuracy with ``k``
        neighbours is optimistic by about a standard error where few rows are scored.

    Raises:
        ValueError: as ``_checked``, or a row is zero: it has no direction.
    Assumes: no row stands twice: a copy would be its own nearest neighbour. Distances mean something: rare features count for
        no less than frequent ones.
    Error: that of a proportion; scores that are tied are decided by the order of rows.
    Cost: n^2 d multiplications in blocks of ``N_BLOCK`` rows; memory O(n (d + N_BLOCK)): 10,000 x 384 takes 110 MB.
    Source: Cover & Hart 1967; as a score of pretrained models: arXiv 2503.18528.
    Checked against: scikit-learn's KNeighborsClassifier, row by row, tests/unit/stats/test_transferability.py.
    """
    X, y, _ = _checked(features, labels)
    norms = np.linalg.norm(X, axis=1, keepdims=True)
    if not norms.all():
        raise ValueError("a row of features is zero and has no direction")
    X, n = (X / norms).astype(np.float32), len(X)
    k = min(max_k, n - 1)
    hits = np.empty((k, n), dtype=bool)
    order = np.arange(n)
    for start in range(0, n, N_BLOCK):
        block = order[start : start + N_BLOCK]
        far = np.rint((1 - X[block] @ X.T) / _STEP).astype(np.int64) * n + order  # the row decides between equals
        far[block - start, block] = np.iinfo(np.int64).max
        nearest = np.sort(np.partition(far, k - 1, axis=1)[:, :k], axis=1) % n
        hits[:, block] = y[block] == _majority(y[nearest]).T
    return Neighbours(hits)


def _majority(votes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return what the first 1, 2, ... voters say, for voters in columns: of equal classes the one that was named first."""
    same = votes[:, :, None] == votes[:, None, :]
    counts = same.cumsum(axis=1, dtype=np.int32) * np.tri(votes.shape[1], dtype=np.int32)
    winner = counts.argmax(axis=2)
    return np.take_along_axis(votes, winner, axis=1)


def logme(features: Matrix, labels: Labels, *, with_intercept: bool = False) -> float:
    """Score features by the evidence that linear regression on them has for the classes (LogME).

    For each class y is 1 for its rows and 0 for others, y ~ N(0, I / b + F F' / a), and a > 0, b > 0 are chosen to make y
    likeliest. With t = a / b, the r positive eigenvalues s of F F', its eigenvectors U, x = U'y and
    Q(t) = sum x^2 t / (t + s) + (y'y - sum x^2), the best b is n / Q, and

        evidence(t) = n/2 ln(n / Q) - 1/2 sum_{i<=r} ln(1 + s_i / t) - n/2 (1 + ln 2 pi).

    That is r/2 ln a + n/2 ln b - 1/2 sum_{i<=r} ln(a + b s_i) - ..., with r and not d terms of a: code that is widely used has
    d/2 ln a, which is too much where there are fewer rows than features. Here t is sought on a grid and then more finely, so
    there is no iteration that may end elsewhere.

    Args:
        features: shape (n, d), finite.
        labels: shape (n,), at least two classes.
        with_intercept: take the mean out first, by ``_contrasts``: what is scored are n - 1 rows, with n - 1 in place of n.
            Without, as it was published, features that share a large mean are paid for the classes' shares, which they alone
            can say cheaply: random weights then outdo good bases on hard tasks.

    Returns:
        the mean over classes of the best evidence a row: higher is better. Only scores of the same rows can be compared. With
        an intercept, features that say nothing are near -1/2 (1 + ln(2 pi p (1 - p))), the mean over the classes' shares p.

    Raises:
        ValueError: as ``_checked``.
    Assumes: classes fit a linear regression with even noise; rows independent. Scaling all features changes nothing.
    Error: 1e-6 for the search. t lies between e^-18 of the least s and e^18 of the largest: features that say the classes
        without any noise get the score of that end.
    Cost: one decomposition of F, O(n d min(n, d)), for all classes together; 10,000 x 384, 77 classes: some 0.5 s. Memory:
        O(n (d + classes)) in float64.
    Source: You, Liu, Wang, Long 2021 (LogME); evidence: MacKay 1992; r for d: thuml/LogME pull request 24.
    Checked against: the authors' code where it is right (n > d), and log N(y; 0, I/b + F F'/a) maximised directly where it is
        not; with an intercept, the restricted likelihood (REML) maximised directly, tests/unit/stats/test_transferability.py.
    """
    X, y, n_classes = _checked(features, labels)
    Y = np.eye(n_classes)[y]
    if with_intercept:
        X, Y = _contrasts(X), _contrasts(Y)
    return float(_best_evidence(X, Y).mean() / len(X))


def _contrasts(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return Q'F for an orthonormal basis Q of all directions that sum to zero (Helmert's): n - 1 rows without the mean.

    Rows that are merely centred are still n, and lie in n - 1 dimensions: with n or more features they say every y that was
    centred too without any noise, so that noise scores as well as features that know something.
    """
    centred = rows - rows.mean(axis=0)  # changes no contrast, and the sums below stay small
    k = np.arange(1, len(rows), dtype=np.float64)[:, None]
    return np.asarray((np.cumsum(centred[:-1], axis=0) - k * centred[1:]) / np.sqrt(k * (k + 1)))


def _best_evidence(X: npt.NDArray[np.float64], Y: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the largest evidence of each column of ``Y`` over t, by one decomposition of ``X`` for all.

    The singular values are those of a triangular factor: squared first, as in F'F, the small ones would be lost.
    """
    n, is_tall = len(X), len(X) > X.shape[1]
    _, sigma, V = linalg.svd(np.linalg.qr(X if is_tall else X.T, mode="r"))
    is_large = sigma > sigma[0] * max(X.shape) * np.finfo(np.float64).eps
    sigma, V = sigma[is_large], V[is_large]
    projected = (V @ (X.T @ Y)) / sigma[:, None] if is_tall else V @ Y
    s, x2 = sigma**2, projected**2
    rest = np.maximum((Y**2).sum(axis=0) - x2.sum(axis=0), 0)

    def evidence(log_t: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        ratio = s[:, None] * np.exp(-log_t)
        left = (x2 / (1 + ratio)).sum(axis=0) + rest
        return np.asarray(0.5 * (n * (np.log(n / left) - 1 - np.log(2 * np.pi)) - np.log1p(ratio).sum(axis=0)))

    low, high = np.log(s[-1]) - _BEYOND, np.log(s[0]) + _BEYOND
    grid, width = np.tile(np.linspace(low, high, _N_GRID)[:, None], Y.shape[1]), (high - low) / (_N_GRID - 1)
    for _ in range(1 + _N_REFINE):
        values = np.array([evidence(log_t) for log_t in grid])
        best = np.take_along_axis(grid, values.argmax(axis=0)[None], axis=0)[0]
        grid = np.clip(best + np.linspace(-width, width, _N_POINTS)[:, None], low, high)
        width *= 2 / (_N_POINTS - 1)
    return np.asarray(values.max(axis=0))


def leep(theta: Matrix, labels: Labels) -> float:
    """Score a base by how well its own head's classes tell those of the task (log expected empirical prediction).

    P(y|z) = sum of theta_iz over rows of class y / sum over all rows; LEEP = mean_i ln sum_z P(y_i|z) theta_iz.

    Args:
        theta: shape (n, z), what the base's head says of each row: probabilities, each row summing to 1.
        labels: shape (n,), at least two classes.

    Returns:
        a mean log probability, <= 0: 0 where the head knows the classes exactly, the negative entropy of the classes' shares
        where its classes tell nothing, -ln C for C classes of equal size.

    Raises:
        ValueError: as ``_checked``, or theta is not probabilities.
    Assumes: the base's classes are not those of these very rows: one that was trained on them knows them by heart.
    Error: optimistic where the head has nearly as many classes as there are rows: P(y|z) is estimated on the same rows.
    Cost: O(n z).
    Source: Nguyen, Hassner, Seeger, Archambeau 2020, eq. (1) and (2).
    Checked against: its exact values for known theta, and a case by hand, tests/unit/stats/test_transferability.py.
    """
    P, y, n_classes = _checked(theta, labels, may_be_constant=True)
    if (P < 0).any() or not np.allclose(P.sum(axis=1), 1, atol=1e-3):
        raise ValueError("a head's probabilities lie in [0, 1] and sum to 1")
    P = P[:, P.sum(axis=0) > 0]
    joint = np.zeros((n_classes, P.shape[1]))
    np.add.at(joint, y, P)
    return float(np.log(((joint / joint.sum(axis=0))[y] * P).sum(axis=1)).mean())


def _checked(
    features: Matrix, labels: Labels, *, may_be_constant: bool = False
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64], int]:
    """Return features in float64, the number of each row's class, and how many classes there are.

    Raises:
        ValueError: fewer than two rows, another number of labels, values that are not finite, one class, or all rows alike.
    """
    X = np.asarray(features, dtype=np.float64)
    if X.ndim != 2 or len(X) < 2 or len(X) != len(labels):
        raise ValueError("features need at least two rows, and a label for each")
    if not np.isfinite(X).all():
        raise ValueError("features are not finite")
    classes, y = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise ValueError("all rows are of one class")
    if not may_be_constant and (X[0] == X).all():
        raise ValueError("all rows have the same features")
    return X, y.astype(np.int64), len(classes)
