"""The row: what every row of a run has, from ingest to evaluate. It is declared here and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from graft.recipe import Modality

SIDES = TRAIN, TEST, DROPPED, UNLABELLED, BATCH = ("train", "test", "dropped", "unlabelled", "batch")
"""On which side of the train/test border a row lies; a side's code is its place here. Rows of ``unlabelled`` are learned from as
those of ``train`` are, but without a label; those of ``batch`` came from production.
"""
NO_LABEL = ""
"""The label of a row that has none."""
COLUMN = "column."
"""Stands before the name of a column of the file, so that none is taken for a field."""
READ_FIELDS = ("row", "id", "content", "label", "group", "time")
"""Read from a file: a name for people, then what the recipe's columns hold, "" for none."""
PLACED_FIELDS = ("key", "near", "side", "because")
"""Found by ingest: 16 hex digits that name the content, the earlier row that it resembles, its side, why it was dropped."""


def row_schema(modality: Modality, columns: Iterable[str], *, placed: bool) -> pa.Schema:
    """Return the schema of rows: strings all of them, but for the bytes of images.

    Args:
        columns: further columns of the files, each with ``COLUMN`` before its name.
        placed: with the fields that ingest finds, behind all others.
    """
    content = pa.string() if modality == "text" else pa.binary()
    names = [*READ_FIELDS, *columns, *(PLACED_FIELDS if placed else ())]
    return pa.schema([(name, content if name == "content" else pa.string()) for name in names])
