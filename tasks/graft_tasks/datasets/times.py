"""Settles how a new recipe's times are read, and from which time on its rows are test rows, before anything is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from graft.data import order_of, read_batches, read_times, refuse_unread
from graft.errors import InputError
from graft.recipe import TimeFormat
from graft.recipe.text import DEFAULTS

Ask = Callable[[str], TimeFormat]
"""Asks a person what comes first in a time: called with one that can be read in two ways."""


def settle_times(files: dict[str, Path], values: dict[str, Any], ask: Ask | None) -> dict[str, Any]:
    """Return the keys of a recipe that follow from its times; none without a column of times.

    Args:
        files: ``train`` and perhaps ``test``.
        values: dotted recipe keys; what they say is not asked.
        ask: None: nobody can be asked.

    Raises:
        InputError: a time cannot be read, none is there, or its order is not clear and nobody can be asked.
    """
    column = values.get("data.time")
    if not column:
        return {}
    cells = {role: pd.concat(_cells(path, column), ignore_index=True) for role, path in files.items()}
    found: dict[str, Any] = {}
    time_format = values.get("data.time_format")
    if time_format is None:
        found["data.time_format"] = time_format = _order(cells, column, files["train"], ask)
    times = {role: read_times(some, time_format) for role, some in cells.items()}
    for role, some in cells.items():
        where = f'{files[role]}, column "{column}"'
        refuse_unread(some, times[role], where=where, row=partial(_row, files[role].name))
    if not values.get("data.test_from") and "test" not in files:
        found["data.test_from"] = _latest_from(times["train"], column, files["train"])
    return found


def _row(file: str, place: int) -> str:
    return f"Row {place + 1:,} of {file}"


def _cells(path: Path, column: str) -> Iterator[pd.Series]:
    for batch in read_batches(path, [column]):
        yield batch[column].str.strip()


def _order(cells: dict[str, pd.Series], column: str, path: Path, ask: Ask | None) -> TimeFormat | None:
    """Return what comes first in these times, as all of them together show, or as a person says."""
    filled = pd.concat(cells.values()).drop_duplicates()
    filled = filled[filled != ""]
    order = order_of(filled)
    if order.is_clear:
        return order.time_format
    example = next((cell for cell in filled if _is_double(cell)), filled.iloc[0])
    if ask is not None:
        return ask(example)
    raise InputError(
        f'The times in column "{column}" do not show what comes first, day or month: {example[:40]!r}.',
        where=str(path),
        do="--time-format day-first or --time-format month-first (in a recipe: data.time_format)",
    )


def _is_double(cell: str) -> bool:
    """Return whether a time is another one with the day first than with the month first."""
    alone = pd.Series([cell], dtype="str")
    return not read_times(alone, "day-first").equals(read_times(alone, "month-first"))


def _latest_from(times: pd.Series, column: str, path: Path) -> str:
    """Return the time from which on the latest rows lie, as many as are set aside without a time."""
    known = times.dropna().sort_values()
    if not len(known):
        raise InputError(f'Column "{column}" holds no times.', where=str(path), do="name another column")
    first = known.iloc[int(len(known) * (1 - DEFAULTS["data.fraction_test"]))]
    return str(first.strftime("%Y-%m-%dT%H:%M:%SZ"))
