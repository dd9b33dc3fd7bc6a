"""What kind of shift is it: other contents, another mix of classes, or other labels for the same contents?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from graft.records import ClassShare, Estimate, ShiftKind
from graft.shift.head import Head
from graft.shift.sample import Sample
from graft.shift.words import chance
from graft.stats.accuracy import proportion_difference
from graft.stats.concept import concept_test
from graft.stats.prior import estimate_prior, estimate_prior_by_confusion

N_CONCEPT = 100
"""Labelled rows that a side needs before anything is said of its labels."""
N_LEFT = 50
MIN_MOVED = 0.1
"""Share of rows whose class must have changed for a label shift: a smaller one is no matter for most models."""
MIN_AWAY = 0.05
"""Accuracy by which answers must differ from what their confidence promises for a concept shift."""
N_SHARES = 6
_ALIKE = "no difference beyond the bounds"
Vector = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Kinds:
    """The three kinds, and what they were told by."""

    kinds: tuple[ShiftKind, ...]
    shares: tuple[ClassShare, ...] = ()
    accuracy_change: Estimate | None = None


@dataclass(frozen=True)
class _Shares:
    """Shares of the probe's classes in both samples; what is missing to 1 has labels that the probe does not know.

    ``p_value`` of their being the same is None where they were estimated.
    """

    reference: Vector
    current: Vector
    cross_check: Vector | None = None
    p_value: float | None = None

    @property
    def moved(self) -> float:
        """The total variation distance: the share of rows that would need another class."""
        away = self.current - self.reference
        return float((np.abs(away).sum() + abs(away.sum())) / 2)

    @property
    def unknown(self) -> float:
        """The share of current rows with labels that the probe does not know."""
        return max(0.0, 1 - float(self.current.sum()))


def tell_kinds(
    reference: Sample,
    current: Sample,
    head: Head | None,
    *,
    significant: bool,
    shifted: bool,
    retest: Callable[[Sample], bool],
    alpha: float,
    n_permutations: int,
    rng: np.random.Generator,
) -> Kinds:
    """Tell covariate, label and concept shift apart, as far as the rows allow.

    The mix of classes is counted where the current rows have labels, and estimated by EM otherwise. Reference rows are then drawn
    so that their mix is the current one: what no longer differs was a label shift; what still does is a shift of the contents.
    The concept is compared on labelled rows alone; without labels it is not testable, whatever else was found.

    Args:
        head: a probe of half of the reference; None: the reference has too few labels.
        significant: whether any test finds a difference, however small.
        shifted: the verdict of the tests: significant, and large.
        retest: whether such a sample of the reference still differs from the current rows.

    Source: Rabanser et al. 2019 (the question); Lipton et al. 2018 and Saerens et al. 2002 (the mix of classes).
    Checked against: three generators of shift, 200 seeds each, tests/statistical/test_shift_kinds.py.
    """
    if head is None:
        none = "the reference has too few labelled rows"
        why = "the samples differ; whether by their mix of classes cannot be told" if shifted else _ALIKE
        return Kinds(
            (
                ShiftKind(name="covariate", found=None if shifted else False, because=why),
                ShiftKind(name="label", found=None, because=none),
                ShiftKind(name="concept", found=None, because=none),
            )
        )
    with_labels = current.labelled()
    if len(with_labels) >= N_CONCEPT:
        shares = _count(head, with_labels, n_permutations, rng)
    else:
        shares = _estimate(head) if significant else _Shares(reference=head.prior, current=head.prior)
    mixed = shares.moved > MIN_MOVED and (shares.p_value is None or shares.p_value < alpha)
    differs = _retest(reference.labelled(), head, shares, retest, rng) if shifted else False
    label = _label(shares, alpha, shifted=shifted, differs=differs)
    ratio = shares.current / shares.reference if label.found else None
    concept, change = _concept(head, current, ratio, alpha)
    return Kinds(
        kinds=(_covariate(shifted, differs), label, concept),
        shares=_most_moved(head, shares) if shifted or mixed else (),
        accuracy_change=change,
    )


def _covariate(shifted: bool, differs: bool | None) -> ShiftKind:
    if not shifted:
        why = _ALIKE
    elif differs is None:
        why = f"fewer than {N_LEFT} reference rows are left of the current mix of classes"
    elif differs:
        why = "the mix of classes does not explain it"
    else:
        why = "the samples are not told apart once their classes are mixed alike"
    return ShiftKind(name="covariate", found=differs, because=why)


def _label(shares: _Shares, alpha: float, *, shifted: bool, differs: bool | None) -> ShiftKind:
    moved = f"{shares.moved:.0%} of the rows would need another class"
    if shares.p_value is not None:
        found = shares.p_value < alpha and shares.moved > MIN_MOVED
        new = (
            f"; {shares.unknown:.0%} have labels that the reference lacks or hardly has"
            if shares.unknown > 1e-9
            else ""
        )
        return ShiftKind(name="label", found=found, because=f"{moved}, counted ({chance(shares.p_value)}){new}")
    if not shifted and shares.moved > MIN_MOVED:
        why = f"{moved}, estimated; the contents tell the samples apart too little to be sure, labels would"
        return ShiftKind(name="label", found=None, because=why)
    if not shifted:
        return ShiftKind(name="label", found=False, because=_ALIKE)
    if differs is None or differs:
        return ShiftKind(
            name="label", found=None, because="beside other contents the mix of classes cannot be estimated"
        )
    return ShiftKind(name="label", found=True, because=f"{moved}, estimated")


def _count(head: Head, current: Sample, n_permutations: int, rng: np.random.Generator) -> _Shares:
    """Count the classes on both sides, those that the probe does not know as one; p by exact draws under one mix for both."""
    here, there = (_counts(sample, head.classes) for sample in (current, head.half))
    n, m = len(head.half), len(current)
    seen = np.abs(here / m - there / n).sum()
    drawn = rng.multivariate_hypergeometric(here + there, m, size=n_permutations)
    distances = np.abs(drawn / m - (here + there - drawn) / n).sum(axis=1)
    p_value = (1 + int((distances >= seen - 1e-12).sum())) / (1 + n_permutations)
    return _Shares(reference=head.prior * (1 - there[-1] / n), current=here[:-1] / m, p_value=p_value)


def _counts(sample: Sample, classes: npt.NDArray[np.str_]) -> npt.NDArray[np.int_]:
    """Return how many labelled rows are of each class, and last of any other."""
    known = np.isin(np.asarray(sample.labels), classes)
    places = np.where(known, np.searchsorted(classes, np.asarray(sample.labels)), len(classes))
    return np.bincount(places, minlength=len(classes) + 1)


def _estimate(head: Head) -> _Shares:
    check = estimate_prior_by_confusion(
        head.of_half[head.known].argmax(axis=1),
        head.labels,
        head.of_current.argmax(axis=1),
        n_classes=len(head.classes),
    )
    return _Shares(
        reference=head.prior, current=estimate_prior(head.calibrated(head.of_current), head.prior), cross_check=check
    )


def _retest(
    rows: Sample, head: Head, shares: _Shares, retest: Callable[[Sample], bool], rng: np.random.Generator
) -> bool | None:
    """Return whether reference rows of the current mix of classes still differ; None: too few are left of them.

    A mix that hardly moved explains nothing. Rows are thinned, never repeated: a row that stands twice would be told from
    current rows by its twin.
    """
    if shares.moved <= MIN_MOVED:
        return True
    rows = rows.take(np.flatnonzero(np.isin(np.asarray(rows.labels), head.classes)))
    labels = np.searchsorted(head.classes, np.asarray(rows.labels))
    weights = (shares.current / shares.reference)[labels]
    kept = np.flatnonzero(rng.random(len(weights)) < weights / max(float(weights.max()), 1e-12))
    return retest(rows.take(kept)) if len(kept) >= N_LEFT else None


def _concept(head: Head, current: Sample, ratio: Vector | None, alpha: float) -> tuple[ShiftKind, Estimate | None]:
    """Compare what labels follow from the contents; ``ratio`` is how much more frequent each class is now, None: not at all.

    Only calibrated probabilities may be multiplied by it: a probe that is too modest promises too much once classes are gone.
    """
    rows = (
        np.flatnonzero(np.isin(np.asarray(current.labels), head.classes))
        if current.labels is not None
        else np.empty(0, int)
    )
    n = min(len(rows), len(head.labels))
    if n < N_CONCEPT:
        why = f"not testable without {N_CONCEPT} labelled rows on each side; there are {n:,}"
        return ShiftKind(name="concept", found=None, because=why), None
    truth = np.searchsorted(head.classes, np.asarray(current.labels)[rows])
    before, now = head.of_half[head.known], head.of_current[rows]
    change = proportion_difference(now.argmax(axis=1) == truth, before.argmax(axis=1) == head.labels)
    if ratio is not None:
        before, now = head.calibrated(before), head.calibrated(now) * np.maximum(ratio, 1e-12) + 1e-24
        now /= now.sum(axis=1, keepdims=True)
    sides = ((p.max(axis=1), p.argmax(axis=1) == of) for p, of in ((before, head.labels), (now, truth)))
    p_value, away = concept_test(*sides)
    found = p_value < alpha and abs(away) > MIN_AWAY
    more = "more" if away > 0 else "less"
    why = f"a probe is right {abs(away) * 100:.1f} points {more} often than its confidence promises ({chance(p_value)})"
    return ShiftKind(name="concept", found=found, because=why), change


def _most_moved(head: Head, shares: _Shares) -> tuple[ClassShare, ...]:
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
