"""Evidently's page of test against training rows: ``python -m graft_tasks.commands.drift RECIPE PAGE``."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

from graft.rows import COLUMN, TEST, TRAIN
from graft.shift.drift_page import write_drift_page
from graft_tasks.processes.events import failures_sent
from graft_tasks.workspace import Workspace


def main() -> None:
    """Draw the page of a recipe of the workspace that this process works in."""
    with failures_sent():
        _draw(*sys.argv[1:])


def _draw(name: str, page: str) -> None:
    handle = Workspace.find(Path.cwd()).recipe(name)
    data = handle.load()[0].data
    columns = [COLUMN + column for column in data.sensitive]
    test, train = (
        pd.read_parquet(handle.rows, columns=["content", "label", *columns], filters=[("side", "==", side)])
        for side in (TEST, TRAIN)
    )
    write_drift_page(train, test, Path(page), columns=columns, modality=data.modality)


if __name__ == "__main__":
    main()
