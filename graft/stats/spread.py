"""Classes of unlabelled rows, from labelled rows and from their neighbours."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import sparse

N_NEIGHBOURS = 10
STAY = 0.2
N_ROUNDS = 30
_BLOCK = 2048

Shares = npt.NDArray[np.float32]


def spread_labels(features: npt.NDArray[np.float32], first: Shares, is_known: npt.NDArray[np.bool_]) -> Shares:
    """Spread classes over the graph of nearest neighbours.

    Args:
        features: shape (n, d), unit norm.
        first: shape (n, classes), the classes of rows that are known, and of others what a classifier thinks of them.
        is_known: shape (n,); these rows keep their classes.

    Returns:
        the share of each class, shape (n, classes), rows summing to 1.

    Cost: n^2 d for the graph, in blocks; memory n x (neighbours + classes).
    Source: Zhou, Bousquet, Lal, Weston, Schoelkopf 2004, with normalised edge weights cos^4.
    """
    graph = _neighbours(features)
    shares = first.astype(np.float32)
    for _ in range(N_ROUNDS):
        shares = (1 - STAY) * (graph @ shares) + STAY * first
    shares = shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-9)
    shares[is_known] = first[is_known]
    return np.asarray(shares, dtype=np.float32)


def _neighbours(features: npt.NDArray[np.float32]) -> sparse.csr_matrix:
    """Return the symmetric graph of nearest neighbours, normalised by degree on both sides, shape (n, n)."""
    n = len(features)
    k = min(N_NEIGHBOURS, n - 1)
    near, weight = np.zeros((n, k), dtype=np.int64), np.zeros((n, k), dtype=np.float32)
    for start in range(0, n, _BLOCK):
        block = slice(start, start + _BLOCK)
        alike = features[block] @ features.T
        rows = np.arange(len(alike))
        alike[rows, start + rows] = -1
        near[block] = np.argpartition(-alike, k - 1, axis=1)[:, :k]
        weight[block] = np.maximum(np.take_along_axis(alike, near[block], axis=1), 0) ** 4
    graph = sparse.csr_matrix((weight.ravel(), (np.repeat(np.arange(n), k), near.ravel())), shape=(n, n))
    graph = graph.maximum(graph.T)
    scale = sparse.diags(1 / np.sqrt(np.maximum(np.asarray(graph.sum(axis=1)).ravel(), 1e-9)))
    return (scale @ graph @ scale).tocsr()
