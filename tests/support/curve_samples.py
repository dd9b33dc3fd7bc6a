"""A curve made up for tests of the page and the terminal: every number is invented."""

from __future__ import annotations

import numpy as np

from graft.learning_curve.claims import CellCost, Claims, CurveCost, Spent
from graft.learning_curve.grid import ARMS
from graft.learning_curve.savings import Curves, area_gains, data_savings, points_of
from graft.records import CurveRecord, Ratio
from graft.records.cost import Cost
from tests.support import report_samples as samples

SIZES = (1, 2, 4, 8, 16, 32, 64, None)
N_ROWS = [77, 154, 308, 616, 1232, 2457, 4620, 9948]
ACCURACIES = {
    "transfer": (0.42, 0.56, 0.70, 0.80, 0.87, 0.90, 0.92, 0.94),
    "frozen_probe": (0.41, 0.55, 0.69, 0.79, 0.86, 0.895, 0.91, 0.93),
    "scratch": (0.12, 0.22, 0.36, 0.51, 0.66, 0.78, 0.84, 0.89),
    "scratch_network": (0.10, 0.20, 0.35, 0.54, 0.72, 0.80, 0.86, 0.90),
    "random_encoder": (0.06, 0.10, 0.17, 0.27, 0.38, 0.50, 0.58, 0.64),
    "shuffled_labels": (0.013, 0.012, 0.015, 0.014, 0.011, 0.013, 0.013, 0.012),
}
SECONDS = {"transfer": 0.1, "frozen_probe": 0.02, "scratch": 0.004, "scratch_network": 0.09}


def claims(*, with_cost: bool = True, is_older: bool = False, recipe: str = samples.RECIPE) -> Claims:
    """Return a curve of all arms, five draws each, on 400 test rows."""
    rng = np.random.default_rng(0)
    hard = rng.random(400)
    hits = {
        arm: 0.8 * hard + 0.2 * rng.random((5, len(SIZES), 400)) < np.array(ACCURACIES[arm])[:, None] for arm in ARMS
    }
    curves = Curves.of(hits, dict.fromkeys(hits, SIZES), dict.fromkeys(hits, N_ROWS))
    record = CurveRecord(
        step="curve", recipe=recipe, passed=True, summary="measured", inputs={"ingest": samples.digest("ingest")},
        train_sha256=samples.digest("train"), test_sha256=samples.digest("test"), base=samples.BASE,
        base_sha256=samples.digest("b"), hits_sha256=samples.digest("hits"), n_train=N_ROWS[-1], n_test=400, n_classes=77,
        strategy="full", learning_rate=1e-3, left_out=(), points=points_of(curves), data=data_savings(curves),
        area_gains=area_gains(curves),
    )  # fmt: skip
    return Claims(record, _cost(curves) if with_cost else None, is_older)


def _cost(curves: Curves) -> CurveCost:
    exact = {"level": 0.95, "n": 400, "known": "exact", "method": "bootstrap"}
    ratios = {
        "time": Ratio.model_validate({**exact, "value": 0.12, "ci_low": 0.09, "ci_high": 0.16}),
        "energy": Ratio.model_validate({**exact, "value": 0.11, "ci_low": 0.08, "ci_high": 0.15}),
    }
    cheap = Ratio.model_validate({**exact, "known": "at_least", "value": 14.2, "ci_low": 9.8, "ci_high": None})
    spent = [
        Spent(
            arm=arm, against=against, what=what, with_search=with_search, spent=90.0, spent_against=750.0,
            ratio=cheap if against == "scratch" else ratio,
        )
        for arm, against in curves.pairs()
        for what, ratio in (("time", ratios["time"]), ("energy", ratios["energy"]))
        for with_search in (True, False)
    ]  # fmt: skip
    cells = [
        CellCost(
            arm=arm, size=size, n_draws=5, seconds=n * rate, seconds_low=n * rate * 0.9, seconds_high=n * rate * 1.2,
            cpu_seconds=n * rate, energy_joules=4 * n * rate, price=None,
        )
        for arm, rate in SECONDS.items()
        for size, n in zip(SIZES, N_ROWS, strict=True)
    ]  # fmt: skip
    total = Cost(
        started_at="2026-11-20T06:00:00Z",
        seconds=14_000,
        cpu_seconds=13_000,
        peak_memory_bytes=2**30,
        energy_joules=52_000,
    )
    return CurveCost(
        record_sha256=samples.digest("curve"), cells=tuple(cells), spent=tuple(spent), search={"scratch_network": 1900.0},
        total=total, n_surroundings=1,
    )  # fmt: skip
