"""A classifier of one half of the reference, so that the other half and the current rows are equally new to it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from graft.shift.sample import Sample
from graft.stats.prior import calibrate, calibrated
from graft.stats.probe import fit_probe

C = 3.0
N_MIN = 20
"""Labelled rows that each half needs."""
Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Head:
    """What a linear probe says of reference rows it has not seen and of current rows: probabilities, shape (rows, classes)."""

    classes: npt.NDArray[np.str_]
    half: Sample
    of_half: Matrix
    of_current: Matrix

    @cached_property
    def known(self) -> npt.NDArray[np.bool_]:
        """Whether the probe knows the class of each row of the half."""
        return np.isin(np.asarray(self.half.labels), self.classes)

    @cached_property
    def labels(self) -> npt.NDArray[np.int_]:
        """The class of each known row of the half, as an index."""
        return np.searchsorted(self.classes, np.asarray(self.half.labels)[self.known])

    @cached_property
    def prior(self) -> npt.NDArray[np.float64]:
        """The share of each class in the half, none of them 0."""
        counts = np.bincount(self.labels, minlength=len(self.classes)) + 0.5
        shares: npt.NDArray[np.float64] = counts / counts.sum()
        return shares

    @cached_property
    def calibration(self) -> tuple[float, npt.NDArray[np.float64]]:
        """Temperature and biases that fit the probe's probabilities to the half."""
        return calibrate(self.of_half[self.known], self.labels)

    def calibrated(self, probabilities: Matrix) -> Matrix:
        """Return probabilities of the probe, calibrated on the half."""
        return calibrated(probabilities, *self.calibration)


def fit_head(reference: Sample, current: Sample, *, max_rows: int, rng: np.random.Generator) -> Head | None:
    """Fit a probe to half of the reference's labelled rows; None where these are too few, of one class, or each of its own.

    Args:
        max_rows: rows that the probe is fitted to at most.

    Cost: one logistic regression on ``max_rows`` rows, and one product for all others.
    """
    rows = reference.labelled()
    order = rng.permutation(len(rows))
    fitted_to, half = rows.take(order[: len(order) // 2][:max_rows]), rows.take(order[len(order) // 2 :])
    if len(fitted_to) < N_MIN or len(set(np.asarray(fitted_to.labels))) < 2:
        return None
    if np.isin(np.asarray(half.labels), np.asarray(fitted_to.labels)).sum() < N_MIN:
        return None
    probe = fit_probe(fitted_to.features, np.asarray(fitted_to.labels), C=C)
    of_half, of_current = (probe.predict_proba(sample.features) for sample in (half, current))
    return Head(classes=np.asarray(probe.classes_), half=half, of_half=of_half, of_current=of_current)
