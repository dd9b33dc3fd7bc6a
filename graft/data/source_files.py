"""The files of a dataset, in the order in which they came: what was given first, then what was added, number by number."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from graft.data.readers.raw import TextFile
from graft.data.readers.read import read_batches
from graft.errors import InputError
from graft.modality import MODALITIES
from graft.recipe import Data
from graft.rows import COLUMN

_ADDED = re.compile(r"(?P<kind>added|repair|undo)-(?P<number>[0-9]{4})\.(?P<ending>csv|tsv|jsonl|parquet)")


@dataclass(frozen=True)
class Part:
    """One file of rows: given as ``test`` or ``train``, ``added`` later (rows, or labels by id), or a production ``batch``."""

    path: Path
    role: str


def parts_of(folder: Path, data: Data) -> list[Part]:
    """Return the files of a dataset that hold rows or labels: test rows first, since nothing may displace them."""
    given = [Part(folder / data.test, "test")] if data.test else []
    given.append(Part(folder / data.train, "train"))
    return given + [Part(path, "added") for path in _numbered(folder, "added")]


def next_name(folder: Path, kind: str, ending: str) -> str:
    """Return the name of the next file to be added; additions, repairs and undoings share their numbers."""
    taken = [int(found["number"]) for path in folder.iterdir() if (found := _ADDED.fullmatch(path.name))]
    return f"{kind}-{max(taken, default=0) + 1:04d}.{ending}"


def in_force(folder: Path) -> list[str]:
    """Return the names of the additions and repairs that count, in their order: those that were taken back do not."""
    return [path.name for kind in ("added", "repair") for path in _numbered(folder, kind)]


def taken_back(folder: Path) -> dict[str, str]:
    """Return the names of the additions and repairs that were taken back, each with the file that did. They stay where they are.

    Raises:
        InputError: a file that takes another back is not one that ``graft undo`` writes.
    """
    found = {}
    for path in sorted(folder.glob("undo-*.jsonl")):
        for number, line in enumerate(TextFile(path).lines(), start=1):
            try:
                found[str(json.loads(line)["takes_back"])] = path.name
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                what = f"{path.name} does not say what it takes back."
                raise InputError(what, where=f"{path}, line {number}", do="dvc checkout") from error
    return found


def _numbered(folder: Path, kind: str) -> list[Path]:
    found = [(match["number"], path) for path in folder.iterdir() if (match := _ADDED.fullmatch(path.name))]
    gone = taken_back(folder)
    return [path for _, path in sorted(found) if path.name.startswith(kind) and path.name not in gone]


def read_repairs(folder: Path) -> dict[str, str | None]:
    """Return the repaired text of each row that was repaired, by the row's name; None: the row is to be dropped.

    Raises:
        InputError: a repair file is not one that ``graft validate --fix`` writes.
    """
    repairs: dict[str, str | None] = {}
    for path in _numbered(folder, "repair"):
        for number, line in enumerate(TextFile(path).lines(), start=1):
            try:
                change = json.loads(line)
                repairs[str(change["row"])] = None if change["action"] == "drop" else str(change["content"])
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise InputError(
                    f"{path.name} is not a file of repairs.", where=f"{path}, line {number}", do="dvc checkout"
                ) from error
    return repairs


def read_part(part: Part, data: Data) -> Iterator[pd.DataFrame]:
    """Yield a part's rows in file order, as ``graft.rows`` declares them, and ``is_label_only``.

    An added file without the column of contents, but with id and label, holds labels that came late.

    Raises:
        InputError: as ``read_batches``; or a time is none.
    """
    start, needed = 0, _needed(part, data)
    for table in read_batches(part.path, needed):
        check_kinds(part.path, table, data)
        n = len(table)
        empty = pd.Series("", index=table.index, dtype=str)
        own = {data.content, data.label, data.id, data.group, data.time}
        rows = pd.DataFrame(
            {
                "row": [f"{part.path.name} row {k}" for k in range(start + 1, start + n + 1)],
                "id": table[data.id].str.strip() if data.id and data.id in table.columns else empty,
                "content": table.get(data.content, empty),
                "label": table[data.label].str.strip() if data.label in table.columns else empty,
                "group": table[data.group].str.strip() if data.group and data.group in table.columns else empty,
                "time": table[data.time].str.strip() if data.time and data.time in table.columns else empty,
                "is_label_only": data.content not in table.columns,
            },
            index=table.index,
        )
        others = [c for c in table.columns if (c not in own or c in data.sensitive) and not _is_bytes(table[c])]
        yield pd.concat([rows, table[others].add_prefix(COLUMN)], axis=1)
        start += n


def check_kinds(path: Path, table: pd.DataFrame, data: Data) -> None:
    """Raise an InputError where a column of bytes holds none, or another that the recipe names holds bytes."""
    modality = MODALITIES[data.modality]
    for column in (*data.columns, data.label):
        is_binary = modality.is_binary and column == data.content
        if column in table.columns and _is_bytes(table[column]) != is_binary:
            held = f"no {modality.plural}" if is_binary else "bytes, not texts"
            what = f'Column "{column}" of {path.name} holds {held}.'
            raise InputError(what, where=str(path), do="name another column")


def columns_of(path: Path) -> list[str]:
    """Return the columns of a file of rows."""
    return [str(column) for column in next(read_batches(path, batch_rows=1)).columns]


def _is_bytes(column: pd.Series) -> bool:
    return bool(column.dtype == object)


def _needed(part: Part, data: Data) -> list[str]:
    """Return the columns that a part must have: an added one may bring rows without labels, or labels without rows."""
    if part.role == "batch":
        return [data.content]
    if part.role != "added":
        return [*data.columns, data.label]
    present = columns_of(part.path)
    only_labels = data.id is not None and data.content not in present and data.label in present
    return [data.id or "", data.label] if only_labels else data.columns
