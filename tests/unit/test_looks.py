"""Looks at a test set are counted by row, and raise the level of what follows."""

from __future__ import annotations

import hashlib

import pytest

from graft.looks import N_SAMPLED, count_looks, level_after, sample_of


def keys(*, of: range) -> list[str]:
    return [hashlib.sha256(str(k).encode()).hexdigest() for k in of]


def test_the_same_rows_are_one_look_each_time_and_other_rows_none() -> None:
    """Order does not matter, and a set that nobody saw is new."""
    seen = sample_of(keys(of=range(500)))
    assert len(seen.split()) == N_SAMPLED
    assert sample_of(reversed(keys(of=range(500)))) == seen
    assert count_looks(seen, [seen, seen, seen]) == 3
    assert count_looks(seen, [sample_of(keys(of=range(500, 900)))]) == 0
    assert count_looks(seen, []) == count_looks("", [seen]) == 0


def test_a_test_set_that_grew_is_still_the_one_that_was_looked_at() -> None:
    """Of 600 rows 500 had four looks: 3.3 a row, which counts as four; of 2,000 rows 500: one look a row, or two by chance."""
    before = [sample_of(keys(of=range(500)))] * 4
    assert count_looks(sample_of(keys(of=range(600))), before) == 4
    assert count_looks(sample_of(keys(of=range(2000))), before) in (1, 2)


def test_all_looks_after_the_second_err_together_as_often_as_one() -> None:
    """The levels begin at .95 twice, rise, and what is left of 1 sums to .05 over all later ones."""
    levels = [level_after(n) for n in range(2000)]
    assert levels[:2] == pytest.approx([0.95, 0.95])
    assert levels[2:5] == pytest.approx([0.975, 1 - 0.05 / 6, 1 - 0.05 / 12])
    assert levels == sorted(levels)
    assert sum(1 - level for level in levels[2:]) == pytest.approx(0.05, abs=1e-4)
