"""Which base is taken where the truth is known."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits

from graft.evaluation.choice import choose, score_features
from tests.unit.evaluation.test_choice import ranked


def test_random_features_are_not_taken_over_those_that_know_something() -> None:
    """60 rows of ten digits, whose pixels know them and random numbers do not: in 8 of 8 draws pixels are taken.

    A chance base is right in a tenth of the rows; that it is taken has a chance far below one in a thousand.
    """
    data = load_digits()
    for draw in range(8):
        rng = np.random.default_rng(draw)
        rows = np.concatenate([rng.permutation(np.flatnonzero(data.target == k))[:6] for k in range(10)])
        labels = data.target[rows].astype(str)
        found = {
            "random": score_features(rng.normal(size=(60, 64)).astype(np.float32), labels, n_folds=3, seed=0),
            "pixels": score_features((data.data[rows] / 16).astype(np.float32), labels, n_folds=3, seed=0),
        }
        assert choose(ranked(**found))[0] == "pixels"
