"""What kind of shift is it: other contents, another mix of classes, or other labels for the same contents?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from graft.records import ClassShare, Estimate, ShiftKind
from graft.shift.head import Head
from graft.shift.mix import (
    MIN_MOVED,
    N_LEFT,
    Shares,
    compare_answers,
    count,
    estimate,
    most_moved,
    thin,
)
from graft.shift.sample import Sample
from graft.shift.wording import chance
from graft.stats.accuracy import proportion_difference
from graft.stats.concept import concept_test

N_CONCEPT = 100
"""Labelled rows that a side needs before anything is said of its labels."""
MIN_AWAY = 0.05
"""Accuracy by which answers must differ from what their confidence promises for a concept shift."""
MIX, CONCEPT = "mix of classes", "answers against confidence"
"""The tests of labels, by name."""
_ALIKE = "no difference beyond the bounds"


@dataclass(frozen=True)
class Labels:
    """What labels, or a classifier's answers in their place, say before the level is shared out among all tests.

    Args:
        tests: p by the name of a test that could be made.
        shares: of the classes, where they were counted.
        away: how much more often answers are right than their confidence promises.
        because: why the concept could not be tested.
    """

    tests: Mapping[str, float]
    shares: Shares | None = None
    away: float = 0.0
    change: Estimate | None = None
    because: str = ""

    def size(self, test: str) -> float:
        """Return the statistic of a test: rows that moved, or accuracy gone astray."""
        return self.away if test == CONCEPT else self.shares.moved if self.shares else 0.0


@dataclass(frozen=True)
class Kinds:
    """The three types of shift, and the evidence for each."""

    kinds: tuple[ShiftKind, ...]
    shares: tuple[ClassShare, ...] = ()
    accuracy_change: Estimate | None = None


def weigh_labels(
    head: Head | None, current: Sample, *, alpha: float, is_model: bool, n_permutations: int, rng: np.random.Generator
) -> Labels:
    """Test the mix of classes and what labels follow from the contents, as far as there are labels.

    Args:
        is_model: the head is the model that is in use, not a probe: the classes that it answers stand in for labels.
    """
    if head is None:
        return Labels({})
    with_labels = current.labelled()
    tests: dict[str, float] = {}
    shares: Shares | None = None
    if len(with_labels) >= N_CONCEPT:
        shares, tests[MIX] = count(head, with_labels, n_permutations, rng)
    elif is_model:
        tests[MIX] = compare_answers(head, n_permutations, rng)
    is_new_mix = shares is not None and shares.moved > MIN_MOVED and tests[MIX] < alpha
    ratio = shares.current / shares.reference if shares is not None and is_new_mix else None
    known = np.isin(np.asarray(current.labels), head.classes) if current.labels is not None else np.zeros(0, dtype=bool)
    rows = np.flatnonzero(known)
    n = min(len(rows), len(head.labels))
    if n < N_CONCEPT:
        why = f"not testable without {N_CONCEPT} labelled rows on each side; there are {n:,}"
        return Labels(tests, shares, because=why)
    truth = np.searchsorted(head.classes, np.asarray(current.labels)[rows])
    before, now = head.of_half[head.known], head.of_current[rows]
    change = proportion_difference(now.argmax(axis=1) == truth, before.argmax(axis=1) == head.labels)
    if ratio is not None:  # only calibrated probabilities may be multiplied: a modest probe would promise too much
        before, now = head.calibrated(before), head.calibrated(now) * np.maximum(ratio, 1e-12) + 1e-24
        now /= now.sum(axis=1, keepdims=True)
    sides = ((p.max(axis=1), p.argmax(axis=1) == of) for p, of in ((before, head.labels), (now, truth)))
    tests[CONCEPT], away = concept_test(*sides)
    return Labels(tests, shares, away, change)


def classify_shift(
    reference: Sample,
    head: Head | None,
    labels: Labels,
    adjusted: Mapping[str, float],
    *,
    significant: bool,
    shifted: bool,
    is_mixed: bool,
    retest: Callable[[Sample], bool],
    alpha: float,
    rng: np.random.Generator,
) -> Kinds:
    """Tell covariate, label and concept shift apart, as far as the rows allow.

    The mix of classes is counted where the current rows have labels, and estimated by EM otherwise. Reference rows are then drawn
    so that their mix is the current one: what no longer differs was a label shift; what still does is a shift of the contents.
    The concept is compared on labelled rows alone; without labels it is not testable, whatever else was found.

    Args:
        head: a probe of half of the reference, or the model in use; None: the reference has too few labels.
        adjusted: p-values by Holm over all tests of the comparison, by name.
        significant: whether any test finds a difference, however small.
        shifted: the verdict of the tests of the contents: significant, and large.
        is_mixed: rows of no class were found among the current ones, so that a mix cannot be estimated.
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
    shares = labels.shares or (estimate(head) if significant else Shares(reference=head.prior, current=head.prior))
    differs = _retest(reference.labelled(), head, shares, retest, rng) if shifted else False
    p_mix, p_concept = adjusted.get(MIX), adjusted.get(CONCEPT)
    label = _label(shares, p_mix, alpha, shifted=shifted, differs=differs, is_mixed=is_mixed)
    concept = ShiftKind(name="concept", found=None, because=labels.because)
    if p_concept is not None:
        more = "more" if labels.away > 0 else "less"
        concept = ShiftKind(
            name="concept",
            found=p_concept < alpha and abs(labels.away) > MIN_AWAY,
            because=f"answers are right {abs(labels.away) * 100:.1f} points {more} often than their confidence promises "
            f"({chance(p_concept)})",
            p_value=p_concept,
            significant=p_concept < alpha,
            bound=MIN_AWAY,
        )
    return Kinds(
        kinds=(_covariate(shifted, differs), label, concept),
        shares=most_moved(head, shares) if shifted or label.found or (significant and shares.moved > MIN_MOVED) else (),
        accuracy_change=labels.change,
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


def _label(
    shares: Shares, p_value: float | None, alpha: float, *, shifted: bool, differs: bool | None, is_mixed: bool
) -> ShiftKind:
    moved = f"{shares.moved:.0%} of the rows would need another class"
    facts = {
        "p_value": p_value,
        "significant": None if p_value is None else p_value < alpha,
        "bound": None if p_value is None else MIN_MOVED,
    }

    def kind(found: bool | None, because: str) -> ShiftKind:
        return ShiftKind.model_validate({"name": "label", "found": found, "because": because, **facts})

    if p_value is not None and shares.is_counted:
        new = (
            f"; {shares.unknown:.0%} have labels that the reference lacks or hardly has"
            if shares.unknown > 1e-9
            else ""
        )
        found = p_value < alpha and shares.moved > MIN_MOVED
        return kind(found, f"{moved}, counted ({chance(p_value)}){new}")
    if is_mixed or (shifted and (differs is None or differs)):
        return kind(None, "beside other contents the mix of classes cannot be estimated")
    if p_value is not None:
        if p_value >= alpha and not shifted:
            return kind(False, f"classes are answered as often as before ({chance(p_value)})")
        found = shares.moved > MIN_MOVED
        return kind(found, f"{moved}, estimated ({chance(p_value)})")
    if not shifted and shares.moved > MIN_MOVED:
        return kind(
            None, f"{moved}, estimated; the contents tell the samples apart too little to be sure, labels would"
        )
    return kind(shifted, f"{moved}, estimated" if shifted else _ALIKE)


def _retest(
    rows: Sample, head: Head, shares: Shares, retest: Callable[[Sample], bool], rng: np.random.Generator
) -> bool | None:
    """Return whether reference rows of the current mix of classes still differ; None: too few are left of them.

    A mix that hardly moved explains nothing.
    """
    if shares.moved <= MIN_MOVED:
        return True
    thinned = thin(rows, head, shares, rng)
    return None if thinned is None else retest(thinned)
