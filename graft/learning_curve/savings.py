"""What transfer saves: shares of rows, time and energy at equal accuracy, from which test rows each cell got right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from graft.evaluation.baselines import FROM_SCRATCH, PROBE
from graft.learning_curve.grid import TRANSFER, Size
from graft.records import Estimate, Point, Ratio, Saving
from graft.stats.ratio import area, cost_to_reach, estimate, isotonic, mean_costs, ratio, resample_curves, rows_to_reach

PRETRAINED = (TRANSFER, PROBE)
FIXED = (0.80, 0.85, 0.90)
"""Accuracies at which arms are compared as well, where one of them reaches it."""
N_BOOTSTRAP = 2_000
_SEED = 61_000
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Curves:
    """The measured curves of all arms, and what other draws and other test rows would have given.

    By arm: its sizes and their rows, shape (sizes,), and ``samples``, shape (1 + samples, sizes), the first as measured. ``n``:
    test rows.
    """

    sizes: dict[str, tuple[Size, ...]]
    n_rows: dict[str, Floats]
    draws: dict[str, Floats]
    samples: dict[str, Floats]
    n: int

    @classmethod
    def of(
        cls,
        hits: Mapping[str, npt.NDArray[np.bool_]],
        sizes: Mapping[str, tuple[Size, ...]],
        n_rows: Mapping[str, Sequence[int]],
    ) -> Curves:
        """Return the curves of arms, each given as shape (draws, sizes, test rows)."""
        samples = resample_curves(hits, rng=np.random.default_rng(_SEED), n_bootstrap=N_BOOTSTRAP)
        draws = {arm: of_arm.mean(axis=2) for arm, of_arm in hits.items()}
        n = next(iter(hits.values())).shape[2]
        rows = {arm: np.array(of_arm, dtype=float) for arm, of_arm in n_rows.items()}
        return cls(dict(sizes), rows, draws, samples, n)

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Yield each pretrained arm with each one that is not, as far as they were measured."""
        for against in FROM_SCRATCH:
            yield from ((arm, against) for arm in PRETRAINED if {arm, against} <= set(self.samples))

    def target(self, against: str) -> Floats:
        """Return what an arm reaches with the most rows, shape (1 + samples,)."""
        return np.asarray(isotonic(self.samples[against])[:, -1])


def points_of(curves: Curves) -> tuple[Point, ...]:
    """Return each arm at each size."""
    return tuple(
        Point(
            arm=arm,
            size=size,
            n_rows=int(curves.n_rows[arm][k]),
            draws=tuple(round(float(value), 6) for value in curves.draws[arm][:, k]),
            accuracy=estimate(samples[:, k], n=curves.n, unit="fraction"),
        )
        for arm, samples in curves.samples.items()
        for k, size in enumerate(curves.sizes[arm])
    )


def data_savings(curves: Curves) -> tuple[Saving, ...]:
    """Return what share of the rows each pretrained arm needs: for what the other reaches with all rows, and at round accuracies.

    At a round accuracy that neither reaches, or both with the fewest rows, nothing is known, and nothing is said.
    """
    found = []
    for arm, against in curves.pairs():
        relative = curves.target(against)
        for target in (relative, *(np.full(len(relative), value) for value in FIXED)):
            top, bottom = (rows_to_reach(curves.samples[name], curves.n_rows[name], target) for name in (arm, against))
            share = ratio(top, bottom, n=curves.n)
            if target is relative or share.known != "unknown":
                found.append(
                    Saving(
                        arm=arm, against=against, target=round(float(target[0]), 6),
                        is_fixed=target is not relative, ratio=share,
                    )
                )  # fmt: skip
    return tuple(found)


def cost_saving(
    curves: Curves, arm: str, against: str, costs: Floats, costs_against: Floats
) -> tuple[float, float, Ratio]:
    """Return what an arm and the one against it spent to come to what the latter reaches with all rows, and the ratio.

    Each is taken at the cheapest size that reaches it; an arm that never does is counted with its largest.

    Args:
        costs, costs_against: shape (draws, sizes), in any unit.
    """
    rng, target = np.random.default_rng(_SEED), curves.target(against)
    spent = [
        cost_to_reach(curves.samples[name], mean_costs(of_one, rng=rng, n_bootstrap=N_BOOTSTRAP), target)
        for name, of_one in ((arm, costs), (against, costs_against))
    ]
    return float(spent[0].low[0]), float(spent[1].low[0]), ratio(spent[0], spent[1], n=curves.n)


def area_gains(curves: Curves) -> dict[str, Estimate]:
    """Return how far transfer lies above each other arm of the same sizes on average over doublings of the rows, in points."""
    sizes = curves.sizes.get(TRANSFER, ())
    if len(sizes) < 2:
        return {}
    alike = [arm for arm in curves.samples if curves.sizes[arm] == sizes]
    areas = {arm: area(curves.samples[arm], curves.n_rows[arm]) for arm in alike}
    return {arm: estimate(areas[TRANSFER] - areas[arm], n=curves.n, unit="points") for arm in areas if arm != TRANSFER}
