"""Does a column that nobody named keep rows of one customer or patient together? Then splitting them leaks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from graft.leak import names_unit, repeats_like_unit
from graft.rows import COLUMN

_IDENTIFIER = r"^(?:[A-Za-z]{1,8}[-_.:]?[0-9]{2,}|[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{12,64})$"
_MIN_VALUES = 5


def is_named_like_group(column: str) -> bool:
    """Tell whether a column's name says customer, patient, user and the like."""
    return names_unit(column.removeprefix(COLUMN))


def looks_like_group(column: str, values: pd.Series) -> bool:
    """Tell whether a column may be a customer's or patient's key: by its name, or because its values look like identifiers."""
    if is_named_like_group(column):
        return True
    filled = values[values != ""].drop_duplicates()
    return len(filled) >= _MIN_VALUES and bool(filled.str.match(_IDENTIFIER).mean() >= 0.9)


def crossing(
    hashes: npt.NDArray[np.uint64], on_train: npt.NDArray[np.bool_], on_test: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """Return which test rows have a value that also stands in train; none where the column cannot be a group.

    A group repeats (at least 1.1 rows a value), has at least 5 values, and none of them takes a fifth of the rows.

    Args:
        hashes: shape (n,), 0 for empty cells.
        on_train, on_test: shape (n,).

    Cost: one sort.
    """
    nothing = np.zeros(len(hashes), dtype=bool)
    used = (on_train | on_test) & (hashes != 0)
    _, counts = np.unique(hashes[used], return_counts=True)
    if not repeats_like_unit(counts.tolist()):
        return nothing
    across: npt.NDArray[np.bool_] = used & on_test & np.isin(hashes, hashes[used & on_train])
    return across
