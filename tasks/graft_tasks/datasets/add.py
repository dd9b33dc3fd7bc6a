"""Adds to a dataset: new rows, or labels for rows that are there. Every version is the one before it and one more file."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from graft.data import (
    Part,
    check_ids,
    check_times,
    columns_of,
    import_data,
    next_name,
    parts_of,
    read_batches,
    schema_drift,
    taken_back,
)
from graft.errors import GraftError, InputError
from graft.recipe import Recipe
from graft.records import digest_folder, part, sha256_file, write_atomic
from graft_tasks.dvc.recover import recover_dvc
from graft_tasks.dvc.repro import commit, keep
from graft_tasks.processes.locks import hold
from graft_tasks.recipe_handle import RecipeHandle
from graft_tasks.workspace import Workspace


@dataclass(frozen=True)
class Added:
    """What an addition did. ``drift`` says how the file differs from the rows before it."""

    dataset: str
    file: str
    holds: str
    n_rows: int
    is_new: bool
    version: str
    drift: list[str]


def add(handle: RecipeHandle, source: Path, *, new_classes: Collection[str] = ()) -> Added:
    """Add a file of rows, or of ids and labels, to a recipe's dataset: a new version of it.

    The same content a second time changes nothing. Whatever kills this, the same command finishes it.

    Args:
        new_classes: classes that are meant, although their names look misspelt.

    Raises:
        InputError: the file cannot be read, lacks a column, labels an id that no row has, gives one id to two rows, has a time
            that cannot be read, or a class that looks misspelt. Nothing is written then.
        StepError, OSError: DVC, git or the disk refuse; the version before stays.
    """
    workspace = handle.workspace
    recipe = handle.load()[0]
    data = recipe.data
    folder = workspace.dataset(data.dataset)
    if not folder.is_dir():
        raise InputError(f"Dataset {data.dataset} is not here.", where=str(folder), do="dvc pull")
    with hold(workspace.dataset_lock(data.dataset), f"dataset {data.dataset}"), scratch_folder(workspace) as scratch:
        brought = import_data(source, scratch, role="added")
        if len(brought) != 1:
            raise InputError(f"{source.name} holds several files of rows.", where=str(source), do="add them one by one")
        (path,) = brought.values()
        holds = "rows" if data.content in columns_of(path) else "labels"
        n_rows = sum(len(batch) for batch in read_batches(path))
        digest = sha256_file(path)
        gone = taken_back(folder)
        same = next((p.name for p in sorted(folder.iterdir()) if sha256_file(p) == digest and p.name not in gone), None)
        drift = [] if same else _examine(folder, path, recipe, source, new_classes)
        file = same or next_name(folder, "added", path.suffix[1:])
        if same is None:
            path.rename(folder / file)
        message = f"{data.dataset}: {file}, {n_rows:,} {holds}"
        version = keep_version(workspace, data.dataset, message, new=None if same else folder / file)
    return Added(data.dataset, file, holds, n_rows, same is None, version, drift)


def keep_version(workspace: Workspace, dataset: str, message: str, *, new: Path | None) -> str:
    """Give a dataset as it lies there to DVC and commit the pointer; return its digest; without a change nothing changes.

    Args:
        new: the file that makes this version another one; it is taken away again where the version cannot be kept.

    Raises:
        StepError, OSError: DVC, git or the disk refuse; the version before stays.
    """
    recover_dvc(workspace.root)
    pointer = workspace.dataset(dataset).with_name(f"{dataset}.dvc")
    before = pointer.read_bytes()
    try:
        keep(workspace.root, f"data/datasets/{dataset}")
        commit(workspace.root, message, [f"data/datasets/{dataset}.dvc"])
    except (GraftError, OSError):
        if new is not None:
            new.unlink()
        if pointer.read_bytes() != before:
            write_atomic(pointer, before)
        raise
    return digest_folder(workspace.dataset(dataset))[1]


def _examine(folder: Path, path: Path, recipe: Recipe, source: Path, accepted: Collection[str]) -> list[str]:
    """Return how a file differs from the rows before it; errors name the file as its owner knows it."""
    with called_as({path: source}):
        data, before, added = recipe.data, parts_of(folder, recipe.data), Part(path, "added")
        min_rows = recipe.validate_.min_rows_per_class
        drift = schema_drift(before, added, data, min_rows=min_rows, accepted=accepted)
        check_ids(before, added, data)
        check_times(added, data)
        return drift


@contextmanager
def called_as(sources: dict[Path, Path]) -> Iterator[None]:
    """Let errors name the files that a person gave, not the copies that are looked at and then gone.

    Args:
        sources: the file that each copy was made of.
    """
    try:
        yield
    except InputError as error:
        names = {str(copy): str(source) for copy, source in sources.items()}
        names |= {copy.name: source.name for copy, source in sources.items()}
        copies = re.compile("|".join(rf"(?<![\w./-]){re.escape(name)}" for name in names))
        what, where, do = (
            copies.sub(lambda found: names[found[0]], text) for text in (error.what, error.where, error.do)
        )
        raise InputError(what, where=where, do=do, code=error.code) from error


@contextmanager
def scratch_folder(workspace: Workspace) -> Iterator[Path]:
    """Give a folder on the workspace's own disk, so that a finished file can be renamed into its place."""
    parent = workspace.root / ".graft"
    parent.mkdir(exist_ok=True)
    with part(parent, "adding", folder=True) as folder:
        yield folder
