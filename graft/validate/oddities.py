"""What makes a text or an image odd: each kind with its name, how bad it is, what to do, and how to find it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import unescape

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from ftfy.badness import is_bad

from graft.modality.text.personal import PERSONAL
from graft.records import Severity

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
class Oddity:
    """A kind of oddity: its finding's name, how bad it is and what to do."""

    name: str
    severity: Severity
    do: str


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

_UNFINISHED = (
    r"[^.!?\x{2026}\x{3002}\x{ff01}\x{ff1f}\x{061f}\x{0964}:;\"'\x{201d}\x{2019}\x{bb})\]}>\s\p{Z}][\s\p{Z}]*$"
)

MIN_PIXELS = 8
IMAGE_ODDITIES: tuple[Oddity, ...] = (
    Oddity("Images that are blank", "warning", "take them out: one colour teaches nothing"),
    Oddity(f"Images with a side below {MIN_PIXELS} pixels", "warning", "look whether they are thumbnails or cuttings"),
    *(
        Oddity(f"Images that are {kind}", "note", "")
        for kind in ("16-bit", "float", "CMYK", "rotated by EXIF", "transparent", "palette")
    ),
)


def describe_texts(texts: pa.Array) -> pd.DataFrame:
    """Return one row per text, numbers only.

    Args:
        texts: shape (n,), no nulls.

    Returns:
        ``n_chars``: characters without outer blanks; ``n_raw``: all characters; ``unfinished``: whether it ends without a mark
        of punctuation; ``flags``: bit k is set where ``TEXT_ODDITIES[k]`` is found.

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
            "flags": flags,
        }
    )


def _find(texts: pa.Array, oddity: TextOddity) -> Bools:
    hits: Bools = np.array(pc.match_substring_regex(texts, oddity.pattern).to_numpy(zero_copy_only=False), dtype=bool)
    if oddity.confirm is not None and hits.any():
        where = np.flatnonzero(hits)
        hits[where] = [oddity.confirm(text) for text in texts.take(pa.array(where)).to_pylist()]
    return hits


def describe_images(images: Sequence[bytes], names: Sequence[str]) -> pd.DataFrame:
    """Return one row per image: ``flags``, whose bit k is set where ``IMAGE_ODDITIES[k]`` is found.

    Args:
        images: files, as ``graft.modality.image.pictures`` reads them.
        names: of the rows, for people.

    Cost: one decoding each.
    """
    from graft.modality.image.pictures import describe_picture

    kinds = [oddity.name.removeprefix("Images that are ") for oddity in IMAGE_ODDITIES]
    flags = np.zeros(len(images), dtype=np.uint32)
    for place, (image, name) in enumerate(zip(images, names, strict=True)):
        picture = describe_picture(image, name)
        found = [picture.is_blank, min(picture.width, picture.height) < MIN_PIXELS]
        found += [kind in picture.oddities for kind in kinds[2:]]
        flags[place] = sum(1 << bit for bit, is_found in enumerate(found) if is_found)
    return pd.DataFrame({"flags": flags})
