"""Macro F1 and its interval."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score

from graft.stats.f1 import macro_f1


@pytest.mark.parametrize("n_classes", [2, 5, 40])
def test_macro_f1_is_sklearns(n_classes: int) -> None:
    """Classes without a row or without a prediction count too; the interval holds the estimate, and a seed gives it again."""
    rng = np.random.default_rng(n_classes)
    y_true, y_pred = rng.integers(0, n_classes, 120).astype(str), rng.integers(1, n_classes + 1, 120).astype(str)
    found = macro_f1(y_true, y_pred, rng=np.random.default_rng(0))
    assert found.value == pytest.approx(f1_score(y_true, y_pred, average="macro"))
    assert found.ci_low <= found.value <= found.ci_high
    assert found == macro_f1(y_true, y_pred, rng=np.random.default_rng(0))
    assert (found.unit, found.n) == ("fraction", 120)


def test_all_right_and_all_wrong() -> None:
    """Nothing was seen to vary, so the interval is the value itself."""
    labels = np.array(["a", "b"] * 10)
    for said, value in ((labels, 1.0), (labels[::-1], 0.0)):
        found = macro_f1(labels, said, rng=np.random.default_rng(0))
        assert (found.value, found.ci_low, found.ci_high) == (value, value, value)
    with pytest.raises(ValueError, match="one at least"):
        macro_f1(labels[:0], labels[:0], rng=np.random.default_rng(0))


def test_its_interval_covers_as_often_as_it_says() -> None:
    """200 samples of 100 rows of three uneven classes; at a true coverage of .95 a share below .90 has probability .002."""
    rng, share = np.random.default_rng(3), np.array([0.55, 0.27, 0.18])

    def sample(n: int) -> tuple[np.ndarray, np.ndarray]:
        y_true = rng.choice(3, size=n, p=share)
        y_pred = np.where(rng.random(n) < 0.2, (y_true + rng.integers(1, 3, n)) % 3, y_true)
        return y_true.astype(str), y_pred.astype(str)

    truth = f1_score(*sample(1_000_000), average="macro")
    found = [macro_f1(*sample(100), rng=rng) for _ in range(200)]
    assert 0.90 <= np.mean([one.ci_low <= truth <= one.ci_high for one in found]) <= 0.99
