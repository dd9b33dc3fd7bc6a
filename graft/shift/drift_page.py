"""Evidently's drift page: every column, reference against current, as a file of its own."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

os.environ["DO_NOT_TRACK"] = "1"

import pandas as pd

COLUMNS = ["label", "n_chars", "n_words"]


def write_drift_page(reference: pd.DataFrame, current: pd.DataFrame, path: Path, *, columns: list[str]) -> None:
    """Write Evidently's data drift report on class, length and the sensitive columns.

    Args:
        reference, current: columns text, label and ``columns``.
        path: an HTML file of 3 to 5 MB; it works offline.

    Cost: about 7 s of imports and 2 s.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Evidently's own imports and of its tests on small samples
        from evidently import DataDefinition, Dataset, Report
        from evidently.presets import DataDriftPreset

        definition = DataDefinition(categorical_columns=["label", *columns], numerical_columns=["n_chars", "n_words"])
        sides = [
            Dataset.from_pandas(_describe(frame, columns), data_definition=definition) for frame in (current, reference)
        ]
        result = Report([DataDriftPreset()], include_tests=True).run(*sides)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.part")
        result.save_html(str(temporary))
        temporary.rename(path)


def _describe(frame: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    described = frame[["label", *columns]].astype(object).reset_index(drop=True)
    described["n_chars"] = frame["text"].str.len().to_numpy()
    described["n_words"] = frame["text"].map(lambda text: len(text.split())).to_numpy()
    return described
