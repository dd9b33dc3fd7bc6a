"""Which side of the train/test border a row lies on."""

from __future__ import annotations

import numpy as np
import pytest

from graft.data.sides import (
    ACROSS,
    ALIKE,
    BEYOND,
    GROUP,
    LACKS_LABEL,
    NOT_DROPPED,
    REPEAT,
    WAITING,
    Sides,
    assign_sides,
    drop_by_label,
    keep_unlabelled,
    limit_rows_per_class,
    position,
)
from graft.modality.text.normalize import content_key
from graft.rows import TEST, TRAIN, UNLABELLED

NONE = np.empty((0, 2), dtype=np.int64)


def sides(
    natural: str,
    keys: list[int],
    *,
    groups: list[int] | None = None,
    pairs: list[tuple[int, int]] | None = None,
    is_fixed: bool = False,
) -> tuple[str, list[int]]:
    """Assign sides to rows given as letters: r train, e test, d dropped."""
    codes = np.array(["red".index(c) for c in natural], dtype=np.int8)
    found = assign_sides(
        codes,
        np.array(keys, dtype=np.uint64),
        np.array(groups or [0] * len(keys), dtype=np.uint64),
        np.array(pairs, dtype=np.int64) if pairs else NONE,
        is_fixed=is_fixed,
    )  # fmt: skip
    return "".join("red"[c] for c in found.side), found.because.tolist()


@pytest.mark.parametrize(
    "twin", ["Where is MY card", "where  is\nmy card ", "\uff57here is my card", "where is my card"]
)
def test_twins_share_a_key(twin: str) -> None:
    """Case, spacing and Unicode form do not make another text; another word does."""
    assert content_key(twin) == content_key("where is my card")
    assert content_key("where is your card") != content_key("where is my card")
    assert content_key("caf\u00e9") == content_key("cafe\u0301") != content_key("cafe")


def test_share_of_test_rows() -> None:
    """About the asked share of 4,000 contents lies below it: within 4 standard errors, a false alarm in 15,000."""
    places = np.array([position(content_key(f"text number {k}")) for k in range(4000)])
    assert abs((places < 0.3).mean() - 0.3) < 4 * (0.21 / 4000) ** 0.5


def test_rows_that_nothing_resembles_lie_where_they_would() -> None:
    """Without twins, pairs and groups every row keeps its own side."""
    assert sides("rere", [1, 2, 3, 4]) == ("rere", [NOT_DROPPED] * 4)


def test_a_row_joins_the_earlier_row_that_it_resembles() -> None:
    """Where content decides, the later of two alike rows moves to the side of the earlier, along a whole chain."""
    assert sides("ree", [1, 2, 3], pairs=[(0, 1), (1, 2)]) == ("rrr", [NOT_DROPPED] * 3)


def test_a_row_between_both_sides_is_dropped() -> None:
    """A row that resembles one on each side joins neither; one that resembles only the dropped row is free."""
    assert sides("rerr", [1, 2, 3, 4], pairs=[(0, 2), (1, 2), (2, 3)]) == (
        "redr",
        [NOT_DROPPED, NOT_DROPPED, ALIKE, NOT_DROPPED],
    )


def test_where_file_or_group_decide_the_later_of_two_alike_is_dropped() -> None:
    """Given test rows stand first: their twins and their likes are dropped from train, and nothing from test."""
    found = sides("eerrr", [1, 2, 1, 3, 4], pairs=[(1, 3)], is_fixed=True)
    assert found == ("eeddr", [NOT_DROPPED, NOT_DROPPED, ACROSS, ALIKE, NOT_DROPPED])


def test_a_group_never_crosses_where_file_or_time_decide() -> None:
    """A training row whose group has a test row is dropped, and rows without a group never meet."""
    assert sides("errr", [1, 2, 3, 4], groups=[7, 7, 0, 8], is_fixed=True) == (
        "edrr",
        [NOT_DROPPED, GROUP, NOT_DROPPED, NOT_DROPPED],
    )


def test_a_twin_of_a_dropped_row_meets_the_same_likes() -> None:
    """The second of two equal rows is dropped for the same reason as the first, though pairs name only the first."""
    assert sides("ererr", [1, 2, 9, 3, 3], pairs=[(0, 3)], is_fixed=True)[0] == "eredd"


def test_a_row_dropped_by_itself_has_no_say() -> None:
    """A row without a side of its own anchors nobody."""
    assert sides("dre", [1, 1, 2], pairs=[(0, 2)])[0] == "drr"
    assert sides("de", [1, 1])[0] == "de"


def sides_from(side: str) -> Sides:
    return Sides(np.array(["red".index(c) for c in side], dtype=np.int8), np.zeros(len(side), dtype=np.int8))


def test_repeats_conflicts_and_labels() -> None:
    """A training row that repeats one with its label is dropped and the first stays; of two labels both stay; test rows stay."""
    found = sides_from("rrrreeer")
    keys = np.array([1, 1, 1, 2, 5, 5, 3, 4], dtype=np.uint64)
    drop_by_label(found, keys, np.array([0, 0, 1, 0, 1, 1, -1, -1], dtype=np.int32), np.array([0] * 7 + [1]) == 1)
    assert found.because.tolist() == [
        NOT_DROPPED,
        REPEAT,
        NOT_DROPPED,
        NOT_DROPPED,
        NOT_DROPPED,
        NOT_DROPPED,
        LACKS_LABEL,
        WAITING,
    ]


def test_limit_rows_per_class() -> None:
    """At most n training rows of a class remain, test rows all do, and file order does not decide which."""
    rng = np.random.default_rng(0)
    keys, labels = rng.integers(1, 2**63, 200).astype(np.uint64), np.arange(200, dtype=np.int32) % 2
    kept = []
    for order in (np.arange(200), np.arange(200)[::-1]):
        found = sides_from("r" * 150 + "e" * 50)
        found.side = found.side[order]
        limit_rows_per_class(found, keys[order], labels[order], 8)
        assert np.bincount(labels[order][found.on(TRAIN)]).tolist() == [8, 8]
        assert found.on(TEST).sum() == 50
        assert (found.because == BEYOND).sum() == 150 - 16
        kept.append(set(keys[order][found.on(TRAIN)].tolist()))
    assert kept[0] == kept[1] != set(keys[:16].tolist())


def test_unlabelled_rows_have_a_side_of_their_own() -> None:
    """Training rows without a label or beyond the limit are kept, each content once; of test rows and other drops none."""
    found, keys = sides_from("rrrrrrrreed"), np.array([1, 2, 3, 4, 4, 2, 5, 6, 7, 8, 9], dtype=np.uint64)
    labels = np.array([0, 0, 0, -1, -1, -1, -1, 0, 0, -1, -1], dtype=np.int32)
    on_train = found.on(TRAIN)
    drop_by_label(found, keys, labels, keys == 5)
    limit_rows_per_class(found, keys, labels, 2)
    because = found.because.tolist()
    keep_unlabelled(found, keys, on_train)
    kept = np.flatnonzero(found.on(UNLABELLED)).tolist()
    assert {row: because[row] for row in kept} == {0: BEYOND, 3: LACKS_LABEL, 6: WAITING, 7: BEYOND}
    assert np.flatnonzero(found.on(TRAIN)).tolist() == [1, 2]
    assert np.flatnonzero(found.on(TEST)).tolist() == [8]
    assert found.because.tolist() == because
