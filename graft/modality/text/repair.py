"""Repairs what can be repaired in a text without a person: wrong decoding, HTML, control characters, outer blanks."""

from __future__ import annotations

import re
from html import unescape

import ftfy

from graft.modality.text.oddities import ENTITY, TAG

_ENTITY = re.compile(ENTITY)
_NESTED = re.compile(r"&(?:amp;|#0{0,5}38;|#[xX]0{0,4}26;)+")  # escaped many times over: one pass, whatever the depth
_TAG = re.compile(TAG)
_BREAK = re.compile(r"(?i)<br\s*/?>|</(?:p|div|li|tr|h[1-6]|blockquote)\s*>")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f\u206a-\u206f\ufeff\ufff9-\ufffb]")
_BLANKS = re.compile(r"[ \t\xa0]{2,}")
_MAX_ROUNDS = 100


def repair(text: str) -> str:
    """Return a text with its damage repaired; repairing twice changes nothing more.

    Wrong decoding is undone where ftfy is sure of it, entities become their characters, ``<br>`` and the ends of paragraphs
    become line breaks, other tags blanks; control characters and outer blanks go. Curly quotes, Unicode forms, inner line
    breaks and replacement characters stay.

    Cost: about 10 us for a short text; a few rounds until nothing changes ("&amp;amp;lt;").
    """
    for _ in range(_MAX_ROUNDS):
        repaired = _once(text)
        if repaired == text:
            return text
        text = repaired
    return text


def _once(text: str) -> str:
    text = ftfy.fix_encoding(text) if not text.isascii() else text
    text = _CONTROL.sub("", text)
    text = _ENTITY.sub(lambda entity: unescape(entity[0]), _NESTED.sub("&", text))
    if "<" in text:
        text = _BLANKS.sub(" ", _TAG.sub(" ", _BREAK.sub("\n", text)))
    return text.strip()
