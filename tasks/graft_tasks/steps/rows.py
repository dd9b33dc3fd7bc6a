"""The rows of a run, as ``ingest`` wrote them and every later step reads them, and what other steps made of them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.parquet as pq
from safetensors import safe_open

from graft.errors import StepError
from graft.rows import TEST, TRAIN, UNLABELLED
from graft_tasks.recipe_handle import MISTAKES, PREDICTIONS, ROWS
from graft_tasks.steps.context import Context

__all__ = [
    "EMBEDDED",
    "FEATURES",
    "MISTAKES",
    "PREDICTIONS",
    "ROWS",
    "embedded_with",
    "read_features",
    "read_rows",
]

FEATURES = "features.safetensors"
EMBEDDED = (TRAIN, TEST, UNLABELLED)


def read_rows(context: Context, *sides: str, content: bool = False) -> pd.DataFrame:
    """Return the rows of the given sides, in order, with the columns that ``graft.rows`` declares.

    ``content`` is read only where it is asked for: it is the large one.
    """
    path = context.file("ingest", ROWS)
    names = [name for name in pq.read_schema(path).names if content or name != "content"]
    return pd.read_parquet(path, columns=names, filters=[("side", "in", sides)])


def read_features(context: Context, base: str, *sides: str) -> npt.NDArray[np.float32]:
    """Return a base's features of the rows of the given sides, as ``read_rows`` orders them, shape (rows, d).

    Raises:
        StepError: the base embeds no rows.
    """
    with safe_open(context.file("embed", FEATURES), "np") as file:
        if base not in file.keys():  # noqa: SIM118 - the file is no mapping
            raise StepError(
                f"{context.step} needs the features of {base}, which embeds no rows.",
                where=f"record of embed: unusable.{base}",
                do="take it out of choose_base.bases, or put it last there",
            )
        features: npt.NDArray[np.float32] = file.get_tensor(base)
    embedded = pd.read_parquet(context.file("ingest", ROWS), columns=["side"], filters=[("side", "in", EMBEDDED)])
    return features[embedded["side"].isin(sides).to_numpy()]


def embedded_with(context: Context) -> set[str]:
    """Return the bases that embed rows: one that cannot is passed over."""
    with safe_open(context.file("embed", FEATURES), "np") as file:
        return set(file.keys())
