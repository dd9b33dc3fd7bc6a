"""Reads a table of texts, losing nothing and guessing nothing: every cell is a string, an empty cell stays empty."""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import Any

import pandas as pd

from graft.errors import InputError


def read_table(path: Path, columns: list[str] | None = None) -> pd.DataFrame:
    """Return a CSV, TSV, JSONL or Parquet file as strings, rows in file order.

    Args:
        path: the file; its ending says the format.
        columns: columns that must be there; None: whatever there is.

    Raises:
        InputError: the file is absent, empty, not UTF-8, cut short, of an unknown format, or lacks a column.

    Cost: the table in memory once.
    """
    if not path.is_file():
        raise InputError(f"There is no file {path.name}.", where=str(path), do="check the path")
    if path.stat().st_size == 0:
        raise InputError(f"{path.name} is empty.", where=str(path), do="give a file with a header and rows")
    readers = {".csv": _csv, ".tsv": _csv, ".jsonl": _jsonl, ".parquet": _parquet}
    if path.suffix not in readers:
        raise InputError(
            f"{path.name} is of a format that Graft does not read.",
            where=str(path),
            do="give CSV, TSV, JSONL or Parquet",
        )
    frame = readers[path.suffix](path)
    if frame.columns.duplicated().any():
        twice = sorted({str(c) for c in frame.columns[frame.columns.duplicated()]})
        raise InputError(f"{path.name} has two columns of the name {twice[0]!r}.", where=str(path), do="rename one")
    for column in columns or []:
        if column not in frame.columns:
            raise _no_column(path, column, [str(c) for c in frame.columns])
    if len(frame) == 0:
        raise InputError(f"{path.name} has a header and no rows.", where=str(path), do="add rows")
    return frame


def _no_column(path: Path, column: str, there: list[str]) -> InputError:
    near = difflib.get_close_matches(column, there, n=1)
    hint = f"did you mean {near[0]!r}?" if near else "name a column that is there"
    return InputError(f'{path.name} has no column "{column}".', where=f"{path}, header: {', '.join(there)}", do=hint)


def _csv(path: Path) -> pd.DataFrame:
    content = path.read_bytes()
    try:
        content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        near = content[max(0, error.start - 10) : error.start + 10]
        row = content.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"Line {row:,} of {path.name} is not UTF-8.",
            where=f"byte {error.start:,}, near {near!r}",
            do="save the file as UTF-8",
        ) from error
    if b"\x00" in content:
        raise InputError(f"{path.name} holds NUL bytes.", where=str(path), do="save the file as UTF-8 text")
    try:
        frame = pd.read_csv(
            path,
            header=None,  # a header that pandas reads is mended in silence: twins renamed, long rows shifted
            dtype=str,
            keep_default_na=False,
            encoding="utf-8-sig",
            sep="\t" if path.suffix == ".tsv" else ",",
            on_bad_lines="error",
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(f"{path.name} is not a table.", where=str(error).strip(), do="mend that line") from error
    frame.columns = [name or f"Unnamed: {k}" for k, name in enumerate(frame.iloc[0])]
    return frame.iloc[1:].reset_index(drop=True)


def _jsonl(path: Path) -> pd.DataFrame:
    rows = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            row = json.loads(line, parse_int=str, parse_float=str, parse_constant=str) if line.strip() else {}
            rows += [{key: _cell(value) for key, value in row.items()}] if row else []
        except (ValueError, AttributeError, RecursionError) as error:
            where = f"line {number:,}: {error}"
            raise InputError(f"{path.name} is not JSON lines.", where=where, do="one JSON object a line") from error
    return pd.DataFrame(rows, dtype=object).fillna("").astype(str)


def _cell(value: Any) -> str:
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text.encode()  # half of a surrogate pair is no text: UnicodeEncodeError, a ValueError
    return text


def _parquet(path: Path) -> pd.DataFrame:
    import pyarrow as pa

    try:
        frame = pd.read_parquet(path, dtype_backend="numpy_nullable")  # whole numbers stay whole beside empty cells
        return frame.astype(object).where(frame.notna(), "").astype(str)
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path.name} is not a whole Parquet file.", where=str(path), do="copy it again") from error
