"""The rows of a run, as ``ingest`` wrote them and every later step reads them."""

from __future__ import annotations

import pandas as pd
import pyarrow.parquet as pq

from graft.data import COLUMN
from tasks.steps import Context

__all__ = ["COLUMN", "MISTAKES", "PREDICTIONS", "ROWS", "read_rows"]

ROWS, PREDICTIONS, MISTAKES = "rows.parquet", "predictions.parquet", "mistakes.json"


def read_rows(context: Context, *sides: str, content: bool = False) -> pd.DataFrame:
    """Return the rows of the given sides, in order: row, id, label, group, time, key, near, side, because and ``column.*``.

    ``content``, the text or the image's bytes, is read only where it is asked for: it is the large one.
    """
    path = context.file("ingest", ROWS)
    names = [name for name in pq.read_schema(path).names if content or name != "content"]
    return pd.read_parquet(path, columns=names, filters=[("side", "in", sides)])
