"""curve, second part: from measured cells to the record of a curve, what it took, and the page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from statistics import median
from typing import Literal

import numpy as np

from graft.evaluation.baselines import SCRATCH_NETWORK
from graft.learning_curve import grid
from graft.learning_curve.claims import CellCost, Claims, CurveCost, Spent
from graft.learning_curve.grid import TRANSFER, Size
from graft.learning_curve.savings import Curves, area_gains, cost_saving, data_savings, points_of
from graft.records import CurveRecord, canonical_json, sha256_bytes, write_json
from graft.records.cost import Cost, add_up
from graft_tasks.commands.render import CURVE
from graft_tasks.dvc.repro import commit
from graft_tasks.learning_curve.cells import Cell
from graft_tasks.learning_curve.measure import Measured
from graft_tasks.recipe_handle import RecipeHandle
from graft_tasks.steps.cost import COST


def conclude(handle: RecipeHandle, measured: Measured) -> Claims:
    """Write what the cells say to ``data/RECIPE/curve`` and commit the record."""
    by_arm = {arm: [cell for cell in measured.cells if cell.arm == arm] for arm in measured.wanted.arms}
    sizes, labels = measured.sizes, measured.subject.bench.train.labels
    hits = {
        arm: np.array([cell.right() for cell in cells]).reshape(-1, len(sizes[arm]), cells[0].n_test)
        for arm, cells in by_arm.items()
    }
    n_rows = {arm: [grid.n_rows(labels, size) for size in of_arm] for arm, of_arm in sizes.items()}
    curves = Curves.of(hits, sizes, n_rows)
    record = _record(handle.name, measured, curves)
    folder = handle.step(CURVE)
    digest = write_json(folder / "record.json", record)
    cost = _cost(measured, curves, by_arm, digest)
    write_json(folder / COST, cost)
    path = (folder / "record.json").relative_to(handle.workspace.root)
    commit(handle.workspace.root, f"{handle.name}: curve, {record.summary}", [str(path)])
    return Claims(record, cost, is_older=False)


def _record(name: str, measured: Measured, curves: Curves) -> CurveRecord:
    subject = measured.subject
    data = data_savings(curves)
    rate = next((cell.chosen["learning_rate"] for cell in measured.cells if cell.arm == SCRATCH_NETWORK), None)
    first = next((saving for saving in data if not saving.is_fixed), None)
    return CurveRecord(
        step=CURVE,
        recipe=name,
        passed=True,
        summary=f"{first.arm} against {first.against}: {first.ratio.words} of the rows" if first else "measured",
        inputs=subject.read,
        train_sha256=subject.dataset.train_sha256,
        test_sha256=subject.dataset.test_sha256,
        base=subject.base.id,
        base_sha256=subject.base.sha256,
        hits_sha256=sha256_bytes(canonical_json([[c.arm, c.size, c.draw, c.hits] for c in measured.cells])),
        n_train=len(subject.bench.train.labels),
        n_test=curves.n,
        n_classes=len(np.unique(subject.bench.train.labels)),
        strategy=subject.bench.config.strategy,
        learning_rate=rate,
        left_out=tuple(arm for arm in grid.ARMS if arm not in measured.wanted.arms),
        points=points_of(curves),
        data=data,
        area_gains=area_gains(curves),
    )


def _cost(measured: Measured, curves: Curves, by_arm: dict[str, list[Cell]], digest: str) -> CurveCost:
    trials = [cell.cost for cell in measured.rate_trials]
    search = {SCRATCH_NETWORK: add_up(trials)} if trials else {}
    search |= {TRANSFER: measured.subject.search} if measured.subject.search else {}
    spent = []
    for arm, against in curves.pairs():
        for what, with_search in product(_OF, (True, False)):
            tables = [
                np.array([_OF[what](cell.cost) for cell in by_arm[name]]).reshape(-1, len(measured.sizes[name]))
                + (_OF[what](search[name]) if with_search and name in search else 0.0)
                for name in (arm, against)
            ]
            took, took_against, ratio = cost_saving(curves, arm, against, *tables)
            spent.append(
                Spent(
                    arm=arm, against=against, what=what, with_search=with_search,
                    spent=took, spent_against=took_against, ratio=ratio,
                )
            )  # fmt: skip
    return CurveCost(
        record_sha256=digest,
        cells=tuple(_cell_cost(of_arm, size) for arm, of_arm in by_arm.items() for size in measured.sizes[arm]),
        spent=tuple(spent),
        search={arm: round(cost.seconds, 3) for arm, cost in search.items()},
        total=add_up([*(cell.cost for cell in measured.cells), *trials]),
        n_surroundings=len({canonical_json(cell.surroundings) for cell in (*measured.cells, *measured.rate_trials)}),
    )


_OF: dict[Literal["time", "energy"], Callable[[Cost], float]] = {
    "time": lambda cost: cost.seconds,
    "energy": lambda cost: cost.energy_joules or 0.0,
}


def _cell_cost(of_arm: Sequence[Cell], size: Size) -> CellCost:
    """Return what an arm took at a size, over its draws."""
    costs = [cell.cost for cell in of_arm if cell.size == size]
    low, middle, high = np.quantile([cost.seconds for cost in costs], [0.25, 0.5, 0.75])
    energies = [cost.energy_joules for cost in costs if cost.energy_joules is not None]
    prices = [cost.price for cost in costs if cost.price is not None]
    return CellCost(
        arm=of_arm[0].arm,
        size=size,
        n_draws=len(costs),
        seconds=round(float(middle), 3),
        seconds_low=round(float(low), 3),
        seconds_high=round(float(high), 3),
        cpu_seconds=round(median(cost.cpu_seconds for cost in costs), 3),
        energy_joules=round(median(energies), 3) if len(energies) == len(costs) else None,
        price=round(median(prices), 6) if len(prices) == len(costs) else None,
    )
