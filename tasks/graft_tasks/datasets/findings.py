"""The rows of every finding, all of them: a file for each record, kept here alone, which git ignores.

A record names twenty rows of a finding. Where its file is not here, as in another clone, the step that made it is run once more:
its bytes are the same, and the file comes with them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pyarrow.parquet as pq

from graft.errors import InputError, nearest
from graft.modality import MODALITIES
from graft.records import DatasetRecord, Finding, Record, ValidationRecord, canonical_json, part, sha256_bytes
from graft_tasks.recipe_handle import RecipeHandle
from graft_tasks.steps.context import run_step
from graft_tasks.workspace import Workspace

SUFFIX = ".jsonl"
Found = DatasetRecord | ValidationRecord


@dataclass(frozen=True)
class Row:
    """A row of a finding by its name, with label and text; these are empty where ingest keeps none."""

    row: str
    label: str
    content: str


@dataclass(frozen=True)
class FindingRows:
    """Writes the names of all rows of each finding while a step runs."""

    folder: Path
    path: Path
    file: IO[str]

    def add(self, finding: str, rows: Iterable[str]) -> None:
        """Write the rows of a finding."""
        for row in rows:
            self.file.write(json.dumps({"finding": finding, "row": row}, ensure_ascii=False) + "\n")

    def finish(self, record: Record) -> None:
        """Put the file in its place, under the name of its record."""
        self.file.flush()
        os.fsync(self.file.fileno())
        os.replace(self.path, path_of(self.folder, record))


@contextmanager
def finding_rows(handle: RecipeHandle, step: str) -> Iterator[FindingRows]:
    """Give a file for the rows of a step's findings; without ``finish`` nothing is left of it."""
    folder = handle.findings
    folder.mkdir(parents=True, exist_ok=True)
    with part(folder, step) as path, path.open("w", encoding="utf-8") as file:
        yield FindingRows(folder, path, file)


def path_of(folder: Path, record: Record) -> Path:
    """Return the file with the rows of a record's findings."""
    return folder / f"{record.step}-{sha256_bytes(canonical_json(record))[:16]}{SUFFIX}"


def rows_of(workspace: Workspace, record: Found, finding: str) -> list[str]:
    """Return the names of all rows of a finding, in their order."""
    handle = workspace.recipe(record.recipe)
    path = path_of(handle.findings, record)
    if not path.is_file():
        run_step(handle, record.step)
    found = []
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            try:
                finding_row = json.loads(line)
                found += [str(finding_row["row"])] if finding_row["finding"] == finding else []
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                what = f"{path.name} is not a file of findings."
                raise InputError(what, where=f"{path}, line {number}", do="delete it, then the same command") from error
    return found


def find_finding(records: tuple[Found, ...], wanted: str) -> tuple[Found, Finding]:
    """Return the finding that a person names, whole or in part, and the record that it stands in.

    Raises:
        InputError: none or several findings are named so.
    """
    pairs = [(record, finding) for record in records for finding in record.findings]
    names = [finding.name for _, finding in pairs]
    folded = wanted.strip().casefold()
    tests: tuple[Callable[[str], bool], ...] = (
        lambda name: name == wanted.strip(),
        lambda name: name.casefold() == folded,
        lambda name: folded in name.casefold(),
    )
    found = ([pair for pair in pairs if is_meant(pair[1].name)] for is_meant in tests)
    chosen = next((some for some in found if some), [])
    if len(chosen) == 1:
        return chosen[0]
    near = nearest(wanted, names)
    count = f"{len(chosen)} findings are" if chosen else "No finding is"
    do = f"did you mean {near!r}?" if near else "name one of them"
    raise InputError(f"{count} called {wanted[:80]!r}.", where="; ".join(names) or "there are none", do=do)


def with_contents(handle: RecipeHandle, rows: list[str]) -> tuple[Row, ...]:
    """Return rows with label and content, "" where ingest keeps none that can be read: bytes, and labels of other rows."""
    path = handle.rows
    is_binary = MODALITIES[handle.load()[0].data.modality].is_binary
    columns = ["row", "label", *([] if is_binary else ["content"])]
    table = pq.read_table(path, columns=columns, filters=[("row", "in", rows)]) if rows else None
    contents = {finding_row["row"]: finding_row for finding_row in table.to_pylist()} if table is not None else {}
    return tuple(Row(row, *(contents.get(row, {}).get(key, "") for key in ("label", "content"))) for row in rows)
