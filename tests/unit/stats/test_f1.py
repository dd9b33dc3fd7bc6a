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
