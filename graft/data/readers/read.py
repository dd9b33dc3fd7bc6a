"""Reads a table, losing nothing and guessing nothing: every cell is a string or bytes, an empty cell stays empty."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from graft.data.readers.dialect import MAX_CELL, Dialect, plain_dialect
from graft.data.readers.raw import BATCH_BYTES, TextFile, head_of, no_column, not_a_table
from graft.errors import InputError, nearest

FORMATS = (".csv", ".tsv", ".jsonl", ".parquet")
BATCH_ROWS = 50_000
_MAX_KEYS = 2_000
_MAX_SHOWN = 300


def read_table(path: Path, columns: list[str] | None = None, *, dialect: Dialect | None = None) -> pd.DataFrame:
    """Return a CSV, TSV, JSONL or Parquet file as a whole, rows in file order: ``read_batches``, put together.

    Raises:
        InputError: as ``read_batches``.

    Cost: the table in memory once.
    """
    return pd.concat(list(read_batches(path, columns, dialect=dialect)), ignore_index=True)


def read_batches(
    path: Path, columns: list[str] | None = None, *, dialect: Dialect | None = None, batch_rows: int = BATCH_ROWS
) -> Iterator[pd.DataFrame]:
    """Yield the rows of a CSV, TSV, JSONL or Parquet file in file order, each cell a string as it stands.

    Binary columns of Parquet, and the bytes in images of Hugging Face datasets, stay bytes. A line with fewer cells than the
    header ends in empty ones. A blank line is no row; a line of an empty pair of quotes is.

    Args:
        path: the file; its ending says the format.
        columns: columns that must be there; None: whatever there is.
        dialect: of a CSV or TSV file that is not plain (UTF-8; comma, or tab in .tsv; double quote; header). Without a header
            the columns are called column_1 and so on.
        batch_rows: most rows of a batch; fewer where they are long.

    Raises:
        InputError: at once where the file is absent, empty, of an unknown format or lacks a column; else when the place is
            reached: not UTF-8, a line with too many cells, an open quote, a cell above ``MAX_CELL`` characters, no rows.

    Cost: linear in the bytes; memory for one batch. JSONL is read twice, first for its keys.
    """
    head_of(path)
    if path.suffix == ".parquet":
        from graft.data.readers.parquet import parquet_batches

        yield from not_empty(path, parquet_batches(path, batch_rows, columns))
    elif path.suffix == ".jsonl" and dialect is None:
        yield from json_batches(path, columns, batch_rows=batch_rows)
    elif path.suffix in FORMATS or dialect is not None:
        yield from text_batches(path, columns, dialect=dialect or plain_dialect(path), batch_rows=batch_rows)
    else:
        what = f"{path.name} is of a format that Graft does not read."
        raise InputError(what, where=str(path), do="give CSV, TSV, JSONL or Parquet")


def text_batches(
    path: Path,
    columns: list[str] | None = None,
    *,
    dialect: Dialect,
    batch_rows: int = BATCH_ROWS,
    mend_twins: bool = False,
    max_columns: int | None = None,
) -> Iterator[pd.DataFrame]:
    """Yield the rows of a text file of the given dialect, whatever its ending; else as ``read_batches``.

    Args:
        mend_twins: call the second column of a name "name (2)" instead of refusing it.
        max_columns: leave out all columns behind these first ones; None: none.
    """
    file = TextFile(path)
    names, rows = _text_rows(file, dialect)
    if max_columns is not None and len(names) > max_columns:
        names, rows = names[:max_columns], (row[:max_columns] for row in rows)
    if mend_twins:
        seen = Counter[str]()
        for k, name in enumerate(names):
            seen[name] += 1
            names[k] = name if seen[name] == 1 else f"{name} ({seen[name]})"
    check_columns(path, names, columns)
    yield from not_empty(path, frames(path, names, rows, batch_rows=batch_rows, file=file))


def n_columns_of(path: Path, dialect: Dialect) -> int:
    """Return how many columns a text file of the given dialect has."""
    return len(_text_rows(TextFile(path), dialect)[0])


def json_batches(
    path: Path, columns: list[str] | None = None, *, batch_rows: int = BATCH_ROWS
) -> Iterator[pd.DataFrame]:
    """Yield the rows of a file of JSON lines, whatever its ending; else as ``read_batches``."""
    names = _json_keys(path)
    check_columns(path, names, columns)
    file = TextFile(path)
    rows = ([row.get(name, "") for name in names] for _, row in _json_objects(file))
    yield from not_empty(path, frames(path, names, rows, batch_rows=batch_rows, file=file))


def check_columns(path: Path, names: list[str], columns: list[str] | None) -> None:
    """Raise an InputError where a name stands twice in the header or a column is absent."""
    twice = sorted(name for name, n in Counter(names).items() if n > 1)
    if twice:
        raise InputError(
            f"{path.name} has two columns of the name {twice[0]!r}.",
            where=str(path),
            do="rename one",
            code="column-twice",
        )
    for column in columns or []:
        if column not in names:
            near = nearest(column, names)
            hint = f"did you mean {near!r}?" if near else "name a column that is there"
            raise no_column(path, column, where=f"{path}, header: {_shown(names)}", do=hint)


def _shown(names: list[str]) -> str:
    """Return names in a text of bounded length."""
    text = ", ".join(names)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]} ... ({len(names):,} columns)"


def frames(
    path: Path,
    names: list[str],
    rows: Iterable[list[str]],
    *,
    batch_rows: int = BATCH_ROWS,
    file: TextFile | None = None,
) -> Iterator[pd.DataFrame]:
    """Yield rows as frames of at most ``batch_rows``, or of about 64 MiB of ``file``."""
    batch: list[list[str]] = []
    n_before, start = 0, 0
    for row in rows:
        batch.append(row)
        if len(batch) == batch_rows or (file is not None and file.n_bytes - start > BATCH_BYTES):
            yield _frame(path, names, batch, n_before)
            n_before, start, batch = n_before + len(batch), file.n_bytes if file else 0, []
    if batch:
        yield _frame(path, names, batch, n_before)


def _frame(path: Path, names: list[str], rows: list[list[str]], n_before: int) -> pd.DataFrame:
    columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    for name, cells in columns.items():
        longest = max(map(len, cells))
        if longest > MAX_CELL:
            row = n_before + next(k for k, cell in enumerate(cells) if len(cell) == longest) + 1
            raise too_long(path, name, row)
    return pd.DataFrame(columns, dtype="str")


def too_long(path: Path, column: str, row: int) -> InputError:
    """Return the error of a cell that is no text."""
    return InputError(
        f'Row {row:,} of {path.name} has more than {MAX_CELL:,} characters in column "{column}".',
        where=str(path),
        do="shorten it, or take the row out",
    )


def not_empty(path: Path, batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """Yield batches, and raise an InputError at their end where they held no rows."""
    n_rows = 0
    for batch in batches:
        n_rows += len(batch)
        yield batch
    if n_rows == 0:
        raise InputError(f"{path.name} has a header and no rows.", where=str(path), do="add rows", code="no-rows")


def _text_rows(file: TextFile, dialect: Dialect) -> tuple[list[str], Iterator[list[str]]]:
    """Return the header and the rows after it, each with as many cells as the header."""
    cells = _cells(file, dialect)
    _, first = next(cells, (0, []))
    names = [name or f"Unnamed: {k}" for k, name in enumerate(first)]
    if not dialect.header:
        names = [f"column_{k}" for k in range(1, len(first) + 1)]

    def rows() -> Iterator[list[str]]:
        n = len(names)
        if first and not dialect.header:
            yield first
        for number, row in cells:
            if len(row) > n:
                where = f"Expected {n} cells in line {number:,}, saw {len(row)}"
                raise not_a_table(file.path, where=where, do="correct that line")
            yield row if len(row) == n else row + [""] * (n - len(row))

    return names, rows()


def _cells(file: TextFile, dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of the line where a row ends, and its cells; blank lines are left out."""
    if dialect.quote is None:
        n_cuts = -1 if dialect.n_columns is None else dialect.n_columns - 1
        for number, line in enumerate(file.lines(), start=1):
            text = line.removesuffix("\r")
            if text:
                yield number, text.split(dialect.delimiter, n_cuts)
        return
    lines = (f"{line}\n" for line in file.lines())
    reader = csv.reader(lines, delimiter=dialect.delimiter, quotechar=dialect.quote, strict=True)
    number = 1
    try:
        for row in reader:
            if row:
                yield reader.line_num, row
            number = reader.line_num + 1
    except csv.Error as error:
        raise _not_a_table(file.path, str(error), number, reader.line_num) from error


def _not_a_table(path: Path, error: str, first: int, last: int) -> InputError:
    where, do = f"line {last:,}: {error}", "correct that line"
    if "end of data" in error or "field limit" in error:
        where, do = (
            f"A quote that opens in the row of line {first:,} never closes",
            "close it, or double it inside a cell",
        )
    elif "expected after" in error:
        where, do = f"line {last:,}: text follows a closing quote", "double a quote that belongs to the text"
    elif "new-line" in error:
        where, do = f"line {last:,}: a carriage return stands alone", "end lines with a line feed"
    return not_a_table(path, where=where, do=do)


def _json_keys(path: Path) -> list[str]:
    keys: dict[str, None] = {}
    for number, row in _json_objects(TextFile(path)):
        keys.update(dict.fromkeys(row))
        if len(keys) > _MAX_KEYS:
            what = f"{path.name} has more than {_MAX_KEYS:,} different keys."
            raise InputError(what, where=f"line {number:,}", do="give rows that share their columns")
    return list(keys)


def _json_objects(file: TextFile) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the number and the cells of every line that holds an object with a key."""
    decode = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str, object_pairs_hook=_object).decode
    for number, line in enumerate(file.lines(), start=1):
        try:
            if not line.strip():
                continue
            value = decode(line)
            row = {_cell(key): _cell(cell_value) for key, cell_value in value.items()}
        except (ValueError, AttributeError, RecursionError) as error:
            where = f"line {number:,}: {error}"
            raise InputError(
                f"{file.path.name} is not JSON lines.", where=where, do="one JSON object a line", code="not-json-lines"
            ) from error
        for key, cell in row.items():
            if len(cell) > MAX_CELL:
                raise too_long(file.path, key, number)
        if row:
            yield number, row


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError("a key stands twice")
    return value


def _cell(value: Any) -> str:
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if not text.isascii():
        text.encode()  # half of a surrogate pair is no text: UnicodeEncodeError, a ValueError
    return text
