"""Which folders are bases for images, and what is said of those that are not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Literal

import pytest

from graft.errors import InputError
from graft.modality.image import PROCESSOR
from graft.model.encoder import load_encoder
from graft.records import digest_folder
from tests.support.refusals import refused
from tests.support.tiny_models import write_tiny_image_base


def altered(base: Path, folder: Path, what: str) -> Path:
    """A copy of a base with one thing wrong."""
    shutil.copytree(base, folder)
    config = json.loads((folder / "config.json").read_text())
    weights = folder / "model.safetensors"
    if what == "no processor":
        (folder / PROCESSOR).unlink()
    elif what == "damaged processor":
        (folder / PROCESSOR).write_text("[]")
    elif what == "foreign processor":
        (folder / PROCESSOR).write_text('{"image_processor_type": "Nothing"}')
    elif what == "sizes differ":
        (folder / PROCESSOR).write_text('{"image_processor_type": "ViTImageProcessor", "do_resize": false}')
    elif what == "unknown architecture":
        (folder / "config.json").write_text(json.dumps(config | {"model_type": "nothing"}))
    elif what == "remote code":
        (folder / "config.json").write_text(json.dumps({"auto_map": {"AutoModel": "evil.Evil"}}))
        (folder / "evil.py").write_text(f"open({str(folder / 'canary')!r}, 'w')")
    elif what == "only a pickle":
        weights.rename(folder / "pytorch_model.bin")
    elif what == "cut weights":
        weights.write_bytes(weights.read_bytes()[:-1000])
    elif what == "other shapes":
        (folder / "config.json").write_text(json.dumps(config | {"hidden_sizes": [8, 24]}))
    elif what == "lacking layers":
        (folder / "config.json").write_text(json.dumps(config | {"depths": [1, 2]}))
    return folder


@pytest.mark.parametrize(
    ("what", "where"),
    [("no processor", "has no preprocessor_config.json"), ("damaged processor", ""), ("foreign processor", "Unrecognized"),
     ("sizes differ", ""), ("unknown architecture", "nothing"), ("remote code", ""),
     ("only a pickle", "has no model.safetensors"), ("cut weights", "header"), ("other shapes", ""),
     ("lacking layers", "lacks encoder.stages.1.layers.1")],
)  # fmt: skip
def test_what_is_no_image_base_is_refused(tiny_image_base: Path, tmp_path: Path, what: str, where: str) -> None:
    """A folder that is not whole, or of nothing known, is refused in one sentence that says why, and nothing in it is run."""
    folder = altered(tiny_image_base, tmp_path / "base", what)
    with pytest.raises(InputError, match="base is not an image encoder") as caught:
        load_encoder(folder, "image", max_tokens=0)
    assert where in caught.value.where
    assert caught.value.where
    assert "\n" not in caught.value.where
    assert "safetensors" in caught.value.do
    assert not (folder / "canary").exists()


def test_a_network_that_takes_another_size_is_refused(tmp_path: Path) -> None:
    """A processor whose size the network does not take is seen when the base is loaded, not in the middle of the rows."""
    base = write_tiny_image_base(tmp_path / "vit", architecture="vit")
    settings = json.loads((base / PROCESSOR).read_text())
    (base / PROCESSOR).write_text(json.dumps(settings | {"size": {"height": 48, "width": 48}}))
    with refused("not-an-encoder") as caught:
        load_encoder(base, "image", max_tokens=0)
    assert "48" in caught.value.where


def test_a_base_of_the_other_modality_is_refused(tmp_path: Path, tiny_base: Path, tiny_image_base: Path) -> None:
    """A base for texts is no image encoder, nor the reverse, even where the other's files lie beside it."""
    both = tmp_path / "both"
    shutil.copytree(tiny_base, both)
    shutil.copy(tiny_image_base / PROCESSOR, both)
    for folder in (tiny_base, both):
        with refused("not-an-encoder") as caught:
            load_encoder(folder, "image", max_tokens=0)
        assert caught.value.where == "BertModel takes input_ids"
    with refused("not-an-encoder") as caught:
        load_encoder(tiny_image_base, "text", max_tokens=8)
    assert caught.value.where == "ResNetModel takes pixel_values"


@pytest.mark.parametrize("architecture", ["resnet", "vit"])
def test_tiny_bases_are_reproducible(tmp_path: Path, architecture: Literal["resnet", "vit"]) -> None:
    """The same seed writes the same base, another seed another."""
    first, second, other = (
        digest_folder(write_tiny_image_base(tmp_path / name, seed, architecture))[1]
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    assert first == second
    assert first != other
