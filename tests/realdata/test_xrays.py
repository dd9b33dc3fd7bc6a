"""X-rays of patients: no patient on both sides, as the collection grows image by image."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from graft.data import Part, place_rows
from graft.recipe import Data
from graft.rows import SIDES

DATA = Data(
    dataset="d", train="train.parquet", test=None, text=None, image="jpeg", label="projection", id="image_id",
    group="patient_id", time=None, test_from=None, sensitive=("sex",), fraction_test=0.3, min_similarity=0.99,
    rows_per_class=None,
)  # fmt: skip


@pytest.mark.realdata
def test_no_patient_crosses_as_images_come(shared_data: Path, tmp_path: Path) -> None:
    """243 images of 71 patients in three portions: sides of earlier images stay, and each patient lies on one side."""
    folder = shared_data / "image" / "xray_hannover"
    about = pd.read_csv(folder / "metadata.csv", dtype=str, usecols=["image_id", "patient_id", "sex", "projection"])
    rows = pd.read_parquet(folder / "images_256.parquet").merge(about.fillna(""), on="image_id")
    assert (len(rows), rows["patient_id"].nunique()) == (243, 71)
    parts: list[Part] = []
    before = pd.Series(dtype=object)
    for number, (start, stop) in enumerate([(0, 100), (100, 180), (180, 243)]):
        path = tmp_path / f"part{number}.parquet"
        rows.iloc[start:stop].to_parquet(path, index=False)
        parts.append(Part(path, "added" if number else "train"))
        placed = place_rows(parts, DATA, {}, tmp_path, lambda *_: None)
        side = pd.Series([SIDES[code] for code in placed.sides.side], index=rows["image_id"].head(stop))
        assert side.head(len(before)).tolist() == before.tolist()
        before = side
    grown = rows.assign(side=before.to_numpy())
    kept = grown[grown["side"] != "dropped"]
    assert kept.groupby("patient_id")["side"].nunique().max() == 1
    assert {"train", "test"} <= set(kept["side"])
