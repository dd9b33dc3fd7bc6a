"""The share of rows that stand out below a reference: exact where splits can be counted, a bound where rows are planted."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from graft.stats.foreign import foreign_share, savage


def test_p_is_that_of_all_splits() -> None:
    """For 4 current among 9 rows, ties among them, p lies within three standard errors of what all 126 splits give."""
    current, reference = np.array([0.1, 0.2, 0.2, 0.9]), np.array([0.2, 0.5, 0.6, 0.7, 0.8])
    of = savage(np.concatenate([current, reference]))
    sums = np.array([of[list(chosen)].sum() for chosen in combinations(range(9), 4)])
    exact = (sums >= of[:4].sum() - 1e-9).mean()
    found = foreign_share(reference, current, rng=np.random.default_rng(0), n_permutations=20_000).p_value
    assert found == pytest.approx(exact, abs=3 * np.sqrt(exact * (1 - exact) / 20_000) + 1e-4)


def test_scores_are_those_of_savage() -> None:
    """The lowest of three values has 1 + 1/2 + 1/3, the highest 1/3; equal values share a mean, and the mean of all is 1."""
    assert savage(np.array([5.0, 1.0, 3.0])) == pytest.approx([1 / 3, 11 / 6, 5 / 6])
    assert savage(np.array([1.0, 1.0, 3.0])) == pytest.approx([4 / 3, 4 / 3, 1 / 3])
    assert savage(np.random.default_rng(0).integers(0, 5, 200).astype(float)).mean() == pytest.approx(1)


def test_planted_rows_are_counted_from_below() -> None:
    """With 20% rows below all others the share is .2 within .05 and its lower end no more; without, p is no small one.

    Rows that score as known ones do are in no count: the share of half-hidden ones is below the truth.
    """
    rng = np.random.default_rng(1)
    reference, known = rng.normal(size=1_000), rng.normal(size=360)
    far = foreign_share(reference, np.r_[known, rng.normal(-6, 1, 90)], rng=rng, n_permutations=999)
    assert far.p_value == pytest.approx(0.001)
    assert far.share.value == pytest.approx(0.2, abs=0.05)
    assert 0.12 < far.share.ci_low <= 0.2 <= far.share.ci_high
    near = foreign_share(reference, np.r_[known, rng.normal(-1, 1, 90)], rng=rng, n_permutations=999)
    assert near.share.ci_low < near.share.value < 0.2
    none = foreign_share(reference, known, rng=rng, n_permutations=999)
    assert none.p_value > 0.05
    assert none.share.ci_low == 0


@pytest.mark.parametrize("current", [np.full(20, -1.0), np.full(20, 2.0), np.full(1, 0.5)])
def test_constant_scores_and_a_single_row(current: np.ndarray) -> None:
    """All rows below, all rows above, and one row give a share between 0 and 1, and a p above 0."""
    found = foreign_share(np.linspace(0, 1, 50), current, rng=np.random.default_rng(0), n_permutations=99)
    assert 0 <= found.share.ci_low <= found.share.value <= found.share.ci_high <= 1
    assert 0 < found.p_value <= 1
    if len(current) > 1:
        assert (found.share.ci_low > 0.5) == (current[0] < 0)


@pytest.mark.parametrize("bad", [np.empty(0), np.array([np.nan, 1.0])])
def test_no_rows_and_no_numbers_are_refused(bad: np.ndarray) -> None:
    """A share of nothing, or of what is no number, is an error and no number."""
    for sides in ((bad, np.ones(3)), (np.ones(3), bad)):
        with pytest.raises(ValueError, match="finite"):
            foreign_share(*sides, rng=np.random.default_rng(0), n_permutations=9)
