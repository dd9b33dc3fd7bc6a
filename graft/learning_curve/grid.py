"""Accuracy against rows: what learns, and which rows each learning gets."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from graft.errors import InputError
from graft.evaluation.baselines import PROBE, SCRATCH, SCRATCH_NETWORK

Labels = npt.NDArray[np.str_]
Rows = npt.NDArray[np.int_]
Size = int | None
"""Rows of each class; None: all there are."""

TRANSFER, RANDOM, SHUFFLED = "transfer", "random_encoder", "shuffled_labels"
ARMS = (TRANSFER, PROBE, SCRATCH, SCRATCH_NETWORK, RANDOM, SHUFFLED)
"""What learns. The last two are placebos: an encoder that knows nothing, and labels that mean nothing."""
COSTLY = (TRANSFER, SCRATCH_NETWORK)
"""These train a network in each cell, so they get fewer draws."""
RATE_TRIAL = "scratch_network_rate"
"""No arm: a cell that tries one learning rate of ``scratch_network``, with the number of the rate in place of a draw."""
SIZES = (1, 2, 4, 8, 16, 32, 64)

_SEED = 60_000
_HELD_OUT = 1_000_000
"""The draw that rows to choose by come from: no other draw has this number."""


def draw_rows(labels: Labels, draw: int) -> Rows:
    """Return all rows in the order in which a draw takes them: one of each class, then a second of each, and so on.

    So the rows of a size are a prefix of those of every larger one, and a class that has no more rows drops out.

    Args:
        labels: shape (n,).
        draw: the number of the draw; another number is another order within each class.

    Cost: O(n log n).
    """
    rng = np.random.default_rng([_SEED, draw])
    order = rng.permutation(len(labels))
    rank = pd.Series(labels[order]).groupby(labels[order]).cumcount().to_numpy()
    return np.asarray(order[np.lexsort((labels[order], rank))])


def n_rows(labels: Labels, size: Size) -> int:
    """Return how many rows a size has: so many of each class, and of a smaller class all."""
    _, counts = np.unique(labels, return_counts=True)
    return int(counts.sum() if size is None else np.minimum(counts, size).sum())


def sizes_for(labels: Labels, wanted: tuple[Size, ...] = (*SIZES, None)) -> tuple[Size, ...]:
    """Return the sizes to measure, ascending: those below the rows of the largest class, and all rows if they are wanted.

    Raises:
        InputError: there is one class only, a size is no number of rows, or none is below what is there.
    """
    classes, counts = np.unique(labels, return_counts=True)
    if len(classes) < 2:
        raise InputError("A curve needs two classes, and the training rows have one.", do="graft add RECIPE FILE")
    numbers = sorted({size for size in wanted if size is not None})
    if any(size < 1 for size in numbers):
        raise InputError(
            f"A curve cannot have {numbers[0]} rows of a class.", do="--sizes 1,4,16,all", code="curve-size-impossible"
        )
    chosen: list[Size] = [size for size in numbers if size < counts.max()]
    chosen += [None] if None in wanted else []
    if not chosen:
        raise InputError(
            f"No size is below the {counts.max():,} rows of the largest class.",
            do="--sizes 1,4,16,all",
            code="curve-sizes-too-large",
        )
    return tuple(chosen)


def hold_out_rows(labels: Labels, size: Size, *, fraction: float) -> tuple[Rows, Rows]:
    """Return rows of a size in two parts: those to train on, and a share of each class to choose by.

    Every class keeps one row to train on, so with one row a class nothing is held out.
    """
    rows = draw_rows(labels, _HELD_OUT)[: n_rows(labels, size)]
    _, codes, counts = np.unique(labels[rows], return_inverse=True, return_counts=True)
    n_held = np.minimum(np.round(fraction * counts).astype(int), counts - 1)
    rank = pd.Series(codes).groupby(codes).cumcount().to_numpy()
    is_held = rank < n_held[codes]
    return rows[~is_held], rows[is_held]
