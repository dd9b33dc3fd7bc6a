"""What a model says of labelled rows it was not trained on: what its answers to later rows are compared with.

``held_out.safetensors``, written by evaluate: of test rows whose class the model knows, drawn at random, its probabilities, the
class of each, and how near it lies to the rows that the model learned from. No names, no contents.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from graft.errors import TamperError
from graft.records import write_atomic

N_ROWS, N_NUMBERS, N_LEAST = 1_000, 100_000, 200
"""Rows kept at most; numbers kept at most where there are many classes, but so many rows at least."""
N_NEAREST, N_LEARNED = 5, 10_000
_BLOCK = 1_024
Matrix = npt.NDArray[np.float64]
Features = npt.NDArray[np.float32]


@dataclass(frozen=True)
class HeldOut:
    """Rows that a model was not trained on: probabilities, shape (n, classes), classes, (n,), and nearness, (n,)."""

    probabilities: Matrix
    labels: npt.NDArray[np.str_]
    nearness: npt.NDArray[np.float64]


def halved(values: npt.NDArray[np.floating]) -> Matrix:
    """Return values as half precision keeps them: both samples lose the same digits, so none ranks before the other by them."""
    return values.astype(np.float16).astype(np.float64)


def nearness(features: Features, learned: Features) -> npt.NDArray[np.float64]:
    """Return how near each row lies to the rows a model learned from: its mean cosine with the five nearest.

    Args:
        features: shape (n, d), rows of unit length.
        learned: shape (k, d), as the model folder keeps them; of more than 10,000 every so many-th is taken.

    Cost: O(n k d), in blocks.
    """
    some = learned[:: -(-len(learned) // N_LEARNED)]
    k = min(N_NEAREST, len(some))
    means = [
        np.partition(features[start : start + _BLOCK] @ some.T, -k, axis=1)[:, -k:].mean(axis=1)
        for start in range(0, len(features), _BLOCK)
    ]
    return halved(np.concatenate(means)) if means else np.empty(0)


def write_held_out(
    path: Path,
    probabilities: npt.NDArray[np.float32],
    labels: npt.NDArray[np.str_],
    near: npt.NDArray[np.float64],
    classes: tuple[str, ...],
    *,
    rng: np.random.Generator,
) -> None:
    """Write what a model says of test rows. Rows of classes that it does not know are left out: they belong to none.

    Args:
        probabilities: shape (n, classes).
        labels: shape (n,).
        near: shape (n,).
    """
    index = {label: k for k, label in enumerate(classes)}
    known = np.flatnonzero(np.isin(labels, classes))
    n = min(N_ROWS, max(N_LEAST, N_NUMBERS // len(classes)))
    rows = np.sort(rng.permutation(known)[:n])
    tensors = {
        "probabilities": probabilities[rows].astype(np.float16),
        "class": np.array([index[str(label)] for label in labels[rows]], dtype=np.int32),
        "nearness": near[rows].astype(np.float16),
    }
    write_atomic(path, save(tensors))


def read_held_out(content: bytes, classes: tuple[str, ...], where: str) -> HeldOut:
    """Return what was kept of a model's test rows.

    Raises:
        TamperError: it is not what evaluate writes, or of other classes than the model's.
    """
    try:
        tensors = load(content)
        probabilities, index, near = tensors["probabilities"], tensors["class"], tensors["nearness"]
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise _odd(where) from error
    n = len(index) if index.ndim == 1 else -1
    fits = probabilities.shape == (n, len(classes)) and near.shape == (n,) and index.dtype == np.int32
    if not fits or not (np.isfinite(probabilities).all() and np.isfinite(near).all()):
        raise _odd(where)
    if n and (index.min() < 0 or index.max() >= len(classes)):
        raise _odd(where)
    return HeldOut(probabilities.astype(np.float64), np.array(classes, dtype=str)[index], near.astype(np.float64))


def _odd(where: str) -> TamperError:
    return TamperError("What was kept of the champion's test rows is not what evaluate writes.", where=where)
