"""Which rows are repaired or taken out without a person."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import pandas as pd

from graft.records import TAKEN_OUT
from graft.rows import TEST

Action = Literal["text", "drop"]
"""What a file of repairs says was done: the content was replaced, whatever it is, or the row taken out."""


def repairs(
    read: Callable[[], Iterator[pd.DataFrame]], repair: Callable[[str], str]
) -> Iterator[tuple[str, Action, str]]:
    """Yield what repairs each row that needs it: its name, what to do, and the new text.

    ``text``: the text becomes the new one. ``drop``: the row has no text, or repeats an earlier row of its side with the same
    label.

    Args:
        read: yields frames with columns row, content (str), label, key, side and because of a placed row (``graft.rows``).
        repair: of the modality: returns a content repaired, "" where nothing is left of it.

    Cost: linear; about 80 bytes of memory a row.
    """
    repaired: set[int] = set()
    labels: dict[str, int] = {}
    for batch in read():
        present = batch["because"] != TAKEN_OUT
        columns = (batch.loc[present, name].tolist() for name in ("row", "content", "label", "key", "side"))
        for row, text, label, key, side in zip(*columns, strict=True):
            fixed = repair(text)
            code = (int(key, 16) << 32) | (labels.setdefault(label, len(labels)) << 1) | (side == TEST)
            if not fixed or (label and code in repaired):
                yield row, "drop", ""
            elif fixed != text:
                yield row, "text", fixed
            repaired.add(code)
