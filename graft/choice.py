"""Which of several bases? Each is scored by what its frozen features know of the task, and one is taken for a reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from graft.records import Base, BaseRegret, BaseScore, Estimate
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
    neighbours, evidence = knn_accuracy(features, labels), logme(features, labels)
    C, hits = choose_C(features, labels, n_folds=n_folds, seed=seed)
    return Scored(C, hits, neighbours, evidence, None if theta is None else leep(theta, labels))


def rank(scored: Mapping[str, Scored], bases: Sequence[Base], forward: Mapping[str, float]) -> tuple[BaseScore, ...]:
    """Return the scores of the bases, the best probe first, each with how far it lies behind that one on the same rows.

    Args:
        forward: floating-point operations of one row by base, in 10^12.
    """
    known = {base.id: base for base in bases}
    order = sorted(scored, key=lambda one: (-int(scored[one].hits.sum()), forward[one], known[one].n_parameters, one))
    rng = np.random.default_rng(SEED)
    return tuple(
        BaseScore(
            base=one,
            accuracy=proportion(scored[one].hits),
            C=scored[one].C,
            n_parameters=known[one].n_parameters,
            licence=known[one].licence,
            behind=None if one == order[0] else _behind(scored[order[0]].hits, scored[one].hits, rng),
            knn=proportion(scored[one].neighbours.best),
            k=scored[one].neighbours.k,
            logme=round(scored[one].logme, 6),
            leep=None if scored[one].leep is None else round(float(scored[one].leep or 0), 6),
            tflops_forward=forward[one],
        )
        for one in order
    )


def _behind(best: npt.NDArray[np.bool_], hits: npt.NDArray[np.bool_], rng: np.random.Generator) -> Estimate:
    return paired_difference(best, hits, rng=rng, n_bootstrap=N_BOOTSTRAP)


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
    equals = [one for one in scores if one.behind is None or one.behind.ci_low <= 0]
    if len(scores) == 1:
        return best.base, "It is the only candidate that can be scored."
    if len(equals) == 1:
        return best.base, f"Its probe is right most often, and {_all_others(len(scores) - 1)} worse on the same rows."
    by_probe, by_neighbours, by_evidence = (
        {one.base: sum(read(other) > read(one) for other in equals) for one in equals}
        for read in (lambda one: one.accuracy.value, lambda one: one.knn.value, lambda one: one.logme)
    )
    sums = {one.base: by_probe[one.base] + by_neighbours[one.base] + by_evidence[one.base] for one in equals}
    taken = min(equals, key=lambda one: (sums[one.base], one.tflops_forward, -one.accuracy.value)).base
    told = f"The probe does not tell {len(equals)} bases apart"
    is_tied = list(sums.values()).count(sums[taken]) > 1
    if is_tied:
        return (
            taken,
            f"{told}; by probe, neighbours and evidence together it ties for the first place, at the least cost a row.",
        )
    return taken, f"{told}; by probe, neighbours and evidence together it comes first."


def _all_others(n: int) -> str:
    return "the other one is" if n == 1 else f"all {n} others are"


def regret(chosen: BaseScore, hits: Mapping[str, npt.NDArray[np.bool_]], *, n_bootstrap: int) -> BaseRegret:
    """Return what a choice was worth, by what was measured later.

    Args:
        hits: by candidate, whether its frozen probe is right on each test row; the chosen one among them.
    """
    best = max(hits, key=lambda one: (hits[one].sum(), one == chosen.base))
    rng = np.random.default_rng(SEED)
    lost = None
    if best != chosen.base:
        lost = paired_difference(hits[best], hits[chosen.base], rng=rng, n_bootstrap=n_bootstrap)
    return BaseRegret(
        base=chosen.base,
        promised=chosen.accuracy,
        measured={one: proportion(right) for one, right in hits.items()},
        best=best,
        regret=lost,
    )
