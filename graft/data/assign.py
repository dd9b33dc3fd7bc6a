"""From a dataset's files to rows with a side: gather, join late labels, find what is alike, assign."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from graft.data.gather import DROP, Gathered, Progress, gather
from graft.data.sides import (
    NO_TIME,
    REPAIRED,
    Sides,
    assign_sides,
    drop_by_label,
    keep_unlabelled,
    limit_rows_per_class,
)
from graft.data.sketches import Sketches
from graft.data.source_files import Part
from graft.data.updates import Updates, apply_updates
from graft.recipe import Data
from graft.rows import DROPPED, SIDES, TRAIN


@dataclass
class Placed:
    """Every row with its side, in the order in which the rows came.

    ``rows`` is the Parquet file with what was read of them; see ``graft.rows``. ``pairs``, shape (m, 2), are rows that resemble
    one another, the earlier first. ``updates`` says which rows only relabel an earlier one: those are no rows of their own.
    """

    rows: Path
    gathered: Gathered
    updates: Updates
    pairs: npt.NDArray[np.int64]
    sides: Sides


def place_rows(
    parts: list[Part], data: Data, repairs: Mapping[str, str | None], scratch: Path, progress: Progress
) -> Placed:
    """Put every row of a dataset on a side, and stream the rows into a file of the folder ``scratch``.

    The side of a row never changes as parts are added behind those that are there: it may only become, or stop being, dropped
    or unlabelled for its label.

    Raises:
        InputError: see ``gather`` and ``apply_updates``.

    Cost: one pass over the files; some 350 bytes of memory a row: 2.1 GiB for 5 million short texts, benchmarks/million_rows.py.
    """
    rows, sketches = scratch / "rows.parquet", Sketches(scratch / "sketches", data.modality)
    gathered = gather(parts, data, repairs, rows, sketches, progress)
    index = gathered.index
    updates = apply_updates(index, gathered.name)
    pairs = sketches.pairs(index["key"].to_numpy(), min_similarity=data.min_similarity)
    return Placed(rows, gathered, updates, pairs, _sides(gathered, updates, pairs, data))


def _sides(gathered: Gathered, updates: Updates, pairs: npt.NDArray[np.int64], data: Data) -> Sides:
    """Return every row's side; an update of another row, and one that a repair took out, lies on none."""
    index = gathered.index
    keys, labels, natural = (index[name].to_numpy() for name in ("key", "label", "natural"))
    taken_out = (index["repaired"] == DROP).to_numpy() & ~updates.is_update
    no_time = (natural == SIDES.index(DROPPED)) & ~taken_out & ~updates.is_update
    natural = np.where(taken_out | updates.is_update, SIDES.index(DROPPED), natural).astype(np.int8)
    is_fixed = data.group is not None or data.test is not None or data.test_from is not None
    sides = assign_sides(natural, keys, index["group"].to_numpy(), pairs, is_fixed=is_fixed)
    sides.because[no_time], sides.because[taken_out] = NO_TIME, REPAIRED
    on_train = sides.on(TRAIN)
    drop_by_label(sides, keys, labels, index["id"].to_numpy() != 0)
    if data.rows_per_class:
        limit_rows_per_class(sides, keys, labels, data.rows_per_class)
    if data.unlabelled:
        keep_unlabelled(sides, keys, on_train)
    return sides
