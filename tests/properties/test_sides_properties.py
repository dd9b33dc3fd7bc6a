"""What holds of sides for any rows, twins, likenesses and groups."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.data.sides import Sides, assign_sides

TRAIN, TEST, DROPPED = range(3)
ROW = st.tuples(st.sampled_from([TRAIN, TEST, TRAIN, TEST, DROPPED]), st.integers(1, 9), st.integers(0, 4))
ROWS = st.lists(ROW, min_size=1, max_size=30)
ALIKE = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), max_size=8)


def assign(rows: list[tuple[int, int, int]], alike: list[tuple[int, int]], *, is_fixed: bool) -> Sides:
    """Assign sides to rows of (natural side, content, group), where contents are alike in pairs."""
    natural, contents, groups = (np.array(column) for column in zip(*rows, strict=True))
    if not is_fixed:  # the hash of the content decides: twins lie together by themselves
        natural = np.where(natural == DROPPED, DROPPED, contents % 2)
    first = {content: k for k, (_, content, _) in reversed(list(enumerate(rows)))}
    pairs = {tuple(sorted((first[a], first[b]))) for a, b in alike if a != b and a in first and b in first}
    return assign_sides(
        natural.astype(np.int8),
        contents.astype(np.uint64),
        groups.astype(np.uint64),
        np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2),
        is_fixed=is_fixed,
    )


@settings(max_examples=400, deadline=None)
@given(ROWS, ROWS, ALIKE, st.booleans())
def test_sides_never_change_as_rows_are_added(rows: list, more: list, alike: list, is_fixed: bool) -> None:
    """Whatever comes later, a row keeps its side and the reason for it."""
    before, after = assign(rows, alike, is_fixed=is_fixed), assign(rows + more, alike, is_fixed=is_fixed)
    assert after.side[: len(rows)].tolist() == before.side.tolist()
    assert after.because[: len(rows)].tolist() == before.because.tolist()


@settings(max_examples=400, deadline=None)
@given(ROWS, ALIKE, st.booleans())
def test_nothing_alike_crosses(rows: list, alike: list, is_fixed: bool) -> None:
    """No content lies on both sides, no two alike contents do, and with a file or time deciding no group does."""
    sides = assign(rows, alike, is_fixed=is_fixed)
    on = [{c for (_, c, _), side in zip(rows, sides.side, strict=True) if side == which} for which in (TRAIN, TEST)]
    assert not on[0] & on[1]
    assert not any((a in on[0] and b in on[1]) or (b in on[0] and a in on[1]) for a, b in alike if a != b)
    if is_fixed:
        groups = [
            {g for (_, _, g), side in zip(rows, sides.side, strict=True) if side == which} for which in (TRAIN, TEST)
        ]
        assert not (groups[0] & groups[1]) - {0}
    for (natural, _, _), side in zip(rows, sides.side.tolist(), strict=True):
        assert side in {natural, DROPPED} if is_fixed else (side == DROPPED or natural != DROPPED)
