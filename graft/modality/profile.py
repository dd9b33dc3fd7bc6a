"""A sample in figures: means of numbers, and shares of words or values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from graft.records.shift import Profile, Property, Unit

MIN_ROWS = 3


def profile_numbers(n: int, values: Mapping[str, tuple[Unit, npt.ArrayLike]]) -> Profile:
    """Describe n rows by means and standard deviations.

    Args:
        values: by name the unit and a number for each row, shape (n,).
    """
    arrays = {name: (unit, np.asarray(given, dtype=float)) for name, (unit, given) in values.items()}
    return Profile(
        n=n,
        properties={
            name: Property(mean=float(array.mean()), sd=float(array.std()), unit=unit)
            for name, (unit, array) in arrays.items()
            if len(array)
        },
    )


def profile_shares(n: int, counts: Sequence[tuple[str, int]], n_kept: int) -> Profile:
    """Describe n rows by the share that has each word or value, of those that stand in three rows at least.

    Args:
        counts: in how many rows each stands, the most frequent first.
        n_kept: how many are kept at most.
    """
    frequent = [(name, k) for name, k in counts[:n_kept] if k >= MIN_ROWS]
    most = max((k for _, k in counts[len(frequent) : len(frequent) + 1]), default=0)
    left_out = min(1.0, max(most, MIN_ROWS - 1) / max(1, n))
    return Profile(n=n, properties={name: share(k / n) for name, k in frequent}, left_out=left_out)


def share(mean: float) -> Property:
    """Return the property that a share of the rows has."""
    return Property(mean=mean, sd=float(np.sqrt(mean * (1 - mean))), unit="fraction")
