"""Whole numbers scrambled, the same on every machine: what bands of sketches are made of."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Bands = npt.NDArray[np.uint64]
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
"""2^64 over the golden ratio, odd: multiples of it spread evenly."""


def mix(x: Bands) -> Bands:
    """Return the values scrambled, one to one: the finaliser of SplitMix64 (Steele, Lea, Flood 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def tagged(bands: Bands) -> Bands:
    """Return each column mixed with its number, so that no two columns agree; never 0, which stands for "near nothing"."""
    numbers: Bands = np.arange(1, bands.shape[1] + 1, dtype=np.uint64) * GOLDEN
    return np.maximum(mix(bands + numbers), np.uint64(1))


def distinct(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the values sorted, each once. numpy 2.4's ``unique`` hashes: 30 times as slow here."""
    values = np.sort(values)
    is_new = np.ones(len(values), dtype=bool)
    is_new[1:] = values[1:] != values[:-1]
    return values[is_new]
