"""Which side of the train/test border a row lies on. What a row is, was decided when it came: later rows never change it.

By itself a row lies where the hash of its group (of its content, without groups) puts it, or its time, or the file it came in.
Rows that are alike must not lie on both sides. So each row is held against the rows *before* it: where hash alone decides, it
joins the side of those it resembles; where group, time or file decide, it is dropped if one that it resembles lies across.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from graft.records import TAKEN_OUT
from graft.rows import DROPPED, SIDES, TEST, TRAIN, UNLABELLED

BECAUSE = (
    "",
    "also on the other side",
    "like a row on the other side",
    "its group stands on the other side",
    "no time",
    TAKEN_OUT,
    "no label",
    "waits for its label",
    "repeats another row",
    "beyond the rows per class",
)
"""Why a row was dropped, or is learned from without a label; a reason's code is its place here."""
NOT_DROPPED, ACROSS, ALIKE, GROUP, NO_TIME, REPAIRED, LACKS_LABEL, WAITING, REPEAT, BEYOND = range(len(BECAUSE))
_TRAIN, _TEST, _DROPPED, _UNLABELLED = (SIDES.index(side) for side in (TRAIN, TEST, DROPPED, UNLABELLED))

Codes = npt.NDArray[np.int8]
Keys = npt.NDArray[np.uint64]


def position(key: str) -> float:
    """Return a place in [0, 1) that the key alone determines."""
    return int(hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:13], 16) / 16**13


@dataclass
class Sides:
    """Each row's side, and why it was dropped or has no label, as codes, shape (n,)."""

    side: Codes
    because: Codes

    def drop(self, rows: npt.NDArray[np.bool_], because: int) -> None:
        """Drop rows, unless they are dropped already."""
        now = rows & (self.side != _DROPPED)
        self.side[now], self.because[now] = _DROPPED, because

    def stands_across(self) -> npt.NDArray[np.bool_]:
        """Return which rows were dropped because they, one like them or their group stand on the other side."""
        return np.isin(self.because, (ACROSS, ALIKE, GROUP))

    def on(self, side: str) -> npt.NDArray[np.bool_]:
        """Return which rows lie on a side."""
        chosen: npt.NDArray[np.bool_] = self.side == SIDES.index(side)
        return chosen


def assign_sides(natural: Codes, keys: Keys, groups: Keys, pairs: npt.NDArray[np.int64], *, is_fixed: bool) -> Sides:
    """Put every row on a side so that no two that are alike, and no group, lie on both.

    Args:
        natural: shape (n,), where each row lies by itself (codes of ``SIDES``), in the order in which the rows came; given test
            rows stand first. A row that is dropped by itself has no say in what others do.
        keys: shape (n,), the content of each row; equal contents have equal keys.
        groups: shape (n,), 0 for none.
        pairs: shape (m, 2), rows that resemble one another: the first rows of two different contents.
        is_fixed: group, time or file decide (a row that resembles one across is dropped); else the content's hash does (it
            joins that side, and is dropped only if it resembles rows of both).

    Returns:
        sides and reasons. Those of the first k rows do not depend on the rows after them, if ``pairs`` does not.

    Cost: O(n log n + m); a Python loop over just the rows that have a twin, a relative or, with ``is_fixed``, a group.
    """
    _, contents = np.unique(keys, return_inverse=True)
    counts = np.bincount(contents)
    alike: dict[int, list[int]] = defaultdict(list)
    for a, b in contents[pairs].tolist():
        alike[a].append(b)
        alike[b].append(a)
    sides = Sides(natural.copy(), np.full(len(natural), NOT_DROPPED, dtype=np.int8))
    has_relatives = counts[contents] > 1
    if alike:
        has_relatives |= np.isin(contents, np.fromiter(alike, dtype=np.int64))
    if is_fixed:
        has_relatives |= groups != 0
    side_of_content: dict[int, int] = {}
    side_of_group: dict[int, int] = {}
    for row in np.flatnonzero(has_relatives & (natural != _DROPPED)).tolist():
        content, group, side = int(contents[row]), int(groups[row]) if is_fixed else 0, int(natural[row])
        seen = [
            (side_of_content.get(content), ACROSS),
            *((side_of_content.get(other), ALIKE) for other in alike.get(content, ())),
            *([(side_of_group.get(group), GROUP)] if group else []),
        ]
        near = {other for other, _ in seen if other is not None}
        if not is_fixed and len(near) == 1:
            side = sides.side[row] = near.pop()
        elif near - {side} or len(near) == 2:
            other = 1 - side
            sides.side[row], sides.because[row] = _DROPPED, next(why for at, why in seen if at == other)
            continue
        side_of_content.setdefault(content, side)
        if group:
            side_of_group.setdefault(group, side)
    return sides


def drop_by_label(sides: Sides, keys: Keys, labels: npt.NDArray[np.int32], has_id: npt.NDArray[np.bool_]) -> None:
    """Drop rows without a label, and training rows that repeat an earlier one with the same label.

    A content that stands with two labels keeps a row for each, as neither is known to be right.

    Args:
        labels: shape (n,), codes; -1 for none. A row with an id can still get one: it waits.
    """
    sides.drop((labels < 0) & has_id, WAITING)
    sides.drop(labels < 0, LACKS_LABEL)
    on_train = np.flatnonzero(sides.on(TRAIN))
    order = on_train[np.lexsort((on_train, labels[on_train], keys[on_train]))]
    same = (keys[order][1:] == keys[order][:-1]) & (labels[order][1:] == labels[order][:-1])
    repeats = np.zeros(len(keys), dtype=bool)
    repeats[order[1:][same]] = True
    sides.drop(repeats, REPEAT)


def limit_rows_per_class(sides: Sides, keys: Keys, labels: npt.NDArray[np.int32], n: int) -> None:
    """Drop all but ``n`` training rows of each class; which ones, the hash of the content decides."""
    on_train = np.flatnonzero(sides.on(TRAIN))
    places = np.array([position(f"{key:016x}") for key in keys[on_train].tolist()])
    order = on_train[np.lexsort((on_train, places, labels[on_train]))]
    ordered = labels[order]
    starts = np.searchsorted(ordered, ordered, side="left")
    over = np.zeros(len(keys), dtype=bool)
    over[order[np.arange(len(order)) - starts >= n]] = True
    sides.drop(over, BEYOND)


def keep_unlabelled(sides: Sides, keys: Keys, on_train: npt.NDArray[np.bool_]) -> None:
    """Put rows of the training side that were dropped for want of a label, or beyond the rows per class, on a side of their own.

    Each content is learned from once: the first row of it stays, and none of a content that a training row has.

    Args:
        on_train: shape (n,), the rows that lay on the training side before any was dropped for its label.
    """
    rows = np.flatnonzero(on_train & np.isin(sides.because, (LACKS_LABEL, WAITING, BEYOND)))
    rows = rows[~np.isin(keys[rows], keys[sides.on(TRAIN)])]
    _, first = np.unique(keys[rows], return_index=True)
    sides.side[rows[first]] = _UNLABELLED
