"""Does quality sink a margin at a time? Candidates that are each a little worse than the champion, for 100 rounds.

    python -m benchmarks.ratchet [--histories 200]

Models are made up as in ``verdict_levels``, so the truth is known. A round trains one candidate and decides as a run does. Rules:
``before``, against the champion in force alone, as in 0.1; ``plain``, against the best champion so far too, at the same level;
``now``, at a level that rises with the candidates that were compared with the best.

Test rows: ``fresh`` ones each round; the ``same``, which are worn after ten uses; ``growing``, a tenth more each round.
Prints for each how often the loss against the best champion exceeded one margin at any time, where each candidate is half a
margin worse than the champion, and the mean of the largest loss; how many of 100 candidates were promoted that are as good; and
how often one was that is better by a margin.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from benchmarks.verdict_levels import SPREAD, chance, skill
from graft.evaluation.compare import champion_verdict
from graft.evaluation.reuse import level_after, level_against_best
from graft.stats import paired_difference

MARGIN, N_ROUNDS, MAX_USES, FIRST = 0.02, 100, 10, 0.8
N_BOOTSTRAP = 1000
Hits = npt.NDArray[np.bool_]
Rule = Literal["before", "plain", "now"]
RULES: tuple[Rule, ...] = ("before", "plain", "now")


@dataclass
class Model:
    """A model by its true accuracy, and which of the test rows it gets right."""

    accuracy: float
    hits: Hits = field(default_factory=lambda: np.zeros(0, dtype=bool))


@dataclass(frozen=True)
class Outcome:
    """Of one history: the largest loss of true accuracy against the best champion so far, and rounds that promoted."""

    loss: float
    n_promoted: int


def history(
    step: float, n: int, rows: str, *, rule: Rule = "now", n_rounds: int = N_ROUNDS, rng: np.random.Generator
) -> Outcome:
    """Return what comes of rounds whose candidate is better than the champion by ``step``."""
    champion = best = Model(FIRST)
    n_compared = n_promoted = 0
    highest, loss = FIRST, 0.0
    for difficulty, n_looks in _tests(n, rows, n_rounds, rng):
        for known in {id(model): model for model in (champion, best)}.values():
            if rows == "fresh":
                known.hits = known.hits[:0]
            known.hits = np.append(known.hits, _hits(known.accuracy, difficulty[len(known.hits) :], rng))
        candidate = Model(max(0.05, champion.accuracy + step))
        candidate.hits = _hits(candidate.accuracy, difficulty, rng)
        verdict = _verdict(candidate, champion, level_after(n_looks), rng)
        against_best = verdict
        if rule != "before" and best is not champion:
            level = level_against_best(n_looks, n_compared if rule == "now" else 0)
            against_best = _verdict(candidate, best, level, rng)
            n_compared += 1
        if {verdict, against_best} <= {"superior", "non_inferior"}:
            champion, n_promoted = candidate, n_promoted + 1
            if against_best == "superior":
                best, n_compared = candidate, 0
            highest = max(highest, champion.accuracy)
            loss = max(loss, highest - champion.accuracy)
    return Outcome(loss, n_promoted)


def histories(
    step: float, n: int, rows: str, *, n_histories: int, rule: Rule = "now", n_rounds: int = N_ROUNDS
) -> list[Outcome]:
    """Return what comes of many histories, a seed each."""
    return [
        history(step, n, rows, rule=rule, n_rounds=n_rounds, rng=np.random.default_rng(seed))
        for seed in range(n_histories)
    ]


def _verdict(candidate: Model, other: Model, level: float, rng: np.random.Generator) -> str:
    difference = paired_difference(candidate.hits, other.hits, rng=rng, n_bootstrap=N_BOOTSTRAP, level=level)
    return champion_verdict(difference, margin=MARGIN)


def _tests(n: int, rows: str, n_rounds: int, rng: np.random.Generator) -> Iterator[tuple[npt.NDArray[np.float64], int]]:
    """Yield the difficulty of each round's test rows, and how often they were used before."""
    difficulty = rng.normal(0, SPREAD, n)
    ages = np.zeros(n)
    for k in range(n_rounds if rows != "same" else min(n_rounds, MAX_USES)):
        if rows == "fresh":
            difficulty = rng.normal(0, SPREAD, n)
        elif rows == "growing" and k:
            difficulty = np.append(difficulty, rng.normal(0, SPREAD, n // 10))
            ages = np.append(ages, np.zeros(n // 10))
        yield difficulty, 0 if rows == "fresh" else math.ceil(ages.mean())
        ages += 1


def _hits(accuracy: float, difficulty: npt.NDArray[np.float64], rng: np.random.Generator) -> Hits:
    return np.asarray(rng.random(len(difficulty)) < chance(skill(accuracy) - difficulty))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--histories", type=int, default=200)
    n_histories = parser.parse_args().histories
    print(
        f"{'rows':8} {'n':>6}  {'rule':8}  {'loss > margin':>13} {'mean loss':>9}  {'as good: promoted':>17}  better: promoted"
    )
    for rows in ("fresh", "same", "growing"):
        for n in (343, 1000, 10_000, 30_000):
            most = n_histories if n <= 1000 else max(20, n_histories // 10)
            for rule in RULES:
                worse, equal, better = (
                    histories(step, n, rows, n_histories=most, rule=rule, n_rounds=n_rounds)
                    for step, n_rounds in ((-MARGIN / 2, N_ROUNDS), (0.0, N_ROUNDS), (MARGIN, 1))
                )
                exceeded = np.mean([one.loss > MARGIN + 1e-9 for one in worse])
                loss = np.mean([one.loss for one in worse]) * 100
                promoted = np.mean([one.n_promoted for one in equal])
                power = np.mean([one.n_promoted for one in better])
                print(
                    f"{rows:8} {n:6}  {rule:8}  {exceeded:13.3f} {loss:9.1f}  {promoted:17.1f}  {power:.2f}", flush=True
                )


if __name__ == "__main__":
    main()
