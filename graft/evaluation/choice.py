"""Which of several bases? Each is scored by what its frozen features know of the task, and one is taken for a reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from graft.records import Base, BaseRegret, BaseScore
from graft.stats import choose_C, knn_accuracy, leep, logme, paired_difference, proportion
from graft.stats.transferability import Neighbours

N_BOOTSTRAP = 10_000
SEED = 31_000
Features = npt.NDArray[np.float32]
Labels = npt.NDArray[np.str_]


@dataclass(frozen=True)
class Scored:
    """A base's scores on the sampled rows: the probe's penalty and out-of-fold hits, the neighbours' hits, evidence, head."""

    C: float
    hits: npt.NDArray[np.bool_]
    neighbours: Neighbours
    logme: float
    leep: float | None


def score_features(
    features: Features, labels: Labels, *, n_folds: int, seed: int, theta: Features | None = None
) -> Scored:
    """Return what frozen features know of a task.

    Args:
        features: shape (n, d), of the sampled training rows.
        labels: shape (n,); each class has at least two rows.
        theta: shape (n, classes of the base), what its own head says; None: it has none.

    Raises:
        ValueError: there is nothing to score: features that are not finite or all alike, one class; see ``graft.stats``.
    """
    neighbours, evidence = knn_accuracy(features, labels), logme(features, labels, with_intercept=True)
    C, hits = choose_C(features, labels, n_folds=n_folds, seed=seed)
    return Scored(C, hits, neighbours, evidence, None if theta is None else leep(theta, labels))


def rank(scored: Mapping[str, Scored], bases: Sequence[Base], forward: Mapping[str, float]) -> tuple[BaseScore, ...]:
    """Return the scores of the bases, the best probe first, each with how far it lies behind that one on the same rows.

    Args:
        forward: floating-point operations of one row by base, in 10^12.
    """
    known = {base.id: base for base in bases}
    order = sorted(
        scored,
        key=lambda candidate: (
            -int(scored[candidate].hits.sum()),
            forward[candidate],
            known[candidate].n_parameters,
            candidate,
        ),
    )
    rng = np.random.default_rng(SEED)
    return tuple(
        _score(known[candidate], scored[candidate], scored[order[0]], forward[candidate], rng) for candidate in order
    )


def _score(base: Base, own: Scored, best: Scored, tflops_forward: float, rng: np.random.Generator) -> BaseScore:
    return BaseScore(
        base=base.id,
        accuracy=proportion(own.hits),
        C=own.C,
        n_parameters=base.n_parameters,
        licence=base.licence,
        behind=None if own is best else paired_difference(best.hits, own.hits, rng=rng, n_bootstrap=N_BOOTSTRAP),
        knn=proportion(own.neighbours.best),
        k=own.neighbours.k,
        logme=round(own.logme, 6),
        leep=None if own.leep is None else round(own.leep, 6),
        tflops_forward=tflops_forward,
    )


def choose(scores: Sequence[BaseScore]) -> tuple[str, str]:
    """Return the base to take, and why, in a sentence.

    Where the paired interval tells every other base from the best probe, that one is taken. Those that it does not tell are
    ordered by all three scores together, the sum of their ranks by probe, neighbours and evidence (Borda's count): a base that
    knows nothing may have a lucky probe, and not three lucky scores. Equal sums: the base that takes fewer operations a row,
    then the better probe.

    Args:
        scores: as ``rank`` returns them, one at least.
    """
    best = scores[0]
    equals = [score for score in scores if score.behind is None or score.behind.ci_low <= 0]
    if len(scores) == 1:
        return best.base, "It is the only candidate that can be scored."
    if len(equals) == 1:
        return best.base, f"Its probe is right most often, and {_all_others(len(scores) - 1)} worse on the same rows."
    standings = (
        _standing(equals, lambda candidate: candidate.accuracy.value),
        _standing(equals, lambda candidate: candidate.knn.value if candidate.knn else 0.0),
        _standing(equals, lambda candidate: candidate.logme or 0.0),
    )
    sums = {score.base: sum(standing[score.base] for standing in standings) for score in equals}
    taken = min(
        equals, key=lambda candidate: (sums[candidate.base], candidate.tflops_forward or 0.0, -candidate.accuracy.value)
    ).base
    tie = f"The probe does not tell {len(equals)} bases apart; by probe, neighbours and evidence together {taken}"
    if list(sums.values()).count(sums[taken]) > 1:
        return taken, f"{tie} shares the first place, and no other there takes fewer operations a row."
    return taken, f"{tie} comes first."


def _standing(scores: Sequence[BaseScore], read: Callable[[BaseScore], float]) -> dict[str, int]:
    """Return by base how many others have a better score."""
    return {score.base: sum(read(other) > read(score) for other in scores) for score in scores}


def _all_others(n: int) -> str:
    return "the other one is" if n == 1 else f"all {n} others are"


def regret(chosen: BaseScore, hits: Mapping[str, npt.NDArray[np.bool_]], *, n_bootstrap: int) -> BaseRegret:
    """Return what a choice was worth, by what was measured later.

    Args:
        hits: by candidate, whether its frozen probe is right on each test row; the chosen one among them.
    """
    best = max(hits, key=lambda candidate: (hits[candidate].sum(), candidate == chosen.base))
    rng = np.random.default_rng(SEED)
    lost = None
    if best != chosen.base:
        lost = paired_difference(hits[best], hits[chosen.base], rng=rng, n_bootstrap=n_bootstrap)
    return BaseRegret(
        base=chosen.base,
        promised=chosen.accuracy,
        measured={candidate: proportion(right) for candidate, right in hits.items()},
        best=best,
        regret=lost,
    )
