"""Reads the one sheet of an Excel workbook as strings."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from graft.errors import InputError

MAX_BYTES = 2**30
"""Most bytes that a workbook may unpack to."""


def excel_rows(path: Path) -> tuple[list[str], Iterator[list[str]]]:
    """Return the header and the rows of the only sheet with cells; formulas as they were last computed.

    Raises:
        InputError: openpyxl is absent, the workbook is damaged, unpacks to more than ``MAX_BYTES`` or has several sheets.

    Cost: about 20 µs a cell; memory for the workbook's strings.
    """
    try:
        import openpyxl
    except ImportError as error:
        raise InputError("Excel needs the extra 'excel'.", where=str(path), do="pip install 'graft[excel]'") from error
    try:
        with zipfile.ZipFile(path) as archive:
            n_bytes = sum(one.file_size for one in archive.infolist())
        if n_bytes > MAX_BYTES:
            raise InputError(f"{path.name} unpacks to {n_bytes:,} bytes.", where=str(path), do="save the table as CSV")
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        sheets = {
            sheet.title: sheet
            for sheet in book.worksheets
            if any(map(_has_cell, sheet.iter_rows(values_only=True, max_row=10)))
        }
    except (zipfile.BadZipFile, OSError, ValueError, KeyError, TypeError, SyntaxError) as error:
        raise InputError(f"{path.name} is not a whole workbook.", where=str(path), do="save it again") from error
    if len(sheets) != 1:
        what = f"{path.name} has {len(sheets)} sheets with cells; one is read."
        raise InputError(what, where=", ".join(sheets), do="keep one sheet, or save the one you mean as CSV")
    rows = (row for row in next(iter(sheets.values())).iter_rows(values_only=True) if _has_cell(row))
    header = [_cell(value) for value in next(rows)]
    while header and not header[-1]:
        header.pop()
    return [name or f"Unnamed: {k}" for k, name in enumerate(header)], _fit(path, rows, len(header))


def _fit(path: Path, rows: Iterator[tuple[Any, ...]], n: int) -> Iterator[list[str]]:
    for number, row in enumerate(rows, start=2):
        cells = [_cell(value) for value in row]
        if any(cells[n:]):
            what = f"{path.name} is not a table."
            raise InputError(
                what, where=f"Expected {n} cells in row {number:,}, saw more", do="give every column a name"
            )
        yield cells[:n] + [""] * (n - len(cells))


def _has_cell(row: tuple[Any, ...]) -> bool:
    return any(value is not None and value != "" for value in row)


def _cell(value: Any) -> str:
    return "" if value is None else str(value)
