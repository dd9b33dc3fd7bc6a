"""The rows of every finding, all of them: a file for each record, kept here alone, which git ignores.

A record names twenty rows of a finding. Where its file is not here, as in another clone, the step that made it is run once more:
its bytes are the same, and the file comes with them.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow.parquet as pq

from graft.errors import InputError
from graft.records import PART, DatasetRecord, Record, ValidationRecord, canonical_json, sha256_bytes
from tasks.steps import run_step
from tasks.workspace import Workspace

SUFFIX = ".jsonl"
Found = DatasetRecord | ValidationRecord


class Kept:
    """Writes the names of all rows of each finding while a step runs, and puts them under the name of its record."""

    def __init__(self, workspace: Workspace, recipe: str, step: str) -> None:
        self.folder = workspace.findings(recipe)
        self.step = step

    def __enter__(self) -> Kept:
        self.folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self.folder, prefix=f".{self.step}.", suffix=PART)
        self.path, self.file = Path(name), os.fdopen(handle, "w", encoding="utf-8")
        return self

    def add(self, finding: str, rows: Iterable[str]) -> None:
        """Keep the rows of a finding."""
        for row in rows:
            self.file.write(json.dumps({"finding": finding, "row": row}, ensure_ascii=False) + "\n")

    def finish(self, record: Record) -> None:
        """Put what was kept in its place."""
        self.file.flush()
        os.fsync(self.file.fileno())
        os.replace(self.path, path_of(self.folder, record))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.file.close()
        self.path.unlink(missing_ok=True)


def path_of(folder: Path, record: Record) -> Path:
    """Return the file with the rows of a record's findings."""
    return folder / f"{record.step}-{sha256_bytes(canonical_json(record))[:16]}{SUFFIX}"


def rows_of(workspace: Workspace, record: Found, finding: str) -> list[str]:
    """Return the names of all rows of a finding, in their order."""
    path = path_of(workspace.findings(record.recipe), record)
    if not path.is_file():
        run_step(workspace, record.step, record.recipe)
    found = []
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            try:
                one = json.loads(line)
                found += [str(one["row"])] if one["finding"] == finding else []
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                what = f"{path.name} is not a file of findings."
                raise InputError(what, where=f"{path}, line {number}", do="delete it, then the same command") from error
    return found


def with_contents(workspace: Workspace, recipe: str, rows: list[str]) -> list[dict[str, Any]]:
    """Return rows with label and text, "" where ingest keeps none: images, and labels that came for other rows."""
    path = workspace.rows(recipe)
    is_text = workspace.recipe(recipe)[0].data.modality == "text"
    columns = ["row", "label", *(["content"] if is_text else [])]
    table = pq.read_table(path, columns=columns, filters=[("row", "in", rows)]) if rows else None
    there = {one["row"]: one for one in table.to_pylist()} if table is not None else {}
    empty = {"label": "", "content": ""}
    return [{"row": row, **{key: {**empty, **there.get(row, {})}[key] for key in ("label", "content")}} for row in rows]
