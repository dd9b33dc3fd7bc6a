"""Reads Parquet and Arrow columns as strings, or as bytes where they are binary."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from graft.data.readers.dialect import MAX_CELL
from graft.data.readers.raw import BATCH_BYTES
from graft.data.readers.read import check_columns, too_long
from graft.errors import InputError

ClassNames = dict[str, list[str]]
"""For each column that holds the numbers of classes, the names of the classes."""
_DAMAGE = (pa.ArrowException, OSError, UnicodeDecodeError)
"""What pyarrow raises on damaged bytes, names of columns among them; found by damaging files at random."""
_INDEX = re.compile(r"__index_level_\d+__")  # what pandas adds for rows without names


def parquet_batches(
    path: Path, batch_rows: int, columns: list[str] | None = None, *, classes: ClassNames | None = None
) -> Iterator[pd.DataFrame]:
    """Yield the rows of a Parquet file, each cell a string or, in binary columns, bytes; ``classes`` as in ``arrow_frame``.

    Raises:
        InputError: the file is cut, damaged, holds a type that is no cell, or lacks a column.
    """
    try:
        with pq.ParquetFile(path) as file:
            names = [name for name in file.schema_arrow.names if not _INDEX.fullmatch(name)]
            check_columns(path, names, columns)
            n_before = 0
            for batch in file.iter_batches(batch_size=_rows_of(file.metadata, batch_rows), columns=names):
                batch.validate(full=True)  # pyarrow hands strings over unread: they may not be UTF-8
                yield arrow_frame(batch, path=path, n_before=n_before, classes=classes)
                n_before += len(batch)
    except _DAMAGE as error:
        raise InputError(
            f"{path.name} is not a whole Parquet file.", where=str(path), do="copy it again", code="parquet-damaged"
        ) from error


def schema_of(path: Path) -> Any:
    """Return the Arrow schema of a Parquet file.

    Raises:
        InputError: the file is cut or damaged.
    """
    try:
        return pq.read_schema(path)
    except _DAMAGE as error:
        raise InputError(
            f"{path.name} is not a whole Parquet file.", where=str(path), do="copy it again", code="parquet-damaged"
        ) from error


def arrow_batches(path: Path, *, classes: ClassNames) -> Iterator[pd.DataFrame]:
    """Yield the rows of a memory-mapped Arrow stream; else as ``parquet_batches``."""
    try:
        with pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as stream:
            n_before = 0
            for batch in stream:
                batch.validate(full=True)
                yield arrow_frame(batch, path=path, n_before=n_before, classes=classes)
                n_before += len(batch)
    except _DAMAGE as error:
        raise InputError(f"{path.name} is not a whole Arrow stream.", where=str(path), do="copy it again") from error


def _rows_of(metadata: Any, batch_rows: int) -> int:
    """Return how many rows make a batch: fewer where they are long, so that memory stays bounded."""
    n_bytes = sum(metadata.row_group(k).total_byte_size for k in range(metadata.num_row_groups))
    return max(1, min(batch_rows, int(BATCH_BYTES * max(1, metadata.num_rows) / max(1, n_bytes))))


def class_names(schema: Any) -> ClassNames:
    """Return the names of classes that a Hugging Face dataset wrote beside its numbers."""
    stored = (schema.metadata or {}).get(b"huggingface")
    try:
        features = json.loads(stored)["info"]["features"] if stored else {}
        json.dumps(features, ensure_ascii=False).encode()  # half of a surrogate pair is no text: a ValueError
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}  # only a courtesy of the file's writer: without it the numbers stand
    return names_in(features)


def names_in(features: Any) -> ClassNames:
    """Return the names of classes in a Hugging Face description of features."""
    if not isinstance(features, dict):
        return {}
    return {
        str(column): [str(name) for name in feature["names"]]
        for column, feature in features.items()
        if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" and isinstance(feature.get("names"), list)
    }


def arrow_frame(batch: Any, *, path: Path, n_before: int = 0, classes: ClassNames | None = None) -> pd.DataFrame:
    """Return a record batch as strings and bytes.

    Args:
        classes: columns whose whole numbers are written as the names of classes; -1 and null become "".

    Raises:
        InputError: a column holds what is no cell, or a cell is too long.
    """
    columns = {}
    for name, array in zip(batch.schema.names, batch.columns, strict=True):
        try:
            cells = _cells(array)
        except (ValueError, TypeError, OverflowError, RecursionError, pa.ArrowException) as error:
            what = f'Column "{name}" of {path.name} holds values that are neither text, numbers nor bytes.'
            raise InputError(what, where=f"{path}, type {str(array.type)[:80]}", do="leave the column out") from error
        if classes and name in classes:
            cells = pd.Series([_class_name(cell, classes[name], name, path) for cell in cells], dtype="str")
        longest = 0 if cells.dtype == object or not len(cells) else int(cells.str.len().max())
        if longest > MAX_CELL:
            row = n_before + int(np.argmax(cells.str.len().to_numpy())) + 1
            raise too_long(path, name, row)
        columns[name] = cells
    return pd.DataFrame(columns)


def _class_name(cell: str, names: list[str], column: str, path: Path) -> str:
    if cell in {"", "-1"}:
        return ""
    if not cell.isascii() or not cell.isdigit() or int(cell) >= len(names):
        what = f'Column "{column}" of {path.name} holds the class {cell!r}, which has no name.'
        raise InputError(what, where=str(path), do=f"the file names {len(names)} classes")
    return names[int(cell)]


def _cells(array: Any) -> pd.Series:
    """Return an Arrow array as a series of strings, or of bytes (None where a cell is null)."""
    kind = array.type
    if isinstance(kind, pa.ExtensionType):
        return _cells(array.storage)
    if pa.types.is_dictionary(kind):
        return _cells(array.dictionary_decode())
    if _is_image(kind):
        return _image_bytes(array)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return pd.Series(array.to_pylist(), dtype=object)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return pd.Series(array.fill_null(""), dtype="str")
    if pa.types.is_integer(kind):
        return pd.Series(array.cast(pa.string()).fill_null(""), dtype="str")
    if pa.types.is_floating(kind):  # by way of numpy: 0.1 in 32 bits stays "0.1"
        values = zip(array.to_numpy(zero_copy_only=False), array.is_valid().to_pylist(), strict=True)
        return pd.Series([str(value) if valid else "" for value, valid in values], dtype="str")
    return pd.Series([_text(value) for value in array.to_pylist()], dtype="str")


def _text(value: Any) -> str:
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, default=str)
    return "" if value is None else str(value)


def _is_image(kind: Any) -> bool:
    """Return whether a type is the pair of bytes and path by which Hugging Face datasets hold an image."""
    if not pa.types.is_struct(kind) or {kind.field(k).name for k in range(kind.num_fields)} != {"bytes", "path"}:
        return False
    return bool(pa.types.is_binary(kind.field("bytes").type) or pa.types.is_large_binary(kind.field("bytes").type))


def _image_bytes(array: Any) -> pd.Series:
    rows = array.to_pylist()
    if any(row is not None and row["bytes"] is None and row["path"] for row in rows):
        raise ValueError("an image without bytes")
    return pd.Series([None if row is None else row["bytes"] for row in rows], dtype=object)
