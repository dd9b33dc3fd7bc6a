"""The rows of a domain card, in the base's space."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from graft.records import write_atomic
from graft.shift.domain_card import Card, no_card, read_card


def write_domain(path: Path, card: Card, features: npt.NDArray[np.float32]) -> None:
    """Write a card with its rows, to half precision; a crash leaves the whole file or none.

    Raises:
        ValueError: features that half precision cannot hold, or not ``n_rows`` of them.
    """
    half = features.astype(np.float16)
    if half.ndim != 2 or len(half) != card.n_rows or not np.isfinite(half).all():
        raise ValueError("a card's features are finite in half precision, one row each")
    write_atomic(path, save({"features": half}, metadata={"card": card.model_dump_json()}))


def load_domain(path: Path) -> npt.NDArray[np.float32]:
    """Return the rows of a card, shape (n, d).

    Raises:
        InputError: the file is no card, or its rows are not those that it tells of.
    """
    card = read_card(path)
    try:
        features: npt.NDArray[np.float32] = load_file(path)["features"].astype(np.float32)
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise no_card(path) from error
    if features.ndim != 2 or len(features) != card.n_rows or not np.isfinite(features).all():
        raise no_card(path)
    return features
