"""What the cells of a column are: numbers, dates, texts, categories, images."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from graft.data.times import is_time
from graft.rows import MISSING

Kind = Literal[
    "text", "category", "integer", "number", "date/time", "boolean", "image", "image path", "binary", "empty", "constant"
]  # fmt: skip
BINARY = "\x00"
"""First character of what stands for a cell of bytes: image type and digest."""


_BOOLEAN = frozenset({"true", "false", "yes", "no", "t", "f", "y", "n"})
_INTEGER = re.compile(r"[-+]?(?:0|[1-9]\d{0,17})")
_NUMBER = re.compile(r"[-+]?(?:(?:(?:0|[1-9]\d*)(?:[.,]\d*)?|\.\d+)(?:[eE][-+]?\d+)?|inf|infinity)", re.IGNORECASE)
_IMAGE_PATH = re.compile(r"[^\n]+\.(?:png|jpe?g|bmp|gif|webp|tiff?)", re.IGNORECASE)
_UNSPACED = re.compile("[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]")  # scripts that write no blanks between words


@dataclass(frozen=True)
class Profile:
    """A column's sample in figures. ``counts`` leaves empty cells out."""

    name: str
    kind: Kind
    counts: Counter[str]
    n_rows: int
    n_empty: int
    mean_chars: float
    position: int
    n_columns: int

    @property
    def n_distinct(self) -> int:
        return len(self.counts)

    @property
    def values(self) -> list[str]:
        """The distinct cells that hold a value."""
        return known(self.counts)

    @property
    def is_unique(self) -> bool:
        return self.n_empty == 0 and len(self.values) == self.n_rows > 1


def profile(cells: pd.Series, position: int, n_columns: int) -> Profile:
    """Return a column's figures."""
    counts = Counter(cells.tolist())
    n_empty = counts.pop("", 0)
    n_chars = sum(len(value) * n for value, n in counts.items())
    kind = kind_of(counts)
    mean = n_chars / max(1, counts.total())
    return Profile(str(cells.name), kind, counts, len(cells), n_empty, mean, position, n_columns)


def known(counts: Counter[str]) -> list[str]:
    """Return the distinct cells that hold a value: a word for a missing one, such as NaN, is none."""
    return [value for value in counts if value.casefold() not in MISSING]


def kind_of(counts: Counter[str]) -> Kind:
    """Return what the cells of a column are, empty ones aside; every one has to be of the kind.

    Text is made of letters, and mostly differs from row to row with 1.5 words or more on average, or has six words.
    """
    values = known(counts)
    if not values:
        return "empty"
    if values[0].startswith(BINARY):
        return "image" if all(value.startswith(f"{BINARY}image") for value in values) else "binary"
    if len(counts) == 1:
        return "constant"
    if all(value.casefold() in _BOOLEAN for value in values):
        return "boolean"
    tests: tuple[tuple[Callable[[str], Any], Kind], ...] = (
        (_INTEGER.fullmatch, "integer"),
        (_NUMBER.fullmatch, "number"),
        (is_time, "date/time"),
        (_IMAGE_PATH.fullmatch, "image path"),
    )
    for is_of, kind in tests:
        if all(map(is_of, values)):
            return kind
    return "text" if _is_text(values, counts) else "category"


def _is_text(values: list[str], counts: Counter[str]) -> bool:
    sampled = values[:: max(1, len(values) // 2000)]
    n_lists = sum(value.lstrip()[:1] in {"[", "{"} and value.rstrip()[-1:] in {"]", "}"} for value in sampled)
    if n_lists > 0.9 * len(sampled):
        return False
    n_letters = sum(character.isalpha() for value in sampled for character in value[:200])
    if n_letters < 0.3 * sum(len(value[:200]) for value in sampled):
        return False
    n_words = sum(len(value.split()) + len(_UNSPACED.findall(value)) // 2 for value in sampled) / len(sampled)
    return n_words >= 6 or (n_words >= 1.5 and len(values) > 0.5 * counts.total())
