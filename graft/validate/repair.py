"""Mends what can be mended in a text without a person: wrong decoding, HTML, control characters, outer blanks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from html import unescape
from typing import Literal

import ftfy
import pandas as pd

from graft.records import TAKEN_OUT
from graft.validate.oddities import ENTITY, TAG

Action = Literal["text", "drop"]

_ENTITY = re.compile(ENTITY)
_NESTED = re.compile(r"&(?:amp;|#0{0,5}38;|#[xX]0{0,4}26;)+")  # escaped many times over: one pass, whatever the depth
_TAG = re.compile(TAG)
_BREAK = re.compile(r"(?i)<br\s*/?>|</(?:p|div|li|tr|h[1-6]|blockquote)\s*>")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f\u206a-\u206f\ufeff\ufff9-\ufffb]")
_BLANKS = re.compile(r"[ \t\xa0]{2,}")
_MAX_ROUNDS = 100


def repair(text: str) -> str:
    """Return a text with its damage mended; repairing twice changes nothing more.

    Wrong decoding is undone where ftfy is sure of it, entities become their characters, ``<br>`` and the ends of paragraphs
    become line breaks, other tags blanks; control characters and outer blanks go. Curly quotes, Unicode forms, inner line
    breaks and replacement characters stay.

    Cost: about 10 us for a short text; a few rounds until nothing changes ("&amp;amp;lt;").
    """
    for _ in range(_MAX_ROUNDS):
        mended = _once(text)
        if mended == text:
            return text
        text = mended
    return text


def _once(text: str) -> str:
    text = ftfy.fix_encoding(text) if not text.isascii() else text
    text = _CONTROL.sub("", text)
    text = _ENTITY.sub(lambda entity: unescape(entity[0]), _NESTED.sub("&", text))
    if "<" in text:
        text = _BLANKS.sub(" ", _TAG.sub(" ", _BREAK.sub("\n", text)))
    return text.strip()


def repairs(read: Callable[[], Iterator[pd.DataFrame]]) -> Iterator[tuple[str, Action, str]]:
    """Yield what mends each row that needs it: its name, what to do, and the new text.

    ``text``: the text becomes the new one. ``drop``: the row has no text, or repeats an earlier row of its side with the same
    label.

    Args:
        read: yields frames with columns row, content (str), label, key (16 hex digits), side and because.

    Cost: linear; about 80 bytes of memory a row.
    """
    seen: set[int] = set()
    labels: dict[str, int] = {}
    for batch in read():
        there = batch["because"] != TAKEN_OUT
        columns = (batch.loc[there, name].tolist() for name in ("row", "content", "label", "key", "side"))
        for row, text, label, key, side in zip(*columns, strict=True):
            mended = repair(text)
            code = (int(key, 16) << 32) | (labels.setdefault(label, len(labels)) << 1) | (side == "test")
            if not mended or (label and code in seen):
                yield row, "drop", ""
            elif mended != text:
                yield row, "text", mended
            seen.add(code)
