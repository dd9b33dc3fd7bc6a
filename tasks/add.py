"""Adds to a dataset: new rows, or labels for rows that are there. Every version is the one before it and one more file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from graft.data import Part, bring, check_ids, columns_of, next_name, parts_of, read_batches, schema_drift
from graft.errors import GraftError, InputError
from graft.recipe import Data
from graft.records import digest_folder, part, sha256_file, write_atomic
from tasks.heal import heal_dvc
from tasks.locks import hold
from tasks.versions import commit, keep
from tasks.workspace import Workspace


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

    def plain(self) -> dict[str, Any]:
        return asdict(self)


def add(workspace: Workspace, name: str, source: Path) -> Added:
    """Add a file of rows, or of ids and labels, to a recipe's dataset: a new version of it.

    The same content a second time changes nothing. Whatever kills this, the same command finishes it.

    Raises:
        InputError: the file cannot be read, lacks a column, labels an id that no row has, or gives one id to two rows. Nothing
            is written then.
        StepError, OSError: DVC, git or the disk refuse; the version before stays.
    """
    data = workspace.recipe(name)[0].data
    folder = workspace.dataset(data.dataset)
    if not folder.is_dir():
        raise InputError(f"Dataset {data.dataset} is not here.", where=str(folder), do="dvc pull")
    with hold(workspace.lock(data.dataset, "dataset"), f"dataset {data.dataset}"), scratch_folder(workspace) as scratch:
        brought = bring(source, scratch, role="added")
        if len(brought) != 1:
            raise InputError(f"{source.name} holds several files of rows.", where=str(source), do="add them one by one")
        (path,) = brought.values()
        holds = "rows" if data.content in columns_of(path) else "labels"
        n_rows = sum(len(batch) for batch in read_batches(path))
        digest = sha256_file(path)
        same = next((p.name for p in sorted(folder.iterdir()) if sha256_file(p) == digest), None)
        drift = [] if same else _examine(folder, path, data, source)
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
    heal_dvc(workspace.root)
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


def _examine(folder: Path, path: Path, data: Data, source: Path) -> list[str]:
    """Return how a file differs from the rows before it; errors name the file as its owner knows it."""
    named = path.with_name(source.name) if source.suffix == path.suffix else path
    path.rename(named)
    try:
        before, added = parts_of(folder, data), Part(named, "added")
        drift = schema_drift(before, added, data)
        check_ids(before, added, data)
        return drift
    finally:
        named.rename(path)


@contextmanager
def scratch_folder(workspace: Workspace) -> Iterator[Path]:
    """Give a folder on the workspace's own disk, so that a finished file can be renamed into its place."""
    parent = workspace.root / ".graft"
    parent.mkdir(exist_ok=True)
    with part(parent, "adding", folder=True) as folder:
        yield folder
