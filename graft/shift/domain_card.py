"""A domain card: what a base knows, as figures: rows of its domain in its own space, and what they look like."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import resources
from pathlib import Path

from pydantic import Field, ValidationError
from safetensors import SafetensorError, safe_open

from graft.errors import InputError
from graft.modality import ModalityName
from graft.records import Value
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
    modality: ModalityName
    n_rows: int = Field(ge=1)
    profile: Profile

    @property
    def title(self) -> str:
        """What the page calls it."""
        return f"{'proxy of ' if self.is_proxy else ''}{self.base}'s domain: {self.source}"


def read_card(path: Path) -> Card:
    """Return what a card says.

    Raises:
        InputError: the file is no card.
    """
    try:
        with safe_open(path, framework="np") as file:
            return Card.model_validate_json((file.metadata() or {}).get("card", ""))
    except (SafetensorError, ValidationError, TypeError, OSError) as error:
        raise no_card(path) from error


def no_card(path: Path) -> InputError:
    """Return what is said of a file that is no card."""
    return InputError(
        f"{path.name} is not a domain card.",
        where=str(path),
        do="graft card BASE --from FILE makes one",
        code="not-a-domain-card",
    )


def find_card(base_sha256: str, own: Path) -> Path | None:
    """Return the card of the base whose folder has this digest: one of the folder ``own`` first, then one that comes with Graft.

    Raises:
        InputError: a file there is no card.
    """
    with resources.as_file(SHIPPED) as shipped:
        paths: Iterable[Path] = (*sorted(own.glob(f"*{SUFFIX}")), *sorted(Path(shipped).glob(f"*{SUFFIX}")))
        return next((path for path in paths if read_card(path).base_sha256 == base_sha256), None)


def flag_language(card: Card, profile: Profile) -> str:
    """Return what a text's outside says against a base that knows English; empty for nothing.

    Many tokens a word alone do not mean another language: emoji and damaged text have them too. The share of function words does.

    Source: thresholds between seven English and three other sets of texts, tests/statistical/test_language_flags.py.
    """
    shares, tokens = (
        [known.properties[name].mean for known in (card.profile, profile) if name in known.properties]
        for name in ("share of English function words", "tokens a word")
    )
    if len(shares) < 2 or shares[0] < MIN_FUNCTION_WORDS:
        return ""
    if shares[1] < MIN_FUNCTION_WORDS:
        return "The texts are hardly in the base's language: take a base that knows it, or trust their labels alone."
    if len(tokens) == 2 and tokens[1] >= MAX_FERTILITY * tokens[0]:
        return "The texts fall into many small tokens: look for damaged text, mark-up or codes."
    return ""
