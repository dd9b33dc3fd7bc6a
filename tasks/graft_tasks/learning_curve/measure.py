"""curve: how many rows does transfer save? Every arm at every size, measured on the test rows of a run, cell by cell."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from graft.errors import InputError
from graft.evaluation.baselines import SCRATCH_NETWORK
from graft.learning_curve import grid, learners
from graft.learning_curve.grid import RATE_TRIAL, TRANSFER, Size
from graft.model.checkpoint import surroundings
from graft.model.encoder import Progress
from graft.model.scratch import RATES_FROM_SCRATCH, epochs_from_scratch
from graft.records import sweep
from graft_tasks.learning_curve.cells import Cell, CellKey, Cells, pack
from graft_tasks.learning_curve.setup import Subject, subject_of
from graft_tasks.processes.locks import hold
from graft_tasks.recipe_handle import RecipeHandle
from graft_tasks.steps.cost import Meter, rates
from graft_tasks.workspace import Workspace

FRACTION_HELD_OUT = 0.2
"""Share of the training rows by which the learning rate of ``scratch_network`` is chosen."""
_LEARN: dict[str, Callable[..., learners.Learned]] = {
    "transfer": learners.transfer,
    "frozen_probe": learners.frozen_probe,
    "scratch": learners.scratch,
    "scratch_network": learners.scratch_network,
    "random_encoder": learners.random_encoder,
    "shuffled_labels": learners.shuffled_labels,
}


@dataclass(frozen=True)
class Wanted:
    """What is to be measured: arms, sizes, for some arms sizes of their own, and how often each cell is drawn."""

    arms: tuple[str, ...] = grid.ARMS
    sizes: tuple[Size, ...] = (*grid.SIZES, None)
    draws: int = 10
    costly_draws: int = 3
    own_sizes: Mapping[str, tuple[Size, ...]] = field(default_factory=dict)

    def check(self) -> None:
        """Check what a person asked for.

        Raises:
            InputError: there is no such arm, or too few draws for an interval.
        """
        unknown = [arm for arm in self.arms if arm not in grid.ARMS]
        if unknown or not self.arms:
            what = f"A curve has no arm {unknown[0]}." if unknown else "A curve needs an arm."
            raise InputError(what, do=f"arms: {', '.join(grid.ARMS)}")
        if min(self.draws, self.costly_draws) < 2:
            raise InputError("An interval over draws needs two draws of each cell.", do="--draws 10 --costly-draws 3")

    def n_draws(self, arm: str, strategy: str) -> int:
        """Return how often an arm is drawn at each size; transfer that fits a head only is as cheap as a probe."""
        is_costly = arm in grid.COSTLY and not (arm == TRANSFER and strategy == "head")
        return self.costly_draws if is_costly else self.draws


@dataclass(frozen=True)
class Measured:
    """All cells of a curve, and those by which the learning rate of ``scratch_network`` was chosen."""

    subject: Subject
    wanted: Wanted
    sizes: dict[str, tuple[Size, ...]]
    cells: tuple[Cell, ...]
    rate_trials: tuple[Cell, ...]


def measure(handle: RecipeHandle, wanted: Wanted, *, progress: Progress) -> Measured:
    """Measure every cell that is not kept yet.

    Raises:
        InputError: nonsense was wanted, or the recipe has not been run.
        BusyError: another process measures this curve.
    """
    wanted.check()
    with hold(handle.lock("curve"), f"the curve of {handle.name}", recovers=True):
        subject = subject_of(handle)
        labels = subject.bench.train.labels
        sizes = {arm: grid.sizes_for(labels, wanted.own_sizes.get(arm, wanted.sizes)) for arm in wanted.arms}
        folder = handle.cells
        sweep(folder, deep=False)
        run = _Run(Cells(folder, subject.facts), subject, sizes, wanted, handle.workspace, progress)
        cheap = tuple(run.cells(is_costly=False))
        trials = tuple(run.rate_trials())
        cells = (*cheap, *run.cells(is_costly=True, rate=_best_rate(trials)))
    return Measured(subject, wanted, sizes, cells, trials)


@dataclass
class _Run:
    """A curve in progress: which cells there are, and how far it has come, in rows that are passed through a network."""

    kept: Cells
    subject: Subject
    sizes: dict[str, tuple[Size, ...]]
    wanted: Wanted
    workspace: Workspace
    progress: Progress

    def __post_init__(self) -> None:
        self._labels = self.subject.bench.train.labels
        self._places = [
            CellKey(arm, size, draw)
            for arm in self.wanted.arms
            for draw in range(self.wanted.n_draws(arm, self.subject.bench.config.strategy))
            for size in self.sizes[arm]
        ]
        rates = (
            range(len(RATES_FROM_SCRATCH)) if SCRATCH_NETWORK in self.wanted.arms and self._held_out()[1].size else ()
        )
        self._trials = [CellKey(RATE_TRIAL, self.sizes[SCRATCH_NETWORK][-1], k) for k in rates]
        self._is_warm, self._done, self._n_left = False, 0, len(self._places) + len(self._trials)
        self._total = sum(map(self._work, [*self._places, *self._trials]))

    def rate_trials(self) -> Iterator[Cell]:
        """Yield what each learning rate of ``scratch_network`` gives on training rows that are held out."""
        bench = self.subject.bench
        if not self._trials:
            return
        order, held = self._held_out()
        held_bench = replace(bench, test=bench.train.take(held))
        for place in self._trials:
            yield self._cell(place, held_bench, order, len(order), RATES_FROM_SCRATCH[place.draw])

    def cells(self, *, is_costly: bool, rate: float = 0.0) -> Iterator[Cell]:
        """Yield every cell of the cheap arms, or of those that train a network; ``rate`` is that of ``scratch_network``."""
        for place in self._places:
            if (place.arm in grid.COSTLY) != is_costly:
                continue
            order = grid.draw_rows(self._labels, place.draw)
            yield self._cell(place, self.subject.bench, order, grid.n_rows(self._labels, place.size), rate)

    def _held_out(self) -> tuple[grid.Rows, grid.Rows]:
        return grid.hold_out_rows(self._labels, self.sizes[SCRATCH_NETWORK][-1], fraction=FRACTION_HELD_OUT)

    def _cell(self, place: CellKey, bench: learners.ArmInputs, order: grid.Rows, n: int, rate: float) -> Cell:
        """Return a cell, measured now if it is not kept."""
        work, more = self._work(place), self._more(place, n, rate)
        self._n_left -= 1
        cell = self.kept.read(place, more, len(bench.test.labels))
        if cell is not None:
            self._total -= work  # neither done nor to do: it says nothing of the pace
            return cell
        self.progress(self._done, self._total, self._note(place))
        cell = self.kept.measured(place, more, partial(self._measure, place, bench, order, n, rate))
        self._done += work
        self.progress(self._done, self._total, self._note(place))
        return cell

    def _measure(
        self, place: CellKey, bench: learners.ArmInputs, order: grid.Rows, n: int, rate: float
    ) -> dict[str, Any]:
        """Learn, which is what costs, and look at the test rows."""
        is_network = place.arm in (SCRATCH_NETWORK, RATE_TRIAL)
        learn = _LEARN[SCRATCH_NETWORK if is_network else place.arm]
        if not self._is_warm:  # what the first use of a library takes is no cell's time
            bench.embed(bench.test.take(np.arange(1)))
            self._is_warm = True
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)  # one row of each is meant
            meter = Meter(rates(self.workspace))
            learned = learn(
                bench, order, n, place.draw if place.arm != RATE_TRIAL else 0, self._inside(place),
                **({"learning_rate": rate} if is_network else {}),
            )  # fmt: skip
            cost = meter.stop()
        hits = learned.predict(bench.test) == bench.test.labels
        return {
            "n_rows": n,
            "n_test": len(hits),
            "hits": pack(hits),
            "chosen": learned.chosen,
            "cost": cost,
            "surroundings": surroundings(),
        }

    def _more(self, place: CellKey, n: int, rate: float) -> dict[str, Any]:
        """Return what a cell depends on because of its arm. A key of the recipe that has its default may come later."""
        bench = self.subject.bench
        if place.arm in (SCRATCH_NETWORK, RATE_TRIAL):
            config = {
                "batch_size": bench.config.batch_size,
                "precision": bench.config.precision,
                "seed": bench.config.seed,
            }
            return {**config, "learning_rate": rate, "n_epochs": epochs_from_scratch(n)}
        chosen = {"n_folds": bench.n_folds, "max_rows": bench.max_rows}
        if place.arm != TRANSFER:
            return chosen
        config = bench.config.model_dump(mode="json", exclude_defaults=True)
        return {**chosen, "finetune": config, "unlabelled": self.subject.unlabelled}

    def _work(self, place: CellKey) -> int:
        """Return about how many rows a cell passes through a network."""
        n, n_all, config = grid.n_rows(self._labels, place.size), len(self._labels), self.subject.bench.config
        if place.arm in (SCRATCH_NETWORK, RATE_TRIAL):
            return 3 * n * epochs_from_scratch(n)
        if place.arm == TRANSFER and config.strategy != "head":
            return 3 * config.n_epochs * (n_all if self.subject.bench.unlabelled is not None else n)
        return n + min(n, self.subject.bench.max_rows)

    def _inside(self, place: CellKey) -> Progress:
        """Return a progress that shows a training as its part of the curve."""
        done, work = self._done, self._work(place)

        def show(n: int, of: int, _note: str) -> None:
            self.progress(done + round(work * min(1.0, n / max(1, of)) * 0.99), self._total, self._note(place))

        return show

    def _note(self, place: CellKey) -> str:
        return f"{place.words}; {self._n_left:,} cells left"


def _best_rate(trials: Sequence[Cell]) -> float:
    """Return the learning rate that got most of the rows held out right; the first where none was tried."""
    right = [int(cell.right().sum()) for cell in trials]
    return RATES_FROM_SCRATCH[right.index(max(right))] if right else RATES_FROM_SCRATCH[0]
