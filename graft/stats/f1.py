"""Macro F1, with its interval."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from graft.records import Estimate

N_BOOTSTRAP = 2_000
_AT_ONCE = 200


def macro_f1(
    y_true: npt.NDArray[np.str_], y_pred: npt.NDArray[np.str_], *, rng: np.random.Generator, level: float = 0.95
) -> Estimate:
    """Estimate macro F1, the mean over classes of 2 TP / (2 TP + FP + FN), with a percentile bootstrap interval.

    Every class counts as much as any other, however few its rows. Classes are those that stand among labels or predictions;
    one that a bootstrap sample holds in neither is left out of the mean of that sample.

    Args:
        y_true, y_pred: shape (n,), n >= 1.
        rng: source of the bootstrap's randomness.
        level: confidence level in (0, 1).

    Returns:
        a fraction in [0, 1].

    Raises:
        ValueError: no rows, or not as many labels as predictions.
    Assumes: rows independent.
    Error: coverage .94 to .95 at 100 to 1,000 rows of 3 to 12 classes, of even and of 1/k sizes; .89 at 60 rows of 12 classes of
        1/k sizes: what a class of a few rows has not shown cannot be resampled.
    Cost: O(N_BOOTSTRAP x distinct pairs of label and prediction): some 0.06 s at 1,000 rows.
    Source: Manning, Raghavan, Schütze 2008, sect. 13.6; Efron & Tibshirani 1993, ch. 13.
    Checked against: sklearn.metrics.f1_score(average="macro").
    """
    n = len(y_true)
    if n == 0 or n != len(y_pred):
        raise ValueError("macro F1 needs a prediction for each label, one at least")
    classes, codes = np.unique(np.concatenate([y_true, y_pred]), return_inverse=True)
    pairs, counts = np.unique(np.stack([codes[:n], codes[n:]]), axis=1, return_counts=True)
    value = float(_macro(pairs, counts[None, :], len(classes))[0])
    drawn = [
        _macro(pairs, rng.multinomial(n, counts / n, size=_AT_ONCE), len(classes))
        for _ in range(N_BOOTSTRAP // _AT_ONCE)
    ]
    low, high = (float(q) for q in np.quantile(np.concatenate(drawn), [(1 - level) / 2, (1 + level) / 2]))
    return Estimate(
        value=value, ci_low=min(low, value), ci_high=max(high, value), level=level, n=n, method="bootstrap",
        unit="fraction",
    )  # fmt: skip


def _macro(pairs: npt.NDArray[np.intp], counts: npt.NDArray[np.int_], n_classes: int) -> npt.NDArray[np.float64]:
    """Return macro F1 of each row of counts, which are those of the pairs of label and prediction."""
    true, predicted = (np.zeros((len(counts), n_classes)) for _ in range(2))
    for code in range(n_classes):
        true[:, code] = counts[:, pairs[0] == code].sum(axis=1)
        predicted[:, code] = counts[:, pairs[1] == code].sum(axis=1)
    right = np.zeros_like(true)
    same = pairs[0] == pairs[1]
    right[:, pairs[0][same]] = counts[:, same]
    counts_either = true + predicted
    f1 = np.divide(2 * right, counts_either, out=np.zeros_like(right), where=counts_either > 0)
    n_present = np.maximum((counts_either > 0).sum(axis=1), 1)
    scores: npt.NDArray[np.float64] = f1.sum(axis=1) / n_present
    return scores
