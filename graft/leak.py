"""Does a column give the label away? Then a model that sees it, or a person who made the label from it, learns nothing new."""

from __future__ import annotations

import re
from collections.abc import Collection

import numpy as np
import numpy.typing as npt
import pandas as pd

MIN_SHARE = 0.98
"""A column that is right for so many rows gives the label away."""
UNITS = (
    "account|author|client|conversation|customer|device|driver|employee|family|household|member|participant|patient|person|"
    "session|speaker|student|subject|thread|ticket|user|visitor"
)
"""What has several rows each, which belong on one side."""
_MIN_VALUES, _MIN_ROWS_PER_VALUE, _MAX_SHARE = 5, 1.1, 0.2
_SUFFIX = r"s?(?:[_\W]*(?:id|key|no|nr|num|number|uuid|hash|code|name|ref))?"
_MAX_MAJORITY = 0.9
_MIN_ROWS = 50
_ROWS_PER_VALUE = 20
_N_BINS = 50


def names_unit(column: str, units: str = UNITS) -> bool:
    """Return whether a column's name is that of a unit, or of its id: ``patientID``, ``author name``; not ``user_timezone``."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", column)
    return re.fullmatch(rf"(?:^|.*[_\W])(?:{units}){_SUFFIX}", spaced, re.IGNORECASE) is not None


def repeats_like_unit(counts: Collection[int]) -> bool:
    """Return whether a column's values repeat as those of a unit: 5 at least, with 1.1 rows each, none with over a fifth of all.

    Args:
        counts: the rows of each value.
    """
    n_rows = sum(counts)
    return (
        len(counts) >= _MIN_VALUES
        and n_rows >= _MIN_ROWS_PER_VALUE * len(counts)
        and max(counts) <= _MAX_SHARE * n_rows
    )


def share_given_away(values: pd.Series, labels: npt.NDArray[np.int_]) -> float:
    """Return the share of rows whose label is the most frequent one of their value; 0 where that cannot be judged.

    A column of at least 20 rows a value is taken as it stands, empty cells being a value. One of more values is taken if it is
    numeric, in up to 50 bins of equal counts. Not judged: fewer than 50 rows, or a class that 90% of the rows have anyway.

    Args:
        values: shape (n,), strings.
        labels: shape (n,), codes >= 0.

    Error: upwards by about (values / rows), at most 0.05, for a column that says nothing.
    """
    n = len(labels)
    if n < _MIN_ROWS or np.bincount(labels).max() >= _MAX_MAJORITY * n:
        return 0.0
    codes, distinct = pd.factorize(values)
    if len(distinct) > n / _ROWS_PER_VALUE:
        numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
        filled = (values != "").to_numpy(dtype=bool)
        if not filled.any() or np.isfinite(numbers[filled]).mean() < 0.95:
            return 0.0
        codes = _bins(numbers)
    table = np.zeros((codes.max() + 1, labels.max() + 1), dtype=int)
    np.add.at(table, (codes, labels), 1)
    return float(table.max(axis=1).sum() / n)


def _bins(numbers: npt.NDArray[np.float64]) -> npt.NDArray[np.int_]:
    """Return each number's bin, 0 for what is no number; equal numbers share a bin."""
    finite = numbers[np.isfinite(numbers)]
    edges = np.unique(np.quantile(finite, np.linspace(0, 1, min(_N_BINS, len(finite) // _ROWS_PER_VALUE) + 1)[1:-1]))
    bins: npt.NDArray[np.int_] = np.where(np.isfinite(numbers), 1 + np.searchsorted(edges, numbers), 0)
    return bins
