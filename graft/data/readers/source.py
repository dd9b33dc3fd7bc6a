"""Data as it was found at a path: a format, splits and their files."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from graft.data.readers.dialect import Dialect
from graft.data.readers.parquet import ClassNames

Format = Literal[
    "CSV",
    "TSV",
    "delimited text",
    "JSON lines",
    "Parquet",
    "Excel",
    "Hugging Face dataset",
    "folder of images by class",
    "text and label files",
]

_SPLITS = {
    "train": "train", "training": "train", "test": "test", "testing": "test", "dev": "validation", "eval": "validation",
    "val": "validation", "valid": "validation", "validation": "validation",
}  # fmt: skip
_SPLIT = re.compile(rf"({'|'.join(sorted(_SPLITS, key=len, reverse=True))})(?:[-_. ].*)?", re.IGNORECASE)
Splits = dict[str, tuple[Path, ...]]
Pictures = dict[str, list[Path]]
"""Image files by their name, with its ending and without."""


@dataclass(frozen=True)
class Source:
    """Data as it was found.

    ``splits`` holds the files of "train", "validation" and "test", in that order, or of "all" where nothing names a split;
    paths lie in ``root``. ``pictures`` are the images in a folder that was given with a table in it.
    """

    root: Path
    format: Format
    splits: Splits
    dialect: Dialect | None = None
    classes: ClassNames = field(default_factory=dict)
    oddities: tuple[str, ...] = ()
    pictures: Pictures = field(default_factory=dict)


def split_of(name: str) -> str | None:
    """Return the split that a file's or folder's name begins with: "train", "validation" or "test"; or None."""
    match = _SPLIT.fullmatch(name)
    return _SPLITS[match[1].lower()] if match else None


def in_order(splits: Splits) -> Splits:
    """Return the splits with training first."""
    return {split: splits[split] for split in ("train", "validation", "test", "all") if split in splits}
