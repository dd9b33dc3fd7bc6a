"""What tells two samples apart is named where something does, and hardly ever where nothing does."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from graft.modality.text.profile import profile_texts
from graft.shift.explain import find_differences, profile_columns
from tests.unit.shift.test_explain import texts


@pytest.mark.parametrize(("n", "m"), [(300, 300), (600, 12), (40, 900)])
def test_nothing_is_named_between_halves(n: int, m: int) -> None:
    """Of 30 pairs of samples of one source, few rows against many too, at most two have anything named.

    Named at a level of .01 a comparison; at that level more than 2 of 30 has probability .003.
    """
    wrong = 0
    for seed in range(30):
        drawn = texts(seed, n + m)
        rng = np.random.default_rng(1000 + seed)
        column = pd.DataFrame({"city": rng.choice([f"c{k}" for k in range(60)], n + m)})
        sides = [
            profile_texts(drawn[rows]) | profile_columns(column[rows], ["city"])
            for rows in (slice(None, n), slice(n, None))
        ]
        wrong += bool(find_differences(*sides))
    assert wrong <= 2
