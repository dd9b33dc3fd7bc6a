"""What a text looks like from outside: columns that the suite has expectations on."""

from __future__ import annotations

import re

import pandas as pd

REPLACEMENT = "�"
_MOJIBAKE = re.compile(r"[\u00c2\u00c3][\u0080-\u00bf]|\u00e2\u20ac|\u00e2\u201a\u00ac|\u00f0\u0178")  # as in "Ã©"
_ENTITY = re.compile(r"&(?:#\d+|#x[0-9a-fA-F]+|amp|lt|gt|quot|nbsp|apos);")
DAMAGE = {
    "replacement characters": lambda text: REPLACEMENT in text,
    "text decoded with the wrong encoding": lambda text: bool(_MOJIBAKE.search(text)),
}
ODDITIES = {
    "HTML entities": lambda text: bool(_ENTITY.search(text)),
    "line breaks": lambda text: "\n" in text,
    "blanks at the ends": lambda text: text != text.strip(),
}


def describe_texts(texts: pd.Series) -> pd.DataFrame:
    """Return one row per text: its length without outer blanks, whether it is damaged, and each kind of damage or oddity."""
    found = {name: texts.map(test) for name, test in {**DAMAGE, **ODDITIES}.items()}
    frame = pd.DataFrame(found, index=texts.index)
    frame["n_chars"] = texts.str.strip().str.len()
    frame["n_damaged"] = frame[list(DAMAGE)].any(axis=1).astype(int)
    return frame
