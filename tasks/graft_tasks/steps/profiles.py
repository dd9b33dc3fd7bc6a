"""What rows look like from outside, so that people see what tells two samples apart."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from graft.modality import MODALITIES
from graft.records.shift import Profile
from graft.rows import COLUMN
from graft.shift.explain import profile_columns


def describe(rows: pd.DataFrame, modality: str, base: Path, *, max_rows: int, columns: bool = True) -> Profile:
    """Return what contents look like, and the values of further columns, of rows as ``ingest`` writes them.

    Args:
        rows: see ``graft.rows``; key, content and the columns of the files are looked at.
        base: folder of the base, whose tokenizer counts the tokens of texts.
        columns: whether the other sample has such columns at all.
        max_rows: rows that are looked at, those whose keys come first.
    """
    drawn = rows.sort_values("key").head(max_rows)
    outside = MODALITIES[modality].profile(drawn["content"].tolist(), base)
    if not columns:
        return outside
    names = {name: name.removeprefix(COLUMN) for name in drawn.columns if name.startswith(COLUMN)}
    return outside | profile_columns(drawn.rename(columns=names), list(names.values()))
