"""Compares two samples in the base's space."""

from __future__ import annotations

from functools import partial

import numpy as np
import numpy.typing as npt

from graft.recipe.schema import DetectShift
from graft.records import ShiftComparison, ShiftKind, ShiftTest
from graft.shift.champion import N_SHOWN, PROBABILITIES, Answers, AnswerTests, answer_kinds, answer_tests
from graft.shift.head import Head, fit_head
from graft.shift.sample import Sample
from graft.shift.shift_types import classify_shift, weigh_labels
from graft.shift.wording import chance
from graft.stats.mmd import mmd_test
from graft.stats.twosample import TwoSample, two_sample_test
from graft.stats.univariate import holm, ks_test

N_MIN = 10
N_MOST_SHIFTED = 5
N_POINTS = 100
LARGEST = 1e15
"""Beyond it products of single precision overflow; no base that works says such a thing."""


def compare(
    name: str,
    reference: Sample,
    current: Sample,
    bounds: DetectShift,
    *,
    rng: np.random.Generator,
    champion: Answers | None = None,
) -> ShiftComparison:
    """Compare two samples: a kind of shift is found only if it is significant *and* large, by a bound of its own.

    A classifier that tells the samples apart and the kernel discrepancy look at the contents; where there are labels, their mix
    and whether they follow from the contents as before are tested too. The classes' probabilities come from a probe of half of
    the reference and count among the contents, or from the champion. Then they are a kind of their own, beside its confidence
    and the share of rows that belong to no class. With many rows every trifle is significant, with few a large effect is
    chance; a verdict that needs both is the same at 1,000 and at 100,000 rows.

    Args:
        bounds: the classifier sees at most ``max_rows`` rows of each side, drawn at random; the other tests see all.
        champion: what the model in use says of rows it was not trained on, and of the current ones.

    Returns:
        the comparison; ``shifted`` is None, with the reason, where nothing can be tested.

    Assumes: rows independent; the base's space shows what matters of the contents.
    Error: of any kind being found where nothing shifted: at most ``alpha``, by Holm over all tests that were made.
    Cost: linear in the rows; 1,000 + 1,000 rows of width 384 with 999 permutations: about 1 s.
    """
    reason = _unfit(reference, current)
    if reason:
        return ShiftComparison(
            name=name, reference=reference.name, current=current.name, auc=None, shifted=None, because=reason
        )
    drawn, n_made = (reference.draw(bounds.max_rows, rng), current.draw(bounds.max_rows, rng)), bounds.n_made
    classifier = two_sample_test(drawn[0].features, drawn[1].features, rng=rng, n_permutations=n_made)
    head = champion.head if champion else fit_head(reference, current, max_rows=bounds.max_rows, rng=rng)
    tests, n_contents = _tests(classifier, reference, current, None if champion else head, bounds, rng)
    labels = weigh_labels(head, current, alpha=bounds.alpha, is_model=bool(champion), n_permutations=n_made, rng=rng)
    answered = answer_tests(champion, current.labels, n_permutations=n_made, rng=rng) if champion else None
    tests += [(test, labels.size(test), p) for test, p in labels.tests.items()]
    tests += [(test, *found) for test, found in answered.tests.items()] if answered else []
    adjusted = holm([p for *_, p in tests])
    by_name = {test: p for (test, *_), p in zip(tests, adjusted, strict=True)}
    p_value = min(adjusted[:n_contents])
    shifted = p_value < bounds.alpha and classifier.auc.value > bounds.max_auc
    champion_kinds = _champion_kinds(champion, answered, by_name, bounds.alpha)
    label_kinds = classify_shift(
        reference,
        head,
        labels,
        by_name,
        significant=min(adjusted) < bounds.alpha,
        shifted=shifted,
        is_mixed=any(kind.name == "unknown" and kind.found for kind in champion_kinds),
        retest=partial(_differs, current=current, bounds=bounds, rng=rng),
        alpha=bounds.alpha,
        rng=rng,
    )
    covariate = label_kinds.kinds[0].model_copy(
        update={
            "p_value": p_value,
            "significant": p_value < bounds.alpha,
            "size": classifier.auc,
            "bound": bounds.max_auc,
        }
    )
    kinds = (covariate, *label_kinds.kinds[1:], *champion_kinds)
    most = np.argsort(-classifier.scores, kind="stable")[:N_MOST_SHIFTED]
    return ShiftComparison(
        name=name,
        reference=reference.name,
        current=current.name,
        auc=classifier.auc,
        p_value=p_value,
        n_permutations=n_made,
        shifted=shifted,
        because=_reason(p_value, bounds.alpha, classifier.auc.value, bounds.max_auc),
        most_shifted=tuple(drawn[1].rows[i] for i in most) if shifted and drawn[1].rows else (),
        tests=tuple(
            ShiftTest(name=test, statistic=statistic, p_value=p, p_adjusted=p_adjusted)
            for (test, statistic, p), p_adjusted in zip(tests, adjusted, strict=True)
        ),
        kinds=kinds,
        shares=label_kinds.shares,
        accuracy_change=label_kinds.accuracy_change,
        unknown_rows=_unknown_rows(answered, current, kinds),
        advice=_advice(kinds),
        points=_points(classifier, drawn[0].features, drawn[1].features),
    )


def _champion_kinds(
    champion: Answers | None, answered: AnswerTests | None, adjusted: dict[str, float], alpha: float
) -> tuple[ShiftKind, ...]:
    """Return the kinds that a champion's answers tell."""
    if champion is None or answered is None:
        return ()
    before, now = (float(of.max(axis=1).mean()) for of in (champion.head.of_half, champion.head.of_current))
    return answer_kinds(answered, before, now, adjusted, alpha)


def _unknown_rows(answered: AnswerTests | None, current: Sample, kinds: tuple[ShiftKind, ...]) -> tuple[str, ...]:
    """Return the rows of no class where such were found: as many as stand out, the most certain first."""
    is_found = any(kind.name == "unknown" and kind.found for kind in kinds)
    if answered is None or answered.foreign is None or not current.rows or not is_found:
        return ()
    n = min(N_SHOWN, round(answered.foreign.share.value * len(answered.order)))
    return tuple(current.rows[i] for i in answered.order[:n])


def _unfit(reference: Sample, current: Sample) -> str:
    """Return why two samples cannot be compared; empty if they can."""
    fewest = min(len(reference), len(current))
    if fewest < N_MIN:
        return f"{fewest} rows on one side; {N_MIN} are needed"
    if reference.features.shape[1] != current.features.shape[1]:
        return "the samples lie in spaces of different width"
    if not reference.features.shape[1]:
        return "the features have no columns"
    for sample in (reference, current):
        low, high = sample.features.min(axis=1), sample.features.max(axis=1)
        wrong = len(sample) - int(((low > -LARGEST) & (high < LARGEST)).sum())
        if wrong:
            return f"{wrong:,} of {sample.name} have features that are no numbers, or too large for any"
    if np.ptp(reference.features, axis=0).max() == 0 and np.ptp(current.features, axis=0).max() == 0:
        return "all rows of each side have the same features"
    return ""


def _tests(
    classifier: TwoSample,
    reference: Sample,
    current: Sample,
    probe: Head | None,
    bounds: DetectShift,
    rng: np.random.Generator,
) -> tuple[list[tuple[str, float, float]], int]:
    """Return name, statistic and p of each test of the contents, and how many these are."""
    kernel = mmd_test(reference.features, current.features, rng=rng, n_permutations=bounds.n_made)
    found = [
        ("classifier, AUC", classifier.auc.value, classifier.p_value),
        ("kernel, MMD²", kernel.value, kernel.p_value),
    ]
    if probe is not None:
        found.append((PROBABILITIES, *ks_test(probe.of_half, probe.of_current)))
    return found, len(found)


def _differs(reference: Sample, *, current: Sample, bounds: DetectShift, rng: np.random.Generator) -> bool:
    """Return whether a sample of the reference differs from the current rows, by the classifier alone."""
    left, right = reference.draw(bounds.max_rows, rng), current.draw(bounds.max_rows, rng)
    found = two_sample_test(left.features, right.features, rng=rng, n_permutations=bounds.n_made)
    return found.p_value < bounds.alpha and found.auc.value > bounds.max_auc


def _reason(p_value: float, alpha: float, auc: float, max_auc: float) -> str:
    if p_value >= alpha:
        return f"no difference found: {chance(p_value)} is not below {alpha:g}"
    if auc <= max_auc:
        return f"a small difference: {chance(p_value)} is below {alpha:g}, the AUC {auc:.3f} is not above {max_auc:g}"
    return (
        f"a difference, and a large one: {chance(p_value)} is below {alpha:g}, the AUC {auc:.3f} is above {max_auc:g}"
    )


def _advice(kinds: tuple[ShiftKind, ...]) -> str:
    """Return what to do, one sentence."""
    found = {kind.name for kind in kinds if kind.found}
    if "unknown" in found:
        return "Read the rows of no class: give them a class of their own, label them and add them, or keep them out."
    if "covariate" in found:
        more = " On them the model is less right than it looks." if "concept" in found else ""
        return f"Label some of the rows that stand out, add them and run again.{more}"
    if "concept" in found:
        return "Read the rows that are answered wrongly: labels may have a new meaning, and only new labels teach it."
    if "label" in found:
        return "Add rows of the classes that grew, or weigh classes by their new share."
    if found & {"confidence", "probabilities"}:
        return "Label a sample of the batch, add it and run again: the champion is less sure of such rows, or answers otherwise."
    if any(kind.name == "covariate" and kind.found is None for kind in kinds):
        return "Look at the rows that stand out; labels would say whether it matters."
    return ""


def _points(
    classifier: TwoSample, reference: npt.NDArray[np.float32], current: npt.NDArray[np.float32]
) -> tuple[tuple[tuple[float, float], ...], tuple[tuple[float, float], ...]]:
    """Return places of some rows: how unlike the reference each is, out of fold, and along the first component of all rows."""
    both = np.concatenate([reference, current]).astype(np.float64)
    both -= both.mean(axis=0)
    _, vectors = np.linalg.eigh(both.T @ both)
    first = vectors[:, -1] * np.sign(vectors[np.abs(vectors[:, -1]).argmax(), -1])
    up = both @ first
    scores = classifier.reference_scores, classifier.scores
    heights = up[: len(reference)], up[len(reference) :]
    left, right = (
        tuple((round(float(x), 3), round(float(y), 3)) for x, y in zip(xs[:N_POINTS], ys[:N_POINTS], strict=True))
        for xs, ys in zip(scores, heights, strict=True)
    )
    return left, right
