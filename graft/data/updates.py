"""Labels that came later: joined to their row by its id; the last one counts, and every one stays in its file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from graft.errors import InputError


@dataclass(frozen=True)
class Updates:
    """Rows that only relabel an earlier one, and what they did; ``late`` and ``corrected`` are pairs (update, row)."""

    is_update: npt.NDArray[np.bool_]
    late: list[tuple[int, int]]
    corrected: list[tuple[int, int]]


def apply_updates(index: pd.DataFrame, name: Callable[[int], str]) -> Updates:
    """Give each row its last label, in place.

    A row with an id that came before is an update of that row: of its label, if it brings one.

    Args:
        index: as ``gather`` returns it; column ``label`` is changed.
        name: a row's name for people.

    Raises:
        InputError: a label for an id that no row has, or an id that stands for two contents.

    Cost: O(n log n); a Python loop over the updates.
    """
    ids, keys, label = index["id"].to_numpy(), index["key"].to_numpy(), index["label"].to_numpy().copy()
    only_label = index["is_label_only"].to_numpy()
    given = np.flatnonzero(ids)
    _, first, where = np.unique(ids[given], return_index=True, return_inverse=True)
    rows = given[first][where]
    for update in given[only_label[given] & (rows == given)][:1].tolist():
        raise InputError(
            "A label came for a row that is not here.",
            where=name(update),
            do="add the rows first: graft add RECIPE ROWS",
        )
    late: list[tuple[int, int]] = []
    corrected: list[tuple[int, int]] = []
    is_update = np.zeros(len(index), dtype=bool)
    later = given != rows
    for update, row in zip(given[later].tolist(), rows[later].tolist(), strict=True):
        if not only_label[update] and keys[update] != keys[row]:
            raise id_of_two(
                "different rows",
                where=f"{name(row)} and {name(update)}",
                do="give each row its own id",
            )
        is_update[update] = True
        if label[update] >= 0 and label[update] != label[row]:
            (late if label[row] < 0 else corrected).append((update, row))
            label[row] = label[update]
    index["label"] = label
    return Updates(is_update, late, corrected)


def id_of_two(kind: str, *, where: str, do: str) -> InputError:
    """Return the error of an id under which two contents, or two labels in one file, came."""
    return InputError(f"One id stands for two {kind}.", where=where, do=do, code="id-ambiguous")
