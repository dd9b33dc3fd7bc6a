"""Does a column give the label away?"""

from __future__ import annotations

import pandas as pd

_BINS = 50


def leak(cells: pd.Series, labels: pd.Series, *, threshold: float = 0.98) -> float | None:
    """Return the share of rows whose label a column alone determines, or None where it does not give the label away.

    The share is that of the commonest label for each value, an empty cell being a value; numbers of more than 50 values are cut
    into 50 bins of equal size first. The column gives the label away where the share reaches ``threshold`` and leaves at most a
    fifth of the error of always naming the commonest label.

    Args:
        cells: strings, one a row.
        labels: the label of each row; rows without one are left out.

    Assumes: ten rows a value on average; with fewer a column may seem to determine anything, and None is returned.
    Cost: O(rows).
    """
    labelled = labels != ""
    cells, labels = cells[labelled], labels[labelled]
    if cells.nunique() > _BINS:
        numbers = pd.to_numeric(cells.str.replace(",", "."), errors="coerce")
        if (numbers.isna() == (cells == "")).all():
            cells = (numbers.rank(pct=True) * _BINS).fillna(-1).round()
    n = len(labels)
    if n == 0 or n < 10 * cells.nunique():
        return None
    share = float(pd.crosstab(cells, labels).max(axis=1).sum()) / n
    majority = float(labels.value_counts().iloc[0]) / n
    return share if share >= threshold and 1 - share <= 0.2 * (1 - majority) else None
