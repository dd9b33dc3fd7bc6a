"""Is a model as often right as it says? Confidence beside accuracy."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

N_BINS = 10


class Bin(NamedTuple):
    """Rows of like confidence: how many, the mean probability that the model gave to what it said, and how many were right."""

    n: int
    confidence: float
    n_right: int


def reliability(confidence: npt.NDArray[np.floating], hits: npt.NDArray[np.bool_], n_bins: int = N_BINS) -> list[Bin]:
    """Return the rows in bins of equally many, least confident first.

    Args:
        confidence: shape (n,), the probability of the class that was predicted, in [0, 1].
        hits: shape (n,), whether it was right.
        n_bins: bins at most, >= 1.

    Cost: O(n log n).
    Source: reliability diagram: DeGroot and Fienberg 1983; bins of equal mass: Nixon et al. 2019.
    """
    order = np.argsort(confidence, kind="stable")
    parts = [part for part in np.array_split(order, min(n_bins, len(order))) if len(part)]
    return [Bin(len(part), float(confidence[part].mean()), int(hits[part].sum())) for part in parts]


def calibration_error(confidence: npt.NDArray[np.floating], hits: npt.NDArray[np.bool_]) -> float:
    """Return the expected calibration error: how far confidence lies from accuracy, the mean over the bins of ``reliability``.

    Args:
        confidence, hits: shape (n,), as ``reliability`` takes them.

    Returns:
        a fraction in [0, 1]; 0: of rows said to be right with 90% nine in ten are. A perfect model shows some error too, as a
        bin's accuracy is that of few rows: ``error_by_chance`` says how much.

    Cost: O(n log n).
    Source: Guo, Pleiss, Sun, Weinberger 2017, eq. (3).
    Checked against: the definition by hand, tests/unit/stats/test_calibration.py.
    """
    bins = reliability(confidence, hits)
    return sum(abs(bin_.n * bin_.confidence - bin_.n_right) for bin_ in bins) / len(hits)


def error_by_chance(
    confidence: npt.NDArray[np.floating], *, rng: np.random.Generator, n_draws: int = 1000, level: float = 0.95
) -> float:
    """Return the error that a perfectly calibrated model of the same confidences stays below with probability ``level``.

    Args:
        confidence: shape (n,), in [0, 1].
        rng: draws which rows are right.
        n_draws: simulated models.
        level: in (0, 1).

    Returns:
        a fraction in [0, 1], as ``calibration_error``.

    Cost: O(n_draws x n).
    Source: consistency resampling, Broecker and Smith 2007.
    """
    drawn = rng.random((n_draws, len(confidence))) < confidence
    return float(np.quantile([calibration_error(confidence, hits) for hits in drawn], level))
