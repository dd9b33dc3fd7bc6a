"""Which contents resemble one another: what they are compared by lies in a file, so that millions need little memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from graft.data.near import near_pairs
from graft.modality import MODALITIES

_BATCH = 50_000


class Sketches:
    """What contents are compared by, one after the other in a file."""

    def __init__(self, path: Path, modality: str) -> None:
        self.path, self.modality = path, MODALITIES[modality]
        self._sizes: list[npt.NDArray[np.int64]] = []
        path.touch()

    def add(self, contents: Iterable[Any], names: Sequence[str]) -> None:
        """Append the sketches of the next rows.

        Raises:
            InputError: a content that cannot be used; ``names`` says which row it is.
        """
        sketches = self.modality.sketches(contents, names)
        with self.path.open("ab") as file:
            file.write(b"".join(sketches))
        self._sizes.append(np.array([len(sketch) for sketch in sketches], dtype=np.int64))

    def pairs(self, keys: npt.NDArray[np.uint64], *, min_similarity: float) -> npt.NDArray[np.int64]:
        """Return the pairs of rows with alike contents, shape (m, 2): the first row of each of two contents, earlier first.

        Cost: see ``graft.data.near.near_pairs``; 8 bytes a band and row.
        """
        first = np.sort(np.unique(keys, return_index=True)[1])
        if min_similarity == 1 or len(first) < 2:
            return np.empty((0, 2), dtype=np.int64)
        ends = np.cumsum(np.concatenate([np.zeros(1, dtype=np.int64), *self._sizes]))
        file = np.memmap(self.path, dtype=np.uint8, mode="r") if ends[-1] else np.empty(0, dtype=np.uint8)

        def fetch(rows: npt.NDArray[np.intp]) -> list[bytes]:
            return [file[ends[row] : ends[row + 1]].tobytes() for row in first[rows].tolist()]

        bands = np.empty((0, 0), dtype=np.uint64)
        for start in range(0, len(first), _BATCH):
            made = self.modality.bands(fetch(np.arange(start, min(start + _BATCH, len(first)))))
            if start == 0:
                bands = np.zeros((len(first), made.shape[1]), dtype=np.uint64)
            bands[start : start + len(made)] = made
        found = near_pairs(
            bands, fetch, self.modality.similarity,
            min_similarity=min_similarity, n_previous=self.modality.n_previous,
        )  # fmt: skip
        return first[found]
