"""Keeps credentials out of what is logged and of what is said of a remote."""

from __future__ import annotations

import os
import re

_IN_URL = re.compile(r"(?<=://)[^/?#\s@]*(?:@[^/?#\s@]*)*@|(?<=\?)[^\s#'\"<>]*=[^\s#'\"<>]*")
"""Name and password before a host, and a query: signed addresses carry their signature there."""
_NAMED = re.compile(r"KEY|SECRET|TOKEN|PASSW|CREDENTIAL|AUTH", re.IGNORECASE)
_SHORTEST = 8
"""A shorter value of the environment cannot be distinguished from a word."""
_HIDDEN = "***"


def without_secrets(text: str) -> str:
    """Return a text in which credentials of addresses, and values of the environment that are named as secrets, read ``***``."""
    for name, value in os.environ.items():
        if len(value) >= _SHORTEST and _NAMED.search(name) and not os.path.isabs(value):
            text = text.replace(value, _HIDDEN)
    return _IN_URL.sub(lambda found: f"{_HIDDEN}@" if found[0].endswith("@") else _HIDDEN, text)
