"""What the champion itself says of a batch: rows of no class, how sure it is, and the probabilities of its classes.

What it says is compared with what it said of test rows that it was not trained on: of its training rows it is too sure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from graft.records import Estimate, ShiftKind
from graft.shift.head import Head
from graft.shift.held_out import HeldOut, halved
from graft.shift.sample import Sample
from graft.shift.wording import chance
from graft.stats.foreign import Foreign, foreign_share
from graft.stats.univariate import ks_test

MIN_UNKNOWN, MIN_FALL, MIN_DISTANCE = 0.01, 0.05, 0.1
"""Sizes that matter: share of rows of no class, by its interval's lower end; fall of the mean confidence; share of the rows
that lie on another side of some probability of some class."""
N_MIN = 20
"""Test rows that the champion's answers are compared with at least."""
N_SHOWN = 100
UNKNOWN, CONFIDENCE, PROBABILITIES = "rows of no class", "confidence, fall", "class probabilities, KS"
"""The tests of what a champion says, by name."""
Vector = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Answers:
    """What the champion says of held-out rows and of a batch's, as a head and with how near each row lies to what it learned."""

    head: Head
    before: Vector
    now: Vector


@dataclass(frozen=True)
class AnswerTests:
    """Statistic and p by the name of each test, and what decides the kinds.

    ``foreign`` is None where every row has the label of a known class. ``order``: the other rows of the batch, strangest first.
    """

    tests: Mapping[str, tuple[float, float]]
    foreign: Foreign | None
    fall: Estimate
    order: npt.NDArray[np.int_]


def answers(
    held_out: HeldOut, classes: tuple[str, ...], probabilities: npt.NDArray[np.float32], near: Vector
) -> Answers:
    """Return the champion's answers to a batch beside those to held-out rows.

    Args:
        classes: of the columns of the probabilities.
        probabilities: shape (rows of the batch, classes).
        near: shape (rows of the batch,), as ``graft.shift.held_out.nearness`` gives it.
    """
    order = np.argsort(np.array(classes, dtype=str), kind="stable")
    half = Sample("test rows", np.empty((len(held_out.labels), 0), dtype=np.float32), held_out.labels)
    head = Head(
        classes=np.array(classes, dtype=str)[order],
        half=half,
        of_half=held_out.probabilities[:, order],
        of_current=halved(probabilities)[:, order],
    )
    return Answers(head, held_out.nearness, near)


def answer_tests(
    given: Answers, labels: npt.NDArray[np.str_] | None, *, n_permutations: int, rng: np.random.Generator
) -> AnswerTests:
    """Test what the champion says of a batch against what it says of held-out rows.

    A row that has the label of a known class belongs to that class, whatever the champion says of it: rows of no class are looked
    for among the others.

    A row is strange where the champion is unsure of it and where it lies far from what it learned: the product of its two ranks
    among all rows. Confidence alone misses rows of another world that happen to be answered with confidence, distance alone
    those that lie between the classes.

    Assumes: the batch's known rows are exchangeable with the test rows: rows set aside by hash are, rows split by time or whole
        groups only as far as nothing moved in between.
    Checked against: planted foreign rows, tests/statistical/test_monitor.py and docs/experiments.md.
    """
    sides = given.head.of_half.max(axis=1), given.head.of_current.max(axis=1)
    fall = mean_fall(*sides)
    distance, p_distance = ks_test(given.head.of_half, given.head.of_current)
    tests = {
        CONFIDENCE: (fall.value, _p_fall(*sides, n_permutations=n_permutations, rng=rng)),
        PROBABILITIES: (distance, p_distance),
    }
    rows = np.arange(len(sides[1])) if labels is None else np.flatnonzero(~np.isin(labels, given.head.classes))
    m = len(rows)
    if not m:
        return AnswerTests(tests, None, fall, rows)
    pairs = ((sides[0], sides[1][rows]), (given.before, given.now[rows]))
    ranks = [stats.rankdata(np.concatenate([now, before])) for before, now in pairs]
    strange = np.log(ranks[0]) + np.log(ranks[1])
    foreign = foreign_share(strange[m:], strange[:m], rng=rng, n_permutations=n_permutations)
    tests[UNKNOWN] = foreign.share.value, foreign.p_value
    return AnswerTests(tests, foreign, fall, rows[np.argsort(strange[:m], kind="stable")])


def mean_fall(before: Vector, now: Vector) -> Estimate:
    """Return by how much the mean fell, with Welch's interval."""
    fall = float(before.mean() - now.mean())
    spread = [float(side.var(ddof=1)) / len(side) if len(side) > 1 else 1.0 for side in (before, now)]
    half = float(stats.norm.ppf(0.975) * np.sqrt(sum(spread)))
    n = min(len(before), len(now))
    return Estimate(value=fall, ci_low=fall - half, ci_high=fall + half, n=n, method="Welch", unit="points")


def _p_fall(before: Vector, now: Vector, *, n_permutations: int, rng: np.random.Generator) -> float:
    """Return p of the mean not having fallen, by permutation."""
    pooled, m = np.concatenate([now, before]), len(now)
    total, n_as_low = now.sum(), 0
    for _ in range(n_permutations):
        rng.shuffle(pooled)
        n_as_low += bool(pooled[:m].sum() <= total + 1e-9 * m)
    return (1 + n_as_low) / (1 + n_permutations)


def answer_kinds(
    tested: AnswerTests, before: float, now: float, adjusted: Mapping[str, float], alpha: float
) -> tuple[ShiftKind, ...]:
    """Return the three kinds: each found where it is significant at the level and beyond its own bound.

    Args:
        before, now: mean confidence.
        adjusted: p-values by Holm over all tests of the comparison, by name.
    """
    fall, distance = tested.fall.value, tested.tests[PROBABILITIES][0]

    def kind(name: str, test: str, is_large: bool, bound: float, because: str, size: Estimate | None) -> ShiftKind:
        p_value = adjusted[test]
        facts = {"p_value": p_value, "significant": p_value < alpha, "bound": bound, "size": size}
        found = {"name": name, "found": p_value < alpha and is_large, "because": f"{because} ({chance(p_value)})"}
        return ShiftKind.model_validate({**found, **facts})

    if tested.foreign is None:
        unknown = ShiftKind(
            name="unknown", found=False, because="every row has the label of a class that the champion knows"
        )
    else:
        share = tested.foreign.share
        least = (
            f"at least {round(share.ci_low * share.n):,} of {share.n:,} rows belong to no class that the champion knows"
        )
        unknown = kind("unknown", UNKNOWN, share.ci_low >= MIN_UNKNOWN, MIN_UNKNOWN, least, share)
    return (
        unknown,
        kind(
            "confidence", CONFIDENCE, fall >= MIN_FALL, MIN_FALL,
            f"mean confidence {before:.1%}, now {now:.1%}", tested.fall,
        ),
        kind(
            "probabilities", PROBABILITIES, distance >= MIN_DISTANCE, MIN_DISTANCE,
            f"up to {distance:.0%} of the rows moved, in one class", None,
        ),
    )  # fmt: skip


def not_testable(because: str) -> ShiftKind:
    """Return that nothing can be said of rows of no class, and why."""
    return ShiftKind(name="unknown", found=None, because=because)
