"""Reads the one sheet of an Excel workbook as strings."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from graft.data.readers.raw import not_a_table
from graft.errors import InputError

MAX_BYTES = 2**30
"""Most bytes that a workbook may unpack to."""
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    OSError,
    EOFError,
    SyntaxError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    RuntimeError,
)
"""What openpyxl and zipfile raise on damaged bytes; found by damaging files at random."""


def excel_rows(path: Path) -> tuple[list[str], Iterator[list[str]]]:
    """Return the header and the rows of the only sheet with cells; formulas as they were last computed.

    Raises:
        InputError: openpyxl is absent, the workbook is damaged, unpacks to more than ``MAX_BYTES`` or has several sheets.

    Cost: about 20 µs a cell; memory for the workbook's strings.
    """
    try:
        import openpyxl
    except ImportError as error:
        raise InputError(
            "Excel needs the extra 'excel'.", where=str(path), do="pip install 'graft-mlops[excel]'"
        ) from error
    with _refusals(path):
        with zipfile.ZipFile(path) as archive:
            n_bytes = sum(member.file_size for member in archive.infolist())
        if n_bytes > MAX_BYTES:
            raise InputError(f"{path.name} unpacks to {n_bytes:,} bytes.", where=str(path), do="save the table as CSV")
        book = openpyxl.load_workbook(path.open("rb"), read_only=True, data_only=True)  # by path it goes by the ending
    found = {sheet.title: _rows(path, sheet) for sheet in book.worksheets}
    first = {title: next(rows, None) for title, rows in found.items()}
    titles = [title for title, row in first.items() if row is not None]
    if len(titles) != 1:
        what = f"{path.name} has {len(titles)} sheets with cells; one is read."
        do = "keep one sheet, or save the one you mean as CSV"
        raise InputError(what, where=", ".join(titles) or str(path), do=do)
    header = [_cell(value) for value in first[titles[0]] or ()]
    while header and not header[-1]:
        header.pop()
    return [name or f"Unnamed: {k}" for k, name in enumerate(header)], _fit(path, found[titles[0]], len(header))


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise InputError(f"{path.name} is not a whole workbook.", where=str(path), do="save it again") from error


def _rows(path: Path, sheet: Any) -> Iterator[tuple[Any, ...]]:
    """Yield the rows that have cells, as wide as they are: a sheet may claim a million rows of 16,384 cells."""
    with _refusals(path):
        sheet.reset_dimensions()
        yield from filter(_has_cell, sheet.iter_rows(values_only=True))


def _fit(path: Path, rows: Iterator[tuple[Any, ...]], n: int) -> Iterator[list[str]]:
    for number, row in enumerate(rows, start=2):
        cells = [_cell(value) for value in row]
        if any(cells[n:]):
            raise not_a_table(
                path, where=f"Expected {n} cells in row {number:,}, saw more", do="give every column a name"
            )
        yield cells[:n] + [""] * (n - len(cells))


def _has_cell(row: tuple[Any, ...]) -> bool:
    return any(value is not None and value != "" for value in row)


def _cell(value: Any) -> str:
    return "" if value is None else str(value)
