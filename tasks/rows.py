"""The rows of a run, as ``ingest`` wrote them and every later step reads them."""

from __future__ import annotations

import pandas as pd

from tasks.steps import Context

ROWS = "rows.parquet"
SLICE = "slice."
"""Prefix of the sensitive columns, so that they cannot clash with the others."""


def read_rows(context: Context, *sides: str) -> pd.DataFrame:
    """Return the rows of the given sides, in order: row, text, label, group, key, side, because and ``slice.*``."""
    rows = pd.read_parquet(context.file("ingest", ROWS))
    return rows[rows["side"].isin(sides)].reset_index(drop=True)
