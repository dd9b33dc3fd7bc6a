"""How many models were measured on these test rows before? Each makes it likelier that one wins by chance.

Looks are counted by row, over all rows: a test set that grew by a few rows is still the one that was looked at, one that was
replaced is new, and leaving some rows out takes away no more than their share.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

N_LETTERS = 8
MOST_ROWS = 100_000
"""Of a larger test set the rows with the least content keys stand for all: 800 kB in a record."""
TRIFLE = 0.01
"""Looks a row that count as none: two test sets may share a greeting."""
_MOST_BEFORE = 64
"""Rows of a test set as earlier versions named it, parted by blanks: those with the least keys."""
ALPHA = 0.05


def rows_of(keys: Iterable[str]) -> str:
    """Return a test set as a record names it: the beginnings of its rows' content keys, sorted, one behind the other."""
    return "".join(sorted({key[:N_LETTERS] for key in keys})[:MOST_ROWS])


def count_looks(rows: str, earlier: Iterable[str]) -> int:
    """Return how many of the earlier models saw these rows: the mean over the rows, rounded up.

    A test set of which only the rows with the least keys were kept says nothing of rows beyond them, so the share is taken over
    the others. Where there are none, all rows count as seen: who leaves out just the rows that were kept has no new test set.

    Args:
        rows: as ``rows_of`` names them.
        earlier: the rows of each earlier model; empty: it did not say.

    Cost: O(rows) a model.
    """
    now = _keys(rows)
    total = sum(_share_seen(now, rows_before) for rows_before in earlier if rows_before) if now else 0.0
    return max(0, math.ceil(total - TRIFLE))


def _share_seen(now: set[str], before: str) -> float:
    known = _keys(before)
    is_whole = len(known) < (_MOST_BEFORE if " " in before else MOST_ROWS)
    last = max(known)
    comparable = now if is_whole else {key for key in now if key <= last}
    return len(comparable & known) / len(comparable) if comparable else 1.0


def _keys(rows: str) -> set[str]:
    """Return the keys in a record's rows, as they are written now or were before."""
    packed = rows.replace(" ", "")
    return {packed[at : at + N_LETTERS] for at in range(0, len(packed), N_LETTERS)}


def level_after(n_looks: int) -> float:
    """Return the level that intervals need after so many looks: .95 for the first two, then ever nearer to 1.

    The first model and its first challenger are each judged once and err with probability .05; all later challengers together
    with .05 too, however many: the one after n looks with .05 / (n (n - 1)).
    """
    return 1 - (ALPHA if n_looks < 2 else ALPHA / (n_looks * (n_looks - 1)))


def level_against_best(n_looks: int, n_compared: int) -> float:
    """Return the level of the interval against the best champion so far.

    Where another model is in force, each further candidate is one more chance to pass for as good as the best, on fresh rows too.
    So all comparisons with one best champion together err with probability .05, however many there are.

    Args:
        n_looks: models that were measured on these test rows before.
        n_compared: candidates that were compared with this best champion before, on any rows.

    Error: cumulative loss stays within the margin with probability .95 or more over 100 rounds (benchmarks/ratchet.py).
    """
    return max(level_after(n_looks), level_after(n_compared))
