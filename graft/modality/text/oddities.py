"""What makes a text odd: each kind with its name, how bad it is, what to do, and how to find it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from html import unescape

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from ftfy.badness import is_bad

from graft.modality.base import Found, Oddity
from graft.modality.text.personal import PERSONAL

Bools = npt.NDArray[np.bool_]

ENTITY = r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});"
TAG = (
    r"(?i)</?(?:a|abbr|article|b|big|blockquote|body|br|center|code|dd|div|dl|dt|em|font|footer|form|h[1-6]|head|header|hr|html|i|"
    r"iframe|img|input|li|link|main|meta|nav|ol|p|pre|q|s|script|section|small|span|strong|style|sub|sup|table|tbody|td|th|thead|"
    r"title|tr|tt|u|ul|video)(?:\s[^<>]*)?/?>"
)
CONTROL = r"[\x00-\x08\x0e-\x1f\x7f\x{206a}-\x{206f}\x{feff}\x{fff9}-\x{fffb}]"
"""Those that ftfy takes out. \x80 to \x9f are Windows-1252 read as Latin-1: the wrong encoding."""
_MENDABLE = "mend them: graft validate --fix"


@dataclass(frozen=True)
class TextOddity(Oddity):
    """An oddity of texts: a pattern (RE2, so linear in the text), and what a hit must pass besides."""

    pattern: str
    confirm: Callable[[str], bool] | None = None


TEXT_ODDITIES: tuple[TextOddity, ...] = (
    TextOddity(
        "Texts with replacement characters",
        "warning",
        "read the source again in its own encoding: the letters are lost here",
        "\ufffd",
    ),
    TextOddity("Texts decoded with the wrong encoding", "warning", _MENDABLE, r"[^\x00-\x7f]", is_bad),
    TextOddity("Texts with control characters", "warning", _MENDABLE, CONTROL),
    TextOddity("Texts with HTML entities", "note", _MENDABLE, ENTITY, lambda t: unescape(t) != t),
    TextOddity("Texts with HTML tags", "note", _MENDABLE, TAG),
    TextOddity("Texts with line breaks", "note", "", r"[\n\r\x0b\x0c\x{2028}\x{2029}]"),
    TextOddity("Texts with blanks at the ends", "note", _MENDABLE, r"^[\s\p{Z}]|[\s\p{Z}]$"),
    TextOddity(
        "Texts with placeholders for names or links",
        "note",
        "replace names and links likewise when the model is asked",
        r"(?:^|\s)(?:@(?:user|USER)\b|http(?:\s|$))|[<\[{](?i:url|user|name|e-?mail|phone|number|date)[>\]}]",
    ),
    *(
        TextOddity(f"Texts with {kind.name}", "warning", "mask them or take the rows out", kind.pattern, kind.confirm)
        for kind in PERSONAL
    ),
)
N_DAMAGE = 2
"""The first two are damage: the check on encoding damage counts them."""

_MIN_PILE = 10
_PILE = 5
_PILE_WIDTH = 10
_UNFINISHED = (
    r"[^.!?\x{2026}\x{3002}\x{ff01}\x{ff1f}\x{061f}\x{0964}:;\"'\x{201d}\x{2019}\x{bb})\]}>\s\p{Z}][\s\p{Z}]*$"
)


def describe_texts(texts: pa.Array) -> pd.DataFrame:
    """Return one row per text, numbers only.

    Args:
        texts: shape (n,), no nulls.

    Returns:
        ``n_chars``: characters without outer blanks; ``n_raw``: all characters; ``unfinished``: whether it ends without a mark
        of punctuation; ``n_damaged``: 1 where it is damaged; ``flags``: bit k is set where ``TEXT_ODDITIES[k]`` is found.

    Cost: linear in the characters, about 5 us for a short text.
    """
    flags = np.zeros(len(texts), dtype=np.uint32)
    for bit, oddity in enumerate(TEXT_ODDITIES):
        flags |= _find(texts, oddity).astype(np.uint32) << np.uint32(bit)
    return pd.DataFrame(
        {
            "n_chars": pc.utf8_length(pc.utf8_trim_whitespace(texts)).to_numpy(zero_copy_only=False).astype(np.int32),
            "n_raw": pc.utf8_length(texts).to_numpy(zero_copy_only=False).astype(np.int32),
            "unfinished": pc.match_substring_regex(texts, _UNFINISHED).to_numpy(zero_copy_only=False),
            "n_damaged": (flags & np.uint32((1 << N_DAMAGE) - 1) > 0).astype(np.int8),
            "flags": flags,
        }
    )


def _find(texts: pa.Array, oddity: TextOddity) -> Bools:
    hits: Bools = np.array(pc.match_substring_regex(texts, oddity.pattern).to_numpy(zero_copy_only=False), dtype=bool)
    if oddity.confirm is not None and hits.any():
        where = np.flatnonzero(hits)
        hits[where] = [oddity.confirm(text) for text in texts.take(pa.array(where)).to_pylist()]
    return hits


def cut_texts(frame: pd.DataFrame) -> list[Found]:
    """Return texts that were cut at one length: many of just that length, few of the ten below it, most without an end.

    Only the largest length can be one, so only it is looked at.

    Args:
        frame: as ``describe_texts`` returns it.
    """
    n_raw = frame["n_raw"].to_numpy()
    if not len(n_raw):
        return []
    counts = np.bincount(n_raw)
    length, n = len(counts) - 1, int(counts[-1])
    below = counts[max(0, length - _PILE_WIDTH) : length]
    full = n_raw == length
    is_pile = n >= _MIN_PILE and n >= _PILE * max(1.0, float(below.mean()) if len(below) else 0.0)
    if not is_pile or length < 20 or frame["unfinished"].to_numpy()[full].mean() < 0.5:
        return []
    return [
        Found(
            full,
            "Texts that look cut",
            severity="warning",
            done=f"kept: all of {length:,} characters, and no text is longer",
            do="look for the whole texts where they came from",
        )
    ]
