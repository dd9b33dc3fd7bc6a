"""A sample as the tests see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Sample:
    """Rows in a base's space.

    Args:
        name: what the page calls it.
        features: shape (n, d).
        labels: shape (n,), "" where a row has none; None: no row has one.
        rows: n names, or none where rows are not to be named.
    """

    name: str
    features: npt.NDArray[np.float32]
    labels: npt.NDArray[np.str_] | None = None
    rows: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.features)

    def take(self, chosen: npt.NDArray[np.int_]) -> Sample:
        """Return the sample's chosen rows."""
        return replace(
            self,
            features=self.features[chosen],
            labels=None if self.labels is None else self.labels[chosen],
            rows=[self.rows[i] for i in chosen] if self.rows else (),
        )

    def draw(self, n: int, rng: np.random.Generator) -> Sample:
        """Return at most n rows, drawn without replacement."""
        return self.take(rng.permutation(len(self))[:n])

    def labelled(self) -> Sample:
        """Return the rows that have a label; the sample itself, not a copy, where all have."""
        if self.labels is not None and (self.labels != "").all():
            return self
        return self.take(np.flatnonzero(self.labels != "") if self.labels is not None else np.empty(0, dtype=int))
