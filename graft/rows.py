"""The row: what every row of a run has, from ingest to evaluate. It is declared here and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from graft.modality import MODALITIES

SIDES = TRAIN, TEST, DROPPED, UNLABELLED, BATCH = ("train", "test", "dropped", "unlabelled", "batch")
"""On which side of the train/test border a row lies; a side's code is its place here. Rows of ``unlabelled`` are learned from as
those of ``train`` are, but without a label; those of ``batch`` came from production.
"""
NO_LABEL = ""
"""The label of a row that has none."""
COLUMN = "column."
"""Stands before the name of a column of the file, so that none is taken for a field."""
MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "-", "?", "#n/a"})
"""What people write for nothing, case folded."""
READ_FIELDS = ("row", "id", "content", "label", "group", "time")
"""Read from a file: a name for people, then what the recipe's columns hold, "" for none."""
PLACED_FIELDS = ("key", "near", "side", "because")
"""Found by ingest: 16 hex digits that name the content, the earlier row that it resembles, its side, why it was dropped."""


def row_schema(modality: str, columns: Iterable[str], *, placed: bool) -> pa.Schema:
    """Return the schema of rows: strings all of them, but for contents that are bytes.

    Args:
        modality: a key of ``MODALITIES``.
        columns: further columns of the files, each with ``COLUMN`` before its name.
        placed: with the fields that ingest finds, behind all others.
    """
    content = pa.binary() if MODALITIES[modality].is_binary else pa.string()
    names = [*READ_FIELDS, *columns, *(PLACED_FIELDS if placed else ())]
    return pa.schema([(name, content if name == "content" else pa.string()) for name in names])


def strings(column: pd.Series) -> pa.Array:
    """Return a column of strings as Arrow holds them, nulls as empty ones."""
    array = pa.array(column, type=pa.large_string(), from_pandas=True)
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    return pc.fill_null(array, "")
