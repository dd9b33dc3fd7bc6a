"""The linear probe: logistic regression on frozen features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # of scikit-learn

Features = npt.NDArray[np.float32]
Labels = npt.NDArray[np.str_]

GRID = (0.3, 3.0, 30.0)
"""Inverse penalties tried: few rows of classes that are hard to tell want the first, many rows the last."""


def fit_probe(
    features: Features,
    labels: Labels,
    *,
    C: float,
    weights: npt.NDArray[np.float32] | None = None,
    max_iter: int = 1000,
) -> LogisticRegression:
    """Fit multinomial logistic regression with an L2 penalty.

    Args:
        features: shape (n, d), float; unit-norm rows are assumed by the grid of ``choose_C``.
        labels: shape (n,), at least two classes.
        C: inverse penalty, > 0.
        weights: shape (n,), how much each row counts; None: all alike.
        max_iter: iterations of the solver at most.

    Returns:
        the fitted classifier; its ``classes_`` are sorted.

    Cost: O(n d classes) an iteration; convex, so the result does not depend on a seed.
    Source: scikit-learn's L-BFGS solver.
    """
    return LogisticRegression(C=C, max_iter=max_iter).fit(features, labels, sample_weight=weights)


def choose_C(
    features: Any, labels: Labels, *, n_folds: int, seed: int, grid: Sequence[float] = GRID
) -> tuple[float, npt.NDArray[np.bool_]]:
    """Choose the probe's inverse penalty by cross-validation on training rows.

    A class of one row cannot be learned and asked for at once, so it has no part in the choice.

    Args:
        features: shape (n, d), an array or a sparse matrix.
        labels: shape (n,).
        n_folds: >= 2; fewer are made where the rarest class has fewer rows.
        seed: of the folds.
        grid: inverse penalties to try, ascending.

    Returns:
        the C of the grid with the most out-of-fold hits (the smallest of equals), and those hits, shape (n,). As the best of
        three they are optimistic by at most a few tenths of a point at n = 1,000. A class of one row has no hit; where fewer
        than two classes have more rows there is no hit at all and C is the middle of the grid.

    Assumes: folds are stratified as far as the rows allow: the rarest class of two rows or more bounds their number.
    Cost: len(grid) * n_folds fits.
    Source: Stone 1974 (cross-validatory choice).
    """
    _, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    asked = np.flatnonzero(counts[codes] > 1)
    if np.count_nonzero(counts > 1) < 2:
        return grid[len(grid) // 2], np.zeros(len(labels), dtype=np.bool_)
    folds = StratifiedKFold(int(min(n_folds, counts[counts > 1].min())), shuffle=True, random_state=seed)
    best: tuple[float, npt.NDArray[np.bool_]] | None = None
    for C in grid:
        with threadpool_limits(1):  # the matrices are small: two threads take three times the processor time of one
            predicted = cross_val_predict(
                LogisticRegression(C=C, max_iter=1000), features[asked], labels[asked], cv=folds
            )
        hits = np.zeros(len(labels), dtype=np.bool_)
        hits[asked] = predicted == labels[asked]
        if best is None or hits.sum() > best[1].sum():
            best = C, hits
    assert best is not None  # noqa: S101 - the grid is not empty
    return best
