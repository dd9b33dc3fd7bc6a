"""Mends a dataset: what can be repaired without a person is written as one more file; no file that was there is touched."""

from __future__ import annotations

import json
from dataclasses import dataclass

from graft.data import next_name, read_rows_file
from graft.modality import MODALITIES
from graft.records import write_atomic
from graft.validate.repair import repairs
from graft_tasks.datasets.add import keep_version
from graft_tasks.processes.locks import hold
from graft_tasks.recipe_handle import RecipeHandle


@dataclass(frozen=True)
class Repaired:
    """What was repaired: ``file`` is its name in the dataset, empty where nothing was to be repaired."""

    dataset: str
    file: str
    n_changed: int
    n_dropped: int
    version: str


def repair(handle: RecipeHandle) -> Repaired:
    """Write the repairs of the rows that ``ingest`` wrote last into the dataset: a new version of it.

    Assumes: ingest has run on the dataset as it is.

    Raises:
        StepError, OSError: DVC, git or the disk refuse; the version before stays.
    """
    workspace = handle.workspace
    data = handle.load()[0].data
    folder = workspace.dataset(data.dataset)
    rows = handle.rows
    done = []
    if repair_content := MODALITIES[data.modality].repair:
        done = [
            {"row": row, "action": action, "content": content}
            for row, action, content in repairs(lambda: read_rows_file(rows), repair_content)
        ]
    n_dropped = sum(change["action"] == "drop" for change in done)
    with hold(workspace.dataset_lock(data.dataset), f"dataset {data.dataset}"):
        file, new = "", None
        if done:
            file = next_name(folder, "repair", "jsonl")
            new = folder / file
            lines = (json.dumps(change, sort_keys=True, ensure_ascii=False) for change in done)
            write_atomic(new, ("\n".join(lines) + "\n").encode())
        version = keep_version(workspace, data.dataset, f"{data.dataset}: {file}, {len(done):,} rows repaired", new=new)
    return Repaired(data.dataset, file, len(done) - n_dropped, n_dropped, version)
