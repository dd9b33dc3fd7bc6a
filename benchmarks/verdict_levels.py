"""How often each verdict errs where the truth is known: the calibration of what decides over promotion.

    python -m benchmarks.verdict_levels [--runs 2000]

Models are made up: every test row has a difficulty, every model a skill, and rows are right by chance, so models agree on hard
rows as real ones do. A model's accuracy is the integral over difficulties, so the truth is known exactly. Prints a table: what is
true, test rows, the share of each verdict, and how many 95% intervals of the candidate's difference hold the truth.
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq

from graft.evaluation.baselines import CANDIDATE, CHAMPION, PROBE, SCRATCH, SCRATCH_NETWORK
from graft.evaluation.compare import champion_verdict, transfer_verdict
from graft.records import Estimate
from graft.stats import paired_difference

SPREAD = 2.0
MARGIN, ROPE = 0.04, 0.01
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(80)


@dataclass(frozen=True)
class World:
    """What is true: accuracy of each arm, and how many test rows there are."""

    name: str
    accuracy: dict[str, float]
    n: int


def worlds() -> list[World]:
    """Return the truths that verdicts are tried on: nothing gained, much gained, something lost, at few rows and at more."""
    found = []
    for n in (10, 30, 100, 300, 1000):
        same = {CANDIDATE: 0.8, SCRATCH: 0.8, SCRATCH_NETWORK: 0.8, PROBE: 0.8, CHAMPION: 0.8}
        found += [
            World("all alike", same, n),
            World(
                "all alike, no network from scratch",
                {arm: one for arm, one in same.items() if arm != SCRATCH_NETWORK},
                n,
            ),
            World("5 points over both from scratch", {**same, SCRATCH: 0.75, SCRATCH_NETWORK: 0.75}, n),
            World("5 points under one from scratch", {**same, SCRATCH_NETWORK: 0.85}, n),
            World("probe better by the margin", {**same, SCRATCH: 0.7, SCRATCH_NETWORK: 0.7, PROBE: 0.8 + MARGIN}, n),
            World("champion better by the margin", {**same, CHAMPION: 0.8 + MARGIN}, n),
            World("champion 8 points better", {**same, CHAMPION: 0.88}, n),
            World("champion 5 points worse", {**same, CHAMPION: 0.75}, n),
        ]
    return found


def draw_hits(accuracy: dict[str, float], n: int, rng: np.random.Generator) -> dict[str, npt.NDArray[np.bool_]]:
    """Return which of n rows each arm gets right."""
    difficulty = rng.normal(0, SPREAD, n)
    return {arm: rng.random(n) < chance(skill(share) - difficulty) for arm, share in accuracy.items()}


def differences(
    hits: dict[str, npt.NDArray[np.bool_]], rng: np.random.Generator, n_bootstrap: int = 2000
) -> dict[str, Estimate]:
    """Return candidate minus arm, as evaluate estimates it."""
    others = [arm for arm in hits if arm != CANDIDATE]
    return {arm: paired_difference(hits[CANDIDATE], hits[arm], rng=rng, n_bootstrap=n_bootstrap) for arm in others}


def judge(world: World, n_runs: int, rng: np.random.Generator) -> tuple[Counter[str], Counter[str], float]:
    """Return how often each transfer verdict and each champion verdict came out, and the share of intervals that cover."""
    transfer, champion, covered = Counter[str](), Counter[str](), 0
    for _ in range(n_runs):
        found = differences(draw_hits(world.accuracy, world.n, rng), rng)
        transfer[transfer_verdict(found, margin_probe=MARGIN, rope=ROPE)] += 1
        champion[champion_verdict(found[CHAMPION], margin=MARGIN)] += 1
        for arm, one in found.items():
            truth = world.accuracy[CANDIDATE] - world.accuracy[arm]
            covered += one.ci_low - 1e-9 <= truth <= one.ci_high + 1e-9
    return transfer, champion, covered / (n_runs * (len(world.accuracy) - 1))


def chance(logit: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the chance of being right at a surplus of skill over difficulty."""
    return 1 / (1 + np.exp(-logit))


@lru_cache(maxsize=4096)
def skill(accuracy: float) -> float:
    """Return the skill whose accuracy, over all difficulties, is this."""

    def surplus(skill: float) -> float:
        return float(_WEIGHTS @ chance(skill - SPREAD * _NODES) / _WEIGHTS.sum()) - accuracy

    return float(brentq(surplus, -20, 20))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=2000)
    n_runs = parser.parse_args().runs
    rng = np.random.default_rng(0)
    print(f"{'truth':34} {'rows':>5}  {'positive':>8} {'none':>6} {'negative':>8} {'undecided':>9}"
          f"  {'superior':>8} {'non-inf.':>8} {'inferior':>8} {'undecided':>9}  {'covered':>7}")  # fmt: skip
    for world in worlds():
        transfer, champion, covered = judge(world, n_runs, rng)
        t = [transfer[one] / n_runs for one in ("positive", "none", "negative", "undecided")]
        c = [champion[one] / n_runs for one in ("superior", "non_inferior", "inferior", "undecided")]
        print(
            f"{world.name:34} {world.n:5}  {t[0]:8.3f} {t[1]:6.3f} {t[2]:8.3f} {t[3]:9.3f}"
            f"  {c[0]:8.3f} {c[1]:8.3f} {c[2]:8.3f} {c[3]:9.3f}  {covered:7.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
