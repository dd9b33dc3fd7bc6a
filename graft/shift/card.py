"""A domain card: what a base knows, as figures: rows of its domain in its own space, and what they look like."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import resources
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from graft.errors import InputError
from graft.recipe import Modality
from graft.records import Value, write_atomic
from graft.records.shift import Profile
from graft.records.values import Sha256

N_ROWS = 2_000
"""Rows that a card keeps at most."""
SUFFIX = ".safetensors"
SHIPPED = resources.files("graft.shift") / "cards"
MIN_FUNCTION_WORDS, MAX_FERTILITY = 0.15, 1.5


class Card(Value):
    """What a card says beside its features. A proxy's rows are not what the base was trained on, but stand for it."""

    base: str
    base_sha256: Sha256 = Field(description="digest of the base's folder")
    source: str = Field(description="where the rows come from, and under which licence", max_length=300)
    is_proxy: bool
    modality: Modality
    n_rows: int = Field(ge=1)
    profile: Profile

    @property
    def title(self) -> str:
        """What the page calls it."""
        return f"{'proxy of ' if self.is_proxy else ''}{self.base}'s domain: {self.source}"


def write_card(path: Path, card: Card, features: npt.NDArray[np.float32]) -> None:
    """Write a card; a crash leaves the whole file or none.

    Raises:
        ValueError: features that half precision cannot hold, or not ``n_rows`` of them.
    """
    half = features.astype(np.float16)
    if len(half) != card.n_rows or not np.isfinite(half).all():
        raise ValueError("a card's features are finite in half precision, one row each")
    write_atomic(path, save({"features": half}, metadata={"card": card.model_dump_json()}))


def read_card(path: Path) -> tuple[Card, npt.NDArray[np.float32]]:
    """Return a card and its features, shape (n, d).

    Raises:
        InputError: the file is no card.
    """
    try:
        with safe_open(path, framework="np") as file:
            card = Card.model_validate_json((file.metadata() or {}).get("card", ""))
            features = file.get_tensor("features")
        if features.ndim != 2 or len(features) != card.n_rows or not np.isfinite(features).all():
            raise ValueError("its features do not fit")
    except (SafetensorError, ValidationError, ValueError, TypeError, OSError) as error:
        raise InputError(
            f"{path.name} is not a domain card.", where=str(path), do="graft card BASE --from FILE makes one"
        ) from error
    return card, features.astype(np.float32)


def find_card(base_sha256: str, own: Path) -> Path | None:
    """Return the card of the base whose folder has this digest: one of the folder ``own`` first, then one that comes with Graft.

    Raises:
        InputError: a file there is no card.
    """
    with resources.as_file(SHIPPED) as shipped:
        paths: Iterable[Path] = (*sorted(own.glob(f"*{SUFFIX}")), *sorted(Path(shipped).glob(f"*{SUFFIX}")))
        return next((path for path in paths if read_card(path)[0].base_sha256 == base_sha256), None)


def flag_language(card: Card, profile: Profile) -> str:
    """Return what a text's outside says against a base that knows English; empty for nothing.

    Many tokens a word alone do not mean another language: emoji and damaged text have them too. The share of function words does.

    Source: thresholds between seven English and three other sets of texts, tests/statistical/test_language_flags.py.
    """
    shares, tokens = (
        [one.properties[name].mean for one in (card.profile, profile) if name in one.properties]
        for name in ("share of English function words", "tokens a word")
    )
    if len(shares) < 2 or shares[0] < MIN_FUNCTION_WORDS:
        return ""
    if shares[1] < MIN_FUNCTION_WORDS:
        return "The texts are hardly in the base's language: take a base that knows it, or trust their labels alone."
    if len(tokens) == 2 and tokens[1] >= MAX_FERTILITY * tokens[0]:
        return "The texts fall into many small tokens: look for damaged text, mark-up or codes."
    return ""
