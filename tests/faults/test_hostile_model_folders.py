"""Hostile model folders: nothing in them runs, what does not fit is tampering, and names in a card stay names."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from graft.errors import GraftError, TamperError
from graft.model.bases import read_licence
from graft.model.encoder import embed
from graft.model.folder import load_model, save_model
from graft.records import Base
from tests.faults.test_hostile_headers import framed, tensor
from tests.support.executable_files import EXECUTABLE_FILES
from tests.support.refusals import refused


@pytest.fixture
def marker(tmp_path: Path) -> Iterator[Path]:
    """A file that must not be there afterwards."""
    path = tmp_path / "marker"
    yield path
    assert not path.exists(), "code of an artifact ran"


@pytest.fixture
def folder(tmp_path: Path, tiny_base: Path) -> Path:
    """A base that may be spoilt."""
    shutil.copytree(tiny_base, tmp_path / "base")
    return tmp_path / "base"


@pytest.fixture
def model(folder: Path, tmp_path: Path) -> Path:
    """A model folder."""
    import numpy as np

    from graft.model.classifier import fit_head
    from graft.model.encoder import load_encoder

    texts, labels = ["good dog", "bad cat"] * 6, np.array(["a", "b"] * 6)
    features, _ = embed(folder, texts, modality="text", max_tokens=16)
    classifier = fit_head(load_encoder(folder, "text", max_tokens=16), features, labels, C=1.0)
    base = Base(id="base", revision="1", sha256="0" * 64, folder_sha256="0" * 64, n_parameters=1, licence="mit")
    card = {"recipe": "r", "base": base.id, "revision": "1", "base_sha256": base.sha256, "licence": "mit", "strategy": "head",
            "dataset": "no", "dataset_sha256": "0" * 64, "n_train": 12, "n_labels": 2}  # fmt: skip
    save_model(classifier, tmp_path / "model", card=card)
    return tmp_path / "model"


def test_pickles_in_a_model_never_run(model: Path, marker: Path) -> None:
    """A pickle in the place of any file of a model folder is not loaded, and is refused where that file is needed."""
    for k, path in enumerate(sorted(model.iterdir())):
        content = path.read_bytes()
        path.write_bytes(EXECUTABLE_FILES[k % 3](marker))
        if path.name == "README.md":
            load_model(model)
        else:
            with pytest.raises(GraftError):
                load_model(model)
        path.write_bytes(content)
    load_model(model)


@pytest.mark.parametrize(
    "settings",
    ["[]", "{}", '{"labels": 5}', '{"labels": ["a", "b"], "max_tokens": "many"}', '{"labels": ["a"], "max_tokens": 16}',
     '{"labels": ["a", "b"], "max_tokens": -1}', '{"labels": ["a", "b"], "modality": "../x"}', "[" * 10**5],
)  # fmt: skip
def test_settings_of_a_model_that_lie(model: Path, settings: str) -> None:
    """graft.json that is not what Graft writes, or does not fit the head, is tampering."""
    (model / "graft.json").write_text(settings)
    with pytest.raises(TamperError):
        load_model(model)


def test_a_head_of_another_shape(model: Path) -> None:
    """A head that takes other features than its encoder gives is tampering, and is seen before it is used."""
    values = bytes(4 * (2 * 7 + 2))
    header = {"weight": tensor(0, 56, [2, 7]), "bias": tensor(56, 64, [2])}
    (model / "head.safetensors").write_bytes(framed(header, values))
    with refused("head-misfit"):
        load_model(model)


@pytest.mark.parametrize("name", ["no", "1e3", "a: b", "x\nlicense: evil", "--- a", "[a]", "`code`", "'", '"', "#"])
def test_names_in_a_model_card_stay_names(model: Path, folder: Path, name: str) -> None:
    """A base's or a dataset's name in a model card is one value there, whatever it holds."""
    import yaml

    from graft.model.folder import card_for

    base = Base(id=name, revision=name, sha256="0" * 64, folder_sha256="0" * 64, n_parameters=1, licence="mit")
    card = card_for("r", base, "head", name, "0" * 64, 12, 2)
    save_model(load_model(model), model, card=card)
    text = (model / "README.md").read_text()
    front = yaml.safe_load(text.split("\n---\n")[0])
    assert (front["base_model"], front["datasets"], front["license"]) == (name, [name], "mit")
    assert read_licence(model) == "mit"
