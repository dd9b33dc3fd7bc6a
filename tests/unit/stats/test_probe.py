"""The linear probe."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from graft.stats import choose_C, fit_probe
from graft.stats.probe import GRID


@pytest.fixture
def iris() -> tuple[np.ndarray, np.ndarray]:
    data = load_iris()
    features = data.data / np.linalg.norm(data.data, axis=1, keepdims=True)
    return features.astype(np.float32), data.target_names[data.target].astype(str)


def test_probe_is_at_the_optimum(iris: tuple[np.ndarray, np.ndarray]) -> None:
    """The probe minimises the penalised cross-entropy: its gradient there is 0, so no seed can matter."""
    features, labels = iris
    probe = fit_probe(features, labels, C=10.0)
    error = probe.predict_proba(features) - (labels[:, None] == probe.classes_)
    gradient = error.T @ features * 10.0 + probe.coef_
    assert np.abs(gradient).max() < 0.05 * np.abs(probe.coef_).max()
    assert np.abs(error.sum(axis=0)).max() < 0.05


def out_of_fold(features: np.ndarray, labels: np.ndarray, C: float, n_folds: int, seed: int) -> np.ndarray:
    """Return the hits of refitting fold by fold."""
    hits = np.zeros(len(labels), dtype=bool)
    for train, test in StratifiedKFold(n_folds, shuffle=True, random_state=seed).split(features, labels):
        fitted = LogisticRegression(C=C, max_iter=1000).fit(features[train], labels[train])
        hits[test] = fitted.predict(features[test]) == labels[test]
    return hits


def test_chosen_penalty_has_the_most_hits(iris: tuple[np.ndarray, np.ndarray]) -> None:
    """The chosen C has the most out-of-fold hits, the hits are those of refitting fold by fold, and a seed repeats."""
    features, labels = iris
    C, found = choose_C(features, labels, n_folds=5, seed=3)
    by_hand = {candidate: out_of_fold(features, labels, candidate, 5, 3) for candidate in GRID}
    assert len({hits.sum() for hits in by_hand.values()}) > 1
    best = max(GRID, key=lambda candidate: (by_hand[candidate].sum(), -candidate))
    assert best == C
    assert (found == by_hand[C]).all()
    again = choose_C(features, labels, n_folds=5, seed=3)
    assert (again[0], again[1].tolist()) == (C, found.tolist())


def test_rare_class_means_fewer_folds() -> None:
    """A class of two rows is no error: there are then two folds."""
    labels = np.repeat(["a", "b", "c"], [40, 40, 2])
    features = np.random.default_rng(0).normal(0, 1, (82, 3)).astype(np.float32)
    C, hits = choose_C(features, labels, n_folds=5, seed=0)
    assert (hits == out_of_fold(features, labels, C, 2, 0)).all()
    assert (hits != out_of_fold(features, labels, C, 5, 0)).any()


def test_a_class_of_one_row_has_no_part_in_the_choice() -> None:
    """Rows of classes with one row change neither folds nor C, and get no hit; the choice is that of the others alone."""
    rng = np.random.default_rng(0)
    labels = np.array([*np.repeat(["a", "b", "c"], 20), "d", "e"])
    features = (np.eye(5)[np.unique(labels, return_inverse=True)[1]] + rng.normal(0, 0.7, (62, 5))).astype(np.float32)
    C, hits = choose_C(features, labels, n_folds=5, seed=0)
    alone = choose_C(features[:60], labels[:60], n_folds=5, seed=0)
    assert (C, hits[:60].tolist()) == (alone[0], alone[1].tolist())
    assert hits[:60].sum() > 30
    assert not hits[60:].any()


@pytest.mark.parametrize("labels", [["a", "b", "c"], ["a", "a", "b"]])
def test_nothing_to_choose_by_is_no_error(labels: list[str]) -> None:
    """Where fewer than two classes have two rows, C is the middle of the grid and nothing is called right."""
    C, hits = choose_C(np.eye(3, dtype=np.float32), np.array(labels), n_folds=5, seed=0)
    assert (C, hits.tolist()) == (GRID[1], [False] * 3)
