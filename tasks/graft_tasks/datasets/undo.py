"""Takes an addition or a repair back: one more file of the dataset says so; the file that is taken back stays where it is.

So every version is still the one before it and one more file, numbers are never given twice, and whatever a promoted model was
trained on can be read again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from graft.data import in_force, next_name, taken_back
from graft.errors import InputError
from graft.records import write_atomic
from graft_tasks.datasets.add import keep_version
from graft_tasks.processes.locks import hold
from graft_tasks.recipe_handle import RecipeHandle


@dataclass(frozen=True)
class Undone:
    """What was taken back, and by which file; ``is_new`` is false where it had been taken back before."""

    dataset: str
    takes_back: str
    file: str
    is_new: bool
    version: str


def undo(handle: RecipeHandle, file: str | None) -> Undone:
    """Take the newest addition or repair of a recipe's dataset back: a new version of it.

    The same command a second time changes nothing, and finishes what was killed.

    Args:
        file: the name of the addition or repair; None: the error says which one is the newest.

    Raises:
        InputError: no file or another than the newest is named, or there is none.
        StepError, OSError: DVC, git or the disk refuse; the version before stays.
    """
    workspace = handle.workspace
    dataset = handle.load()[0].data.dataset
    folder = workspace.dataset(dataset)
    if not folder.is_dir():
        raise InputError(f"Dataset {dataset} is not here.", where=str(folder), do="dvc pull")
    with hold(workspace.dataset_lock(dataset), f"dataset {dataset}"):
        by, new = taken_back(folder).get(file or "", ""), None
        is_new = not by
        if is_new:
            _check_newest(handle.name, dataset, in_force(folder), file)
            new = folder / next_name(folder, "undo", "jsonl")
            write_atomic(new, json.dumps({"takes_back": file}).encode() + b"\n")
            by = new.name
        version = keep_version(workspace, dataset, f"{dataset}: {by}, {file} taken back", new=new)
    return Undone(dataset, str(file), by, is_new, version)


def _check_newest(name: str, dataset: str, files: list[str], file: str | None) -> None:
    newest = max(files, key=lambda file_name: file_name.split("-")[1], default=None)
    if newest is None:
        raise InputError(
            f"Dataset {dataset} has nothing that was added and could be taken back.", do=f"graft add {name} FILE"
        )
    if file is None:
        raise InputError(
            "It is not said what to take back.", where=f"newest: {newest}", do=f"graft undo {name} {newest}"
        )
    if file not in files:
        what = f"Dataset {dataset} has no addition {file[:80]!r}."
        raise InputError(what, where=f"there are {', '.join(files)}"[:300], do=f"graft undo {name} {newest}")
    if file != newest:
        what = f"{file} is not the newest: what came after it was checked against it."
        raise InputError(what, where=f"newest: {newest}", do=f"graft undo {name} {newest}    first")
