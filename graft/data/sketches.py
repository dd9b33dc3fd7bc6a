"""Which contents resemble one another: what they are compared by lies in a file, so that millions need little memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from graft.data.near import image_bands, image_similarity, near_pairs, text_bands, text_similarity
from graft.data.sides import content_key
from graft.modality.image import pictures
from graft.recipe import Modality

SIDE = 32
"""Height and width of the grey picture that images are compared by."""
_BATCH = 50_000
N_BANDS = {"text": 12, "image": 15}


def look_at(contents: Sequence[Any], names: Sequence[str], modality: Modality) -> tuple[list[str], list[bytes]]:
    """Return each content's key, and what it is compared by: the text itself, or a small grey picture.

    Raises:
        InputError: an image that cannot be used; ``names`` says which row it is.
    """
    if modality == "text":
        return [content_key(text) for text in contents], [text.encode("utf-8", "surrogatepass") for text in contents]
    keys = [pictures.content_key(image, name) for image, name in zip(contents, names, strict=True)]
    return keys, [pictures.grey(i, name, side=SIDE).tobytes() for i, name in zip(contents, names, strict=True)]


class Looks:
    """What contents are compared by, one after the other in a file."""

    def __init__(self, path: Path, modality: Modality) -> None:
        self.path, self.modality = path, modality
        self._sizes: list[npt.NDArray[np.int64]] = []
        path.touch()

    def add(self, looks: Sequence[bytes]) -> None:
        """Append the looks of the next rows."""
        with self.path.open("ab") as file:
            file.write(b"".join(looks))
        self._sizes.append(np.array([len(look) for look in looks], dtype=np.int64))

    def pairs(self, keys: npt.NDArray[np.uint64], *, min_similarity: float) -> npt.NDArray[np.int64]:
        """Return the pairs of rows with alike contents, shape (m, 2): the first row of each of two contents, earlier first.

        Cost: see ``graft.data.near.near_pairs``; 8 bytes a band and row.
        """
        content = self._content()
        first = np.sort(np.unique(keys, return_index=True)[1])
        if min_similarity == 1 or len(first) < 2:
            return np.empty((0, 2), dtype=np.int64)
        make, similarity, n_previous = (
            (text_bands, text_similarity, 3) if self.modality == "text" else (image_bands, image_similarity, 16)
        )
        batches = [first[start : start + _BATCH] for start in range(0, len(first), _BATCH)]
        bands = np.zeros((len(first), N_BANDS[self.modality]), dtype=np.uint64)
        for k, batch in enumerate(batches):
            bands[k * _BATCH : k * _BATCH + len(batch)] = make(content(batch))
        found = near_pairs(
            bands, lambda rows: content(first[rows]), similarity, min_similarity=min_similarity, n_previous=n_previous
        )
        return first[found]

    def _content(self) -> Any:
        """Return the function that gives the contents of some rows, for comparison."""
        ends = np.cumsum(np.concatenate([np.zeros(1, dtype=np.int64), *self._sizes]))
        file = np.memmap(self.path, dtype=np.uint8, mode="r") if ends[-1] else np.empty(0, dtype=np.uint8)
        if self.modality == "image":
            return lambda rows: file.reshape(-1, SIDE, SIDE)[rows]
        return lambda rows: [
            file[ends[row] : ends[row + 1]].tobytes().decode("utf-8", "surrogatepass") for row in rows.tolist()
        ]
