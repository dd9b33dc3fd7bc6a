"""Classes of unlabelled rows from their neighbours: better than a probe where classes are not flat."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import make_blobs, make_moons

from graft.stats import fit_probe
from graft.stats.spread import spread_labels


def unit(points: np.ndarray, fineness: float) -> np.ndarray:
    """Lay points of the plane on a sphere of many dimensions, where only near ones have small angles: the finer the nearer."""
    rng = np.random.default_rng(0)
    waves, phases = rng.normal(0, fineness, (2, 300)), rng.uniform(0, 2 * np.pi, 300)
    spread = np.cos(points @ waves + phases)
    return (spread / np.linalg.norm(spread, axis=1, keepdims=True)).astype(np.float32)


def task(name: str) -> tuple[np.ndarray, np.ndarray]:
    if name == "moons":
        points, codes = make_moons(400, noise=0.06, random_state=0)
        return unit(points, 9.0), codes
    points, codes = make_blobs(400, centers=12, cluster_std=0.35, random_state=3)
    return unit(points, 2.5), codes % 3  # each class is four blobs


@pytest.mark.parametrize("name", ["moons", "blobs"])
def test_neighbours_know_more_than_the_probe(name: str) -> None:
    """On two moons, and on blobs of which some have no labelled row, more unlabelled rows get their class than by the probe."""
    features, codes = task(name)
    gains = []
    for draw in range(4):
        rng = np.random.default_rng(draw)
        n_known = {"moons": 4, "blobs": 10}[name]
        known = np.concatenate([rng.permutation(np.flatnonzero(codes == code))[:n_known] for code in np.unique(codes)])
        is_known = np.isin(np.arange(len(codes)), known)
        first = fit_probe(features[is_known], codes[is_known].astype(str), C=1.0).predict_proba(features)
        first = first.astype(np.float32)
        first[is_known] = np.eye(codes.max() + 1, dtype=np.float32)[codes[is_known]]
        shares = spread_labels(features, first, is_known)
        of_probe, of_neighbours = ((one.argmax(axis=1) == codes)[~is_known].mean() for one in (first, shares))
        gains.append(of_neighbours - of_probe)
        assert shares.sum(axis=1) == pytest.approx(np.ones(len(codes)), abs=1e-5)
        assert (shares[is_known] == first[is_known]).all()
        assert (spread_labels(features, first, is_known) == shares).all()
    assert min(gains) > 0
    assert np.mean(gains) > 0.02


def test_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """The graph is the same whether its rows are compared at once or in blocks; no row is its own neighbour."""
    features, codes = task("moons")
    first = np.eye(2, dtype=np.float32)[codes]
    is_known = np.arange(len(codes)) < 50
    whole = spread_labels(features, first, is_known)
    monkeypatch.setattr("graft.stats.spread._BLOCK", 64)
    assert spread_labels(features, first, is_known) == pytest.approx(whole, abs=1e-5)


@pytest.mark.parametrize("n", [2, 3, 8])
def test_fewer_rows_than_neighbours(n: int) -> None:
    """With a handful of rows each is a neighbour of all others; a row unlike any other keeps what was thought of it."""
    features = np.eye(n, dtype=np.float32)
    first = np.full((n, 2), 0.5, dtype=np.float32)
    first[0], first[1] = (1, 0), (0, 1)
    shares = spread_labels(features, first, np.arange(n) < 2)
    assert shares == pytest.approx(first, abs=1e-6)
