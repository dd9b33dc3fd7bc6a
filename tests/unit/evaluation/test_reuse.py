"""Looks at a test set are counted by row, and raise the level of what follows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import pytest

from graft.evaluation import reuse
from graft.evaluation.reuse import count_looks, level_after, rows_of


def keys(*, of: Iterable[int]) -> list[str]:
    return [hashlib.sha256(str(k).encode()).hexdigest()[:16] for k in of]


def as_before(of: Iterable[int]) -> str:
    """Return the rows of a test set as records named them before: 64 at most."""
    return " ".join(sorted({key[:8] for key in keys(of=of)})[:64])


def test_the_same_rows_are_one_look_each_time_and_other_rows_none() -> None:
    """Order does not matter, every row is named, and a set that nobody saw is new."""
    seen = rows_of(keys(of=range(500)))
    assert len(seen) == 500 * 8
    assert rows_of(reversed(keys(of=range(500)))) == seen
    assert count_looks(seen, [seen, seen, seen]) == 3
    assert count_looks(seen, [rows_of(keys(of=range(500, 900)))]) == 0
    assert count_looks(seen, []) == count_looks("", [seen]) == count_looks(seen, [""]) == 0


def test_a_test_set_that_grew_is_still_the_one_that_was_looked_at() -> None:
    """Of 600 rows 500 had four looks: 3.3 a row, which counts as four; of 2,000 rows 500: one look a row."""
    before = [rows_of(keys(of=range(500)))] * 4
    assert count_looks(rows_of(keys(of=range(600))), before) == 4
    assert count_looks(rows_of(keys(of=range(2000))), before) == 1


@pytest.mark.parametrize("n_out", [1, 64, 65, 200])
@pytest.mark.parametrize("end", ["least", "greatest"])
def test_no_rows_can_be_left_out_to_hide_looks(n_out: int, end: str) -> None:
    """After nine looks at 343 rows a set without its least, or greatest, keys has nine looks, however many are left out."""
    every = sorted(keys(of=range(343)))
    left = every[n_out:] if end == "least" else every[:-n_out]
    assert count_looks(rows_of(left), [rows_of(every)] * 9) == 9


def test_decoys_hide_no_more_than_their_share() -> None:
    """Sixty-four other rows in place of those with the least keys: 81% of the rows had nine looks, which makes eight."""
    left = [*sorted(keys(of=range(343)))[64:], *keys(of=range(1000, 1064))]
    assert count_looks(rows_of(left), [rows_of(keys(of=range(343)))] * 9) == 8


def test_what_earlier_versions_wrote_still_counts() -> None:
    """Records that name 64 rows: the same rows, more rows, and rows without just those 64 are seen; other rows are not."""
    every = sorted(keys(of=range(343)))
    before = [as_before(range(343))] * 9
    for now in (every, [*every, *keys(of=range(400, 410))], every[64:]):
        assert count_looks(rows_of(now), before) == 9
    assert count_looks(rows_of(keys(of=range(1000, 1343))), before) == 0
    assert count_looks(rows_of(keys(of=range(40))), [as_before(range(40))]) == 1
    assert count_looks(rows_of(keys(of=range(40, 80))), [as_before(range(40))]) == 0


def test_a_large_test_set_is_named_by_some_of_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the largest number the least keys stand for all: the same rows are seen, without those too, others are new."""
    monkeypatch.setattr(reuse, "MOST_ROWS", 100)
    seen = rows_of(keys(of=range(500)))
    assert len(seen) == 100 * 8
    assert count_looks(seen, [seen]) == 1
    assert count_looks(rows_of(sorted(keys(of=range(500)))[100:]), [seen]) == 1
    assert count_looks(rows_of(keys(of=range(500, 1000))), [seen]) == 0


def test_a_shared_greeting_is_no_look() -> None:
    """One row in two hundred that both sets hold is no look; one in twenty is."""
    now = rows_of(keys(of=range(200)))
    assert count_looks(now, [rows_of(keys(of=range(199, 400)))]) == 0
    assert count_looks(now, [rows_of(keys(of=range(190, 400)))]) == 1


def test_all_looks_after_the_second_err_together_as_often_as_one() -> None:
    """The levels begin at .95 twice, rise, and what is left of 1 sums to .05 over all later ones."""
    levels = [level_after(n) for n in range(2000)]
    assert levels[:2] == pytest.approx([0.95, 0.95])
    assert levels[2:5] == pytest.approx([0.975, 1 - 0.05 / 6, 1 - 0.05 / 12])
    assert levels == sorted(levels)
    assert sum(1 - level for level in levels[2:]) == pytest.approx(0.05, abs=1e-4)
