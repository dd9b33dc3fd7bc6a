"""How often each test of detect_shift, and the verdict over all, finds a difference, where there is none and where there is.

    python -m benchmarks.shift_levels [--runs 400]

Samples are made up: two classes two apart in 32 dimensions, as many labelled rows on both sides, 99 permutations, level .05. The
three tests stand alone, at their own level; the verdict is theirs after Holm's correction, once with the bound of size put out of
action and once with an AUC above .65 beside it. Label and concept are findings of their own. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from graft.recipe.schema import DetectShift
from graft.records import ShiftComparison
from graft.shift.compare import compare
from graft.shift.sample import Sample

D = 32
ALPHA = 0.05
MAX_AUC = 0.65


@dataclass(frozen=True)
class World:
    """What is true of the current rows: how far every feature moved, the share of the second class, of labels flipped."""

    name: str
    n: int
    delta: float = 0.0
    share: float = 0.5
    flipped: float = 0.0

    def draw(self, rng: np.random.Generator) -> tuple[Sample, Sample]:
        """Return reference and current rows."""
        return _draw(rng, World("", self.n)), _draw(rng, self)


def worlds() -> list[World]:
    """Return the truths that are tried."""
    found = [World("nothing", n) for n in (40, 100, 400)]
    found += [World(f"all features by {delta:g}", n, delta=delta) for delta in (0.05, 0.1, 0.2) for n in (40, 100, 400)]
    found += [World("second class .5 to .15", n, share=0.15) for n in (40, 100, 400)]
    found += [World("three of ten labels flipped", n, flipped=0.3) for n in (100, 400)]
    return found


def _draw(rng: np.random.Generator, world: World) -> Sample:
    y = rng.random(world.n) < world.share
    X = rng.normal(world.delta, 1, (world.n, D))
    X[:, 0] += np.where(y, 1.0, -1.0)
    y ^= rng.random(world.n) < world.flipped
    return Sample("rows", X.astype(np.float32), y.astype(int).astype(str))


def _below(name: str) -> Callable[[ShiftComparison], bool | None]:
    def find(one: ShiftComparison) -> bool | None:
        return next((test.p_value <= ALPHA for test in one.tests if test.name.startswith(name)), None)

    return find


def _kind(name: str) -> Callable[[ShiftComparison], bool | None]:
    return lambda one: next(kind.found for kind in one.kinds if kind.name == name)


COLUMNS: dict[str, Callable[[ShiftComparison], bool | None]] = {
    "classifier": _below("classifier"),
    "kernel": _below("kernel"),
    "KS": _below("class probabilities"),
    "verdict, any size": lambda one: one.p_value is not None and one.p_value < ALPHA,
    "verdict": lambda one: one.shifted and one.auc is not None and one.auc.value > MAX_AUC,
    "label": _kind("label"),
    "concept": _kind("concept"),
}


def measure(world: World, n_runs: int, seed: int) -> list[float]:
    """Return the share of runs in which each column is found; NaN where it could not be tested in any."""
    bounds = DetectShift(alpha=ALPHA, max_auc=0.5, n_permutations=99, max_rows=1000)
    rng = np.random.default_rng(seed)
    found = [compare("now", *world.draw(rng), bounds, rng=rng) for _ in range(n_runs)]
    rates = []
    for find in COLUMNS.values():
        answers = [answer for one in found if (answer := find(one)) is not None]
        rates.append(float(np.mean(answers)) if answers else np.nan)
    return rates


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=400)
    n_runs = parser.parse_args().runs
    print(_line(["what moved", "rows a side", *COLUMNS]))
    print(_line(["---"] * (2 + len(COLUMNS))))
    for world in worlds():
        rates = measure(world, n_runs, seed=world.n)
        print(
            _line([world.name, str(world.n), *("" if np.isnan(rate) else f"{rate:.3f}" for rate in rates)]), flush=True
        )


if __name__ == "__main__":
    main()
