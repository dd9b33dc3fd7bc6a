"""Public files as their owners have them: what Graft is for is read, and what it is not for is said at once."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from graft.data import import_data, profile_data


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("tabular/compas/compas-scores-two-years.csv", "HistGradientBoosting"),
        ("tabular/german_credit/german.csv", "HistGradientBoosting"),
        ("drift/elec2/elec.csv", "HistGradientBoosting"),
        ("drift/nab/nyc_taxi.csv", "sktime"),
    ],
)
def test_tables_of_numbers_are_refused_in_the_first_line(shared_data: Path, name: str, instead: str) -> None:
    """With what to use instead; no advice leads on."""
    seen = profile_data(shared_data / name)
    assert instead in seen.refusal
    assert seen.advice == ()


@pytest.mark.realdata
@pytest.mark.parametrize("name", ["text/banking77", "bias/davidson/labeled_data.csv", "image/cifar10_jpeg"])
def test_texts_and_images_are_not_refused(shared_data: Path, name: str) -> None:
    """What Graft is for has no refusal."""
    assert profile_data(shared_data / name).refusal == ""


@pytest.mark.realdata
def test_xrays_in_sub_folders_are_joined_to_their_metadata(shared_data: Path, tmp_path: Path) -> None:
    """243 X-rays in folders by patient beside a table that names them without ending: each comes with its row."""
    source = shared_data / "image" / "xray_hannover"
    about = pd.read_csv(source / "metadata.csv", dtype=str)
    images = pd.read_parquet(source / "images_256.parquet").set_index("image_id")["jpeg"]
    folder = tmp_path / "xrays"
    for image, patient in zip(about["image_id"], about["patient_id"], strict=True):
        path = folder / "png" / str(patient) / f"{image}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(images[image])
    about.to_csv(folder / "metadata.csv", index=False)
    seen = profile_data(folder)
    assert (seen.columns_with("image"), seen.columns_with("group")) == (("image_id",), ("patient_id",))
    (path,) = import_data(folder, tmp_path / "brought").values()
    table = pq.read_table(path, columns=["file", "image", "patient_id"]).to_pandas()
    assert table["file"].tolist() == about["image_id"].tolist()
    assert all(row.image == images[row.file] for row in table.itertuples())
