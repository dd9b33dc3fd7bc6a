"""What an added file has that differs from the rows before it: columns, kinds of cells, classes, ids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

import pandas as pd

from graft.data.labels import check_new_labels, nearest_label
from graft.data.readers.raw import no_column
from graft.data.readers.read import read_batches
from graft.data.source_files import Part, columns_of, read_part
from graft.data.updates import id_of_two
from graft.errors import InputError
from graft.modality import MODALITIES
from graft.recipe import Data


def schema_drift(
    before: list[Part], added: Part, data: Data, *, min_rows: int = 0, accepted: Collection[str] = ()
) -> list[str]:
    """Return, in sentences, how an added file's columns and classes differ from those before it.

    Args:
        min_rows: rows that a class needs to be trained on.
        accepted: new classes that a person says are meant, however much they look misspelt.

    Raises:
        InputError: a column that the recipe needs is not there, or a class looks misspelt: it is new, has fewer than
            ``min_rows`` rows, and nearly the name of one that is there.
    """
    present = columns_of(added.path)
    if data.id is None and data.label in present and data.content not in present:
        raise InputError(
            f"{added.path.name} brings labels, and the recipe names no column to join them by.",
            where=f"header: {', '.join(present)}",
            do="name in the recipe the column that both have: data.id",
        )
    next(read_part(added, data))  # what the recipe needs is there
    last = next(part for part in reversed(before) if data.content in columns_of(part.path))
    known = columns_of(last.path)
    if data.label not in present and data.id is None:
        raise no_column(
            added.path,
            data.label,
            where=f"header: {', '.join(present)}",
            do="add the labels, or name an id column in the recipe (data.id) so that they can come later",
        )
    drift = []
    if data.content in present:
        drift += [f"column {column!r} is no longer there" for column in known if column not in present]
        drift += [_new(column, known, "column") for column in present if column not in known]
        drift += _kinds(last, added, [c for c in present if c in known and c not in (data.content, data.label)])
    classes, brought = _classes(before, data), _classes([added], data)
    check_new_labels(brought, classes, min_rows=min_rows, accepted=accepted)
    drift += [
        f"{_new(label, list(classes), 'class')}, {n:,} row{'s' * (n != 1)}"
        for label, n in brought.items()
        if label not in classes
    ]
    return drift


def check_ids(before: Iterable[Part], added: Part, data: Data) -> None:
    """Check that every id of an added file stands for one row, and that a file of labels labels rows that are there.

    Raises:
        InputError: it does not; the first few ids' rows are named.
    """
    if data.id is None:
        return
    new: dict[str, tuple[str, str, str]] = {}
    has_content = data.content in columns_of(added.path)
    for batch in read_part(added, data):
        for row, name, content, label in zip(batch["row"], batch["id"], batch["content"], batch["label"], strict=True):
            mine = (row, _key(content, row, data) if has_content else "", label)
            other = new.setdefault(name, mine) if name else mine
            if other[1:] != mine[1:]:
                kind = "labels" if other[1] == mine[1] else "rows"
                raise id_of_two(kind, where=f"{other[0]} and {row}", do="keep one of them")
    seen = set()
    for part in before:
        for batch in read_part(part, data):
            for row, name, content in zip(batch["row"], batch["id"], batch["content"], strict=True):
                if name in new and name:
                    seen.add(name)
                    if has_content and not batch["is_label_only"].iloc[0] and _key(content, row, data) != new[name][1]:
                        raise id_of_two(
                            "different rows",
                            where=f"{row} and {new[name][0]}",
                            do="give the new row an id of its own",
                        )
    unknown = [row for name, (row, _, _) in new.items() if name not in seen]
    if unknown and not has_content:
        raise InputError(
            f"{len(unknown):,} of {len(new):,} ids are of no row in the dataset.",
            where=", ".join(unknown[:3]),
            do="add those rows first: graft add RECIPE ROWS",
            code="ids-unknown",
        )


def _key(content: str | bytes, row: str, data: Data) -> str:
    """Return what names a content; bytes are not decoded for it."""
    return content.hex() if isinstance(content, bytes) else MODALITIES[data.modality].content_keys([content], [row])[0]


def _classes(parts: Iterable[Part], data: Data) -> Counter[str]:
    found: Counter[str] = Counter()
    for part in parts:
        if data.label in columns_of(part.path):
            for table in read_batches(part.path, [data.label]):
                found.update(table[data.label].str.strip())
    del found[""]
    return found


def _new(name: str, known: list[str], what: str) -> str:
    near = nearest_label(name, known)
    return f"{what} {name!r} is new" + (f" (did you mean {near!r}?)" if near else "")


def _kinds(before: Part, added: Part, columns: list[str]) -> list[str]:
    """Return which columns were numbers and no longer are, or the other way round, by their first rows."""
    old, new = (next(read_batches(part.path)) for part in (before, added))
    changed = []
    for column in columns:
        was, now = _is_number(old[column]), _is_number(new[column])
        if was is not None and now is not None and was != now:
            changed.append(f"column {column!r} {'held numbers and now does not' if was else 'now holds numbers'}")
    return changed


def _is_number(cells: pd.Series) -> bool | None:
    """Return whether a column holds numbers; None where it holds nothing that could tell."""
    filled = cells[cells.map(lambda cell: isinstance(cell, str) and cell != "")]
    return bool(pd.to_numeric(filled, errors="coerce").notna().mean() > 0.9) if len(filled) else None
