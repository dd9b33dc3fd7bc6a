"""``graft curve``: accuracy against rows, shown."""

from __future__ import annotations

from typing import Any

import numpy as np

from flows.terminal import Watcher, console
from tasks.curve import Measured, Wanted, measure
from tasks.workspace import Workspace


def measure_curve(workspace: Workspace, name: str, wanted: Wanted, *, show: bool = True) -> dict[str, Any]:
    """Measure what is not measured yet, show what came out and return it."""
    workspace.recipe(name)
    watcher = Watcher()
    if show:
        watcher.started("curve")
    try:
        measured = measure(
            workspace, name, wanted, progress=lambda d, t, n: watcher.progress("curve", d, t, n) if show else None
        )
    finally:
        watcher.close()
    facts = _means(measured)
    if show:
        for arm, row in facts.items():
            console().print(f"{arm:<16}" + "".join(f"{value:7.1%}" for value in row))
    return facts


def _means(measured: Measured) -> dict[str, Any]:
    return {
        arm: [
            float(np.mean([cell.right().mean() for cell in measured.cells if (cell.arm, cell.size) == (arm, size)]))
            for size in measured.sizes
        ]
        for arm in measured.wanted.arms
    }
