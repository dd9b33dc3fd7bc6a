"""Rows counted and sampled as they stream by: all are counted, evenly spaced ones are kept."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from graft.data.profile.kinds import BINARY

_MAX_VALUES = 1_000
_IMAGE_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"GIF8", "gif"),
    (b"BM", "bmp"),
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
)


@dataclass(frozen=True)
class Tally:
    """A split in figures.

    ``sample`` holds every ``step``-th row as strings, bytes as their type and digest; ``counts`` the values of every column
    over all rows, but for columns of more than 1,000.
    """

    n_rows: int
    step: int
    sample: pd.DataFrame
    counts: dict[str, Counter[str]]


def image_type(content: bytes) -> str | None:
    """Return the format of an image by its first bytes, or None."""
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return "webp"
    return next((name for magic, name in _IMAGE_MAGIC if content.startswith(magic)), None)


def tally(batches: Iterator[pd.DataFrame], max_rows: int) -> Tally:
    """Count the rows of a split, and keep at most ``max_rows`` of them, evenly spaced.

    Cost: linear in the rows; memory for ``max_rows`` and two batches.
    """
    counts: dict[str, Counter[str]] | None = None
    kept: list[pd.DataFrame] = []
    n_rows, step = 0, 1
    for raw in batches:
        batch = _without_bytes(raw)
        batch.index = pd.RangeIndex(n_rows, n_rows + len(batch))
        counts = {str(name): Counter() for name in batch} if counts is None else counts
        for name in list(counts):
            counts[name].update(dict(batch[name].value_counts()))
            if len(counts[name]) > _MAX_VALUES:
                del counts[name]
        n_rows += len(batch)
        kept.append(batch[batch.index % step == 0])
        while sum(map(len, kept)) > max_rows:
            step *= 2
            kept = [frame[frame.index % step == 0] for frame in kept]
    sample = pd.concat(kept, ignore_index=True) if kept else pd.DataFrame()
    return Tally(n_rows, step, sample, counts or {})


def _without_bytes(batch: pd.DataFrame) -> pd.DataFrame:
    bytes_columns = {str(name): _stand_in(batch[name]) for name in batch if batch[name].dtype == object}
    return batch.assign(**bytes_columns)


def _stand_in(cells: pd.Series) -> pd.Series:
    return pd.Series([_named(cell) for cell in cells], index=cells.index, dtype="str")


def _named(content: bytes | None) -> str:
    if not content:
        return ""
    kind = image_type(content)
    digest = hashlib.sha256(content).hexdigest()[:16]
    return f"{BINARY}image {kind} {digest}" if kind else f"{BINARY}bytes {digest}"


def spaced(n: int, n_wanted: int) -> list[int]:
    """Return at most ``n_wanted`` evenly spaced positions among ``n``."""
    return sorted({int(k) for k in np.linspace(0, n - 1, min(n, n_wanted))}) if n else []
