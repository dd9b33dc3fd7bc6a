"""Which share of each class has a sample: counted by labels, or estimated from what a classifier says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from graft.records import ClassShare
from graft.shift.head import Head
from graft.shift.sample import Sample
from graft.stats.prior import estimate_prior, estimate_prior_by_confusion

N_LEFT = 50
MIN_MOVED = 0.1
"""Share of rows whose class must have changed for a label shift: a smaller one is no matter for most models."""
N_SHARES = 6
Vector = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Shares:
    """Shares of the head's classes in both samples; what is missing to 1 has labels that the head does not know."""

    reference: Vector
    current: Vector
    cross_check: Vector | None = None
    is_counted: bool = False

    @property
    def moved(self) -> float:
        """The total variation distance: the share of rows that would need another class."""
        away = self.current - self.reference
        return float((np.abs(away).sum() + abs(away.sum())) / 2)

    @property
    def unknown(self) -> float:
        """The share of current rows with labels that the head does not know."""
        return max(0.0, 1 - float(self.current.sum()))


def count(head: Head, current: Sample, n_permutations: int, rng: np.random.Generator) -> tuple[Shares, float]:
    """Count the classes on both sides, those that the head does not know as one; p by exact draws under one mix for both."""
    here, there = (_counts(sample, head.classes) for sample in (current, head.half))
    shares = Shares(head.prior * (1 - there[-1] / len(head.half)), here[:-1] / len(current), is_counted=True)
    return shares, _alike(here, there, n_permutations, rng)


def compare_answers(head: Head, n_permutations: int, rng: np.random.Generator) -> float:
    """Return p of the classes that the head answers being as frequent in both samples, by exact draws as for counted ones."""
    n = len(head.classes)
    here, there = (np.bincount(answers.argmax(axis=1), minlength=n) for answers in (head.of_current, head.of_half))
    return _alike(here, there, n_permutations, rng)


def _alike(
    here: npt.NDArray[np.int_], there: npt.NDArray[np.int_], n_permutations: int, rng: np.random.Generator
) -> float:
    m, n = int(here.sum()), int(there.sum())
    distance = np.abs(here / m - there / n).sum()
    drawn = rng.multivariate_hypergeometric(here + there, m, size=n_permutations)
    distances = np.abs(drawn / m - (here + there - drawn) / n).sum(axis=1)
    return (1 + int((distances >= distance - 1e-12).sum())) / (1 + n_permutations)


def _counts(sample: Sample, classes: npt.NDArray[np.str_]) -> npt.NDArray[np.int_]:
    """Return how many labelled rows are of each class, and last of any other."""
    known = np.isin(np.asarray(sample.labels), classes)
    places = np.where(known, np.searchsorted(classes, np.asarray(sample.labels)), len(classes))
    return np.bincount(places, minlength=len(classes) + 1)


def estimate(head: Head) -> Shares:
    """Estimate the shares of unlabelled rows by EM on calibrated probabilities, with BBSE as a cross-check."""
    check = estimate_prior_by_confusion(
        head.of_half[head.known].argmax(axis=1),
        head.labels,
        head.of_current.argmax(axis=1),
        n_classes=len(head.classes),
    )
    current = estimate_prior(head.calibrated(head.of_current), head.prior)
    return Shares(reference=head.prior, current=current, cross_check=check)


def thin(rows: Sample, head: Head, shares: Shares, rng: np.random.Generator) -> Sample | None:
    """Return reference rows of the current mix of classes; None: too few are left of them.

    Rows are thinned, never repeated: a row that stands twice would differ from current rows by its twin.
    """
    rows = rows.take(np.flatnonzero(np.isin(np.asarray(rows.labels), head.classes)))
    labels = np.searchsorted(head.classes, np.asarray(rows.labels))
    weights = (shares.current / shares.reference)[labels]
    chosen = np.flatnonzero(rng.random(len(weights)) < weights / max(float(weights.max(initial=0.0)), 1e-12))
    return rows.take(chosen) if len(chosen) >= N_LEFT else None


def most_moved(head: Head, shares: Shares) -> tuple[ClassShare, ...]:
    """Return the classes whose share moved most."""
    order = np.argsort(-np.abs(shares.current - shares.reference), kind="stable")[:N_SHARES]
    return tuple(
        ClassShare(
            label=str(head.classes[k]),
            reference=round(float(shares.reference[k]), 4),
            current=round(float(shares.current[k]), 4),
            cross_check=None if shares.cross_check is None else round(float(shares.cross_check[k]), 4),
        )
        for k in order
    )
