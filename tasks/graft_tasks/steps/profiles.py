"""What rows look like from outside, so that people see what tells two samples apart."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from graft.recipe import Modality
from graft.records.shift import Profile
from graft.rows import COLUMN
from graft.shift.explain import load_tokenizer, profile_columns, profile_images, profile_texts


def describe(rows: pd.DataFrame, modality: Modality, base: Path, *, max_rows: int, columns: bool = True) -> Profile:
    """Return words or image properties, and the values of further columns, of rows as ``ingest`` writes them.

    Args:
        rows: with ``key``, ``content`` and ``column.*``.
        base: folder of the base, whose tokenizer counts tokens.
        columns: whether the other sample has such columns at all.
        max_rows: rows that are looked at, those whose keys come first.
    """
    drawn = rows.sort_values("key").head(max_rows)
    contents = drawn["content"].tolist()
    outside = (
        profile_images(contents) if modality == "image" else profile_texts(contents, tokenizer=load_tokenizer(base))
    )
    if not columns:
        return outside
    names = {name: name.removeprefix(COLUMN) for name in drawn.columns if name.startswith(COLUMN)}
    return outside | profile_columns(drawn.rename(columns=names), list(names.values()))
