"""Which rows are nearly the same: those that share a band are compared, whatever their modality."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from graft.modality.hashing import Bands, distinct, mix

Pairs = npt.NDArray[np.int64]
Fetch = Callable[[npt.NDArray[np.intp]], Sequence[Any]]
Similarity = Callable[[Sequence[Any], Sequence[Any]], npt.NDArray[np.float64]]

_ROWS = 1 << 15  # rows whose candidates are gathered at a time
_PAIRS = 1 << 12  # pairs whose contents are in memory at a time


def near_pairs(
    bands: Bands, fetch: Fetch, similarity: Similarity, *, min_similarity: float, n_previous: int = 3
) -> Pairs:
    """Return the pairs of rows that share a band and are near, each checked on the contents.

    A row is compared, in each band, with the first of the earlier rows that share it and with the ``n_previous`` last ones.
    Where more share a band some pairs are missed, though seldom what they connect. Whether a pair is found depends on no row
    after it: the pairs of a table's beginning stay as it grows.

    Args:
        bands: shape (n, k), of ``text_bands`` or ``image_bands``; 0 says that a row is near nothing.
        fetch: returns the contents of the rows asked for: at most 8,192 a call, ascending, none twice.
        similarity: ``text_similarity`` or ``image_similarity``.
        min_similarity: what pairs have at least, above 0.
        n_previous: 3 is enough for texts; 16 for images, of which more share a band.

    Returns:
        shape (m, 2), rows i < j, sorted by j, then i.

    Error: of the pairs of Jaccard 0.8 and more in banking77 (270), SMS spam (1,364) and offensive tweets (259) all are found or
        joined by found ones; in 19,141 sentences made of few templates 99.0% of 1,432, and 12 rows of 1,196 stay without an
        earlier near one. ``python benchmarks/near_duplicates.py recall``, no pairs below ``min_similarity``.
    Cost: O(n k log n) for sorting, O(n k n_previous) at most for comparing; 16 n k bytes with the bands. 5,000,000 made-up
        texts of 50 characters: 7 s of CPU, 1.8 GiB with the texts. Where each resembles thousands: 30 comparisons, 170 µs.
    Checked against: all pairs, tests/unit/data/test_near.py; growing tables, tests/properties.
    """
    near = partial(_checked, fetch=fetch, similarity=similarity, min_similarity=min_similarity)
    n, n_bands = bands.shape
    first, previous = (np.empty((n_bands, n), dtype=np.int32) for _ in range(2))
    for k in range(n_bands):
        first[k], previous[k] = _links(bands[:, k])
    empty = np.empty((0, 2), dtype=np.int64)
    pairs = np.concatenate([empty, *(near(_candidates(first, previous, at, n_previous)) for at in range(0, n, _ROWS))])
    return pairs[np.lexsort((pairs[:, 0], pairs[:, 1]))]


def _links(values: Bands) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Return for each row the first and the last of the earlier rows with its value, -1 where there is none or the value is 0.

    Values are told apart by 32 bits of hash, so that a sort of one array of numbers orders them by value, then row.
    """
    first, previous = (np.full(len(values), -1, dtype=np.int32) for _ in range(2))
    rows = np.flatnonzero(values)
    ordered = np.sort((mix(values[rows]) & ~np.uint64(0xFFFFFFFF)) | rows.astype(np.uint64))
    rows, ordered = (ordered & np.uint64(0xFFFFFFFF)).astype(np.int32), ordered >> np.uint64(32)
    again = np.flatnonzero(ordered[1:] == ordered[:-1]) + 1
    previous[rows[again]] = rows[again - 1]
    is_first = np.ones(len(rows), dtype=bool)
    is_first[again] = False
    first[rows[again]] = rows[is_first][np.cumsum(is_first)[again] - 1]
    return first, previous


def _candidates(first: npt.NDArray[np.int32], previous: npt.NDArray[np.int32], start: int, n_previous: int) -> Pairs:
    """Return the pairs to compare of the rows from ``start`` on, shape (m, 2), sorted by the later row, then the earlier."""
    n = first.shape[1]
    rows = np.arange(start, min(start + _ROWS, n))
    found = []
    for one, before in zip(first, previous, strict=True):
        links = [one[rows]]
        link = rows
        for _ in range(n_previous):
            link = np.where(link >= 0, before[link], -1)
            links.append(link)
        found += [(rows * n + link)[link >= 0] for link in links]
    both = distinct(np.concatenate(found))
    return np.stack([both % n, both // n], axis=1)


def _checked(pairs: Pairs, *, fetch: Fetch, similarity: Similarity, min_similarity: float) -> Pairs:
    """Return the pairs whose contents are similar enough, in their order."""
    blocks = [np.empty((0, 2), dtype=np.int64)]
    for start in range(0, len(pairs), _PAIRS):
        some = pairs[start : start + _PAIRS]
        rows = distinct(some.ravel())
        contents = fetch(rows.astype(np.intp))
        a, b = (_at(contents, np.searchsorted(rows, side)) for side in some.T)
        blocks.append(some[similarity(a, b) >= min_similarity])
    return np.concatenate(blocks)


def _at(contents: Sequence[Any], places: npt.NDArray[np.intp]) -> Sequence[Any]:
    chosen: Sequence[Any] = contents[places] if isinstance(contents, np.ndarray) else [contents[k] for k in places]
    return chosen
