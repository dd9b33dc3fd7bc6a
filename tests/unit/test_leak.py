"""Does a column give the label away?"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from graft.leak import MIN_SHARE, share_given_away


def test_leak_needs_more_than_the_majority() -> None:
    """A column leaks where it determines 98% of labels and the commonest label does not come near."""
    rng = np.random.default_rng(0)
    n = 2_000
    labels = pd.Series(rng.choice(["a", "b"], n))
    noise = rng.random(n)
    flipped = labels.where(noise > 0.01, "a")

    def share(values: pd.Series, labels: pd.Series) -> float:
        return share_given_away(values, pd.factorize(labels)[0])

    assert share(flipped, labels) == pytest.approx(0.995, abs=0.004)
    assert share(labels.where(noise > 0.1, "a"), labels) < MIN_SHARE
    rare = pd.Series(np.where(rng.random(n) < 0.01, "b", "a"))
    assert share(pd.Series(rng.choice(["x", "y"], n)), rare) < MIN_SHARE
    rating = pd.Series(np.where(labels == "a", rng.integers(0, 500, n), rng.integers(500, 1000, n)).astype(str))
    assert share(rating, labels) == pytest.approx(1.0, abs=0.02)
    assert share(pd.Series([str(k) for k in rng.permutation(n)]), labels) < MIN_SHARE
    assert share(pd.Series([f"word{k}" for k in range(n)]), labels) < MIN_SHARE
