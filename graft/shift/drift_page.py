"""Evidently's drift page: every column, reference against current, as a file of its own."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

os.environ["DO_NOT_TRACK"] = "1"

import pandas as pd

from graft.modality import MODALITIES
from graft.records import part

_INERT = str.maketrans("<>&\"'`", "\u2039\u203a\uff06\u2033\u2032\u2032") | dict.fromkeys(
    [*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)], ord(" ")
)
"""Evidently's page writes names and classes into HTML as they come, and its scripts once more: marks that mean something there
are written with others that look like them, and characters that a terminal obeys are blanks."""


def write_drift_page(
    reference: pd.DataFrame, current: pd.DataFrame, path: Path, *, columns: list[str], modality: str
) -> None:
    """Write Evidently's data drift report on class, what a row looks like from outside, and the sensitive columns.

    No text of theirs means anything to the browser: not as HTML, and not in the page's own scripts.

    Args:
        reference, current: columns content, label and ``columns``.
        modality: what the contents are, a key of ``MODALITIES``.
        path: an HTML file of 3 to 5 MB; it works offline.

    Cost: about 7 s of imports and 2 s.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Evidently's own imports and of its tests on small samples
        from evidently import DataDefinition, Dataset, Report
        from evidently.presets import DataDriftPreset

        named = ["label", *(column.translate(_INERT) for column in columns)]
        definition = DataDefinition(categorical_columns=named, numerical_columns=list(MODALITIES[modality].measures))
        sides = [
            Dataset.from_pandas(_describe(frame, columns, modality), data_definition=definition)
            for frame in (current, reference)
        ]
        result = Report([DataDriftPreset()], include_tests=True).run(*sides)
        path.parent.mkdir(parents=True, exist_ok=True)
        with part(path.parent, path.name) as temporary:
            result.save_html(str(temporary))
            temporary.rename(path)


def _describe(frame: pd.DataFrame, columns: list[str], modality: str) -> pd.DataFrame:
    described = frame[["label", *columns]].astype(object).reset_index(drop=True)
    described = described.map(lambda cell: cell.translate(_INERT) if isinstance(cell, str) else cell)
    described.columns = described.columns.map(lambda name: name.translate(_INERT))
    for name, measure in MODALITIES[modality].measures.items():
        described[name] = [measure(content) for content in frame["content"]]
    return described
