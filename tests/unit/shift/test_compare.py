"""Comparing two samples: shifted only if significant and large."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graft.recipe.schema import DetectShift
from graft.records import ShiftComparison, ShiftKind
from graft.shift.compare import compare
from graft.shift.sample import Sample
from graft.shift.wording import chance, shift_sentence


def sample(seed: int, n: int, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1, (n, 6)).astype(np.float32) + np.float32(shift)


def compared(reference: np.ndarray, current: np.ndarray, **changed: Any) -> ShiftComparison:
    settings = {"alpha": 0.05, "max_auc": 0.65, "n_permutations": 199, "max_rows": 1000, **changed}
    now = Sample("now", current, rows=[f"row {k}" for k in range(len(current))])
    return compare("now", Sample("then", reference), now, DetectShift(**settings), rng=np.random.default_rng(0))


@pytest.mark.parametrize(
    ("n", "shift", "max_auc", "shifted", "because"),
    [
        (200, 0.0, 0.65, False, "is not below"),
        (400, 0.15, 0.75, False, "small difference"),
        (200, 0.7, 0.65, True, "large"),
        (12, 0.25, 0.5, False, "is not below"),  # a large effect that is chance
    ],
)
def test_shifted_needs_both(n: int, shift: float, max_auc: float, shifted: bool, because: str) -> None:
    """A difference that is only significant, or only large, is no shift; the reason names the half that is missing."""
    found = compared(sample(1, n), sample(2, n, shift), max_auc=max_auc)
    assert found.shifted is shifted
    assert because in found.because
    assert found.auc is not None
    assert found.n_permutations == 199
    if n == 12:
        assert found.auc.value > max_auc


@pytest.mark.parametrize(("n", "m"), [(9, 50), (50, 9), (0, 50)])
def test_few_rows_cannot_tell(n: int, m: int) -> None:
    """With fewer than 10 rows on a side nothing is compared, and the reason says how many there were."""
    found = compared(sample(1, n), sample(2, m))
    assert (found.auc, found.p_value, found.shifted) == (None, None, None)
    assert found.because == f"{min(n, m)} rows on one side; 10 are needed"


def test_most_shifted_rows_are_named() -> None:
    """The rows named as least like the reference are planted ones, also when rows were drawn; without a shift none is."""
    current = sample(2, 300)
    current[::3] += 3
    for max_rows in (1000, 150):
        found = compared(sample(1, 300), current, max_rows=max_rows)
        assert found.shifted
        assert len(found.most_shifted) == 5
        assert all(int(name.removeprefix("row ")) % 3 == 0 for name in found.most_shifted)
    assert compared(sample(1, 300), sample(2, 300)).most_shifted == ()


def test_max_rows_bounds_the_sample() -> None:
    """At most ``max_rows`` of each side are compared."""
    found = compared(sample(1, 300), sample(2, 80), max_rows=60)
    assert found.auc is not None
    assert found.auc.n == 60


def test_a_shift_is_told_in_a_line() -> None:
    """How far, and in which ways; what was not found is left out."""
    kinds = (
        ShiftKind(name="covariate", found=False, because=""),
        ShiftKind(name="label", found=True, because=""),
        ShiftKind(name="concept", found=True, because=""),
    )
    one = compared(sample(1, 100), sample(2, 100, 1.0)).model_copy(update={"kinds": kinds})
    assert (
        shift_sentence(one) == f"shifted: AUC {one.auc.value if one.auc else 0:.2f}, mix of classes, meaning of labels"
    )
    assert (chance(0.0123), chance(0.001), chance(1e-300)) == ("p 0.012", "p 0.001", "p under 0.001")
