"""Hostile settings and values of bases: what promises more than is there, or computes nothing, is refused soon and by name."""

from __future__ import annotations

import json
import resource
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from graft.errors import InputError
from graft.modality import ModalityName
from graft.model.bases import WEIGHTS
from graft.model.encoder import load_encoder
from tests.faults.test_hostile_models import use_base
from tests.support.cli_runner import check_error
from tests.support.refusals import refused
from tests.support.slow_cases import slow
from tests.support.tiny_models import write_tiny_image_base


@pytest.fixture
def folder(tmp_path: Path, tiny_base: Path) -> Path:
    """A base that may be spoilt."""
    shutil.copytree(tiny_base, tmp_path / "base")
    return tmp_path / "base"


@contextmanager
def within(seconds: int) -> Iterator[None]:
    """Fail where a block takes many times what it should: it would hang."""

    def ring(*_: object) -> None:
        raise AssertionError("it hangs")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


LARGE: dict[str, tuple[ModalityName, dict[str, Any]]] = {
    "a million layers": ("text", {"num_hidden_layers": 10**6}),
    "layers beyond memory": ("text", {"num_hidden_layers": 10**12}),
    "a vocabulary beyond memory": ("text", {"vocab_size": 10**12}),
    "places beyond memory": ("text", {"max_position_embeddings": 10**10}),
    "a width beyond memory": ("text", {"intermediate_size": 10**10}),
    "a million classes": ("text", {"num_labels": 10**6}),
    "classes beyond memory": ("text", {"num_labels": 10**12}),
    "a class for each name": ("text", {"id2label": {str(k): "x" for k in range(10**5)}}),
    "a million blocks": ("image", {"depths": [1, 10**6]}),
    "maps beyond memory": ("image", {"hidden_sizes": [8, 10**10]}),
}


@pytest.mark.parametrize("what", LARGE)
def test_settings_that_promise_too_much(tiny_base: Path, tiny_image_base: Path, tmp_path: Path, what: str) -> None:
    """Settings that ask for more layers, places or classes than the weights hold are refused at once, and cost no memory."""
    modality, changed = LARGE[what]
    shutil.copytree(tiny_base if modality == "text" else tiny_image_base, tmp_path / "base")
    path = tmp_path / "base" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with within(60), pytest.raises(InputError) as caught:
        load_encoder(tmp_path / "base", modality, max_tokens=0)
    check_error(str(caught.value), ())
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500 * 1024


@pytest.mark.parametrize("name", ["size", "crop_size", "pad_size"])
def test_pictures_beyond_memory(tiny_image_base: Path, tmp_path: Path, name: str) -> None:
    """A processor that would blow pictures up to 50,000 pixels a side is refused before one is made."""
    shutil.copytree(tiny_image_base, tmp_path / "base")
    path = tmp_path / "base" / "preprocessor_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), name: {"height": 50_000, "width": 50_000}}))
    with within(60), refused("not-an-encoder") as caught:
        load_encoder(tmp_path / "base", "image", max_tokens=0)
    assert "50,000 pixels a side" in caught.value.where


VALUES = (0, -1, 10**6, 10**12, "x", None)


IMAGES = slow("resnet", "vit")


@pytest.mark.parametrize("name", ["text", *IMAGES])
def test_each_setting_spoilt(tmp_path: Path, tiny_base: Path, name: str) -> None:
    """Each number in a base's settings set to what it cannot be, and some that are not there: taken or refused, and soon."""
    modality: ModalityName = "text" if name == "text" else "image"
    folder = tmp_path / "base"
    if name == "text":
        shutil.copytree(tiny_base, folder)
    else:
        write_tiny_image_base(folder, architecture=name)  # type: ignore[arg-type]  # one of the two
    path = folder / "config.json"
    settings = json.loads(path.read_text())
    numbers = [key for key, value in settings.items() if type(value) in {int, float} or isinstance(value, list)]
    taken = 0
    for key in (*numbers, "num_labels", "chunk_size_feed_forward", "id2label", "hidden_act"):
        for value in VALUES:
            of_each = isinstance(settings.get(key), list) and isinstance(value, int)
            path.write_text(json.dumps({**settings, key: [value] * len(settings[key]) if of_each else value}))
            with within(60):
                taken += use_base(folder, modality)
    assert 0 < taken < len(numbers) * len(VALUES)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_no_numbers(folder: Path, tiny_image_base: Path, tmp_path: Path, value: float) -> None:
    """One weight or one running statistic that is no finite number: the base is refused by name, before it embeds anything."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(tiny_image_base, tmp_path / "images")
    cases: list[tuple[Path, ModalityName, str]] = [
        (folder, "text", "encoder.layer.1.output.dense.weight"), (folder, "text", "embeddings.word_embeddings.weight"),
        (tmp_path / "images", "image", "embedder.embedder.normalization.running_var"),
    ]  # fmt: skip
    for base, modality, name in cases:
        tensors = load_file(base / WEIGHTS)
        tensors[name].view(-1)[3] = value
        save_file(tensors, base / WEIGHTS, metadata={"format": "pt"})
        with pytest.raises(InputError, match="weights that are no finite numbers") as caught:
            load_encoder(base, modality, max_tokens=0)
        assert name in caught.value.where
        assert not use_base(base, modality)
        tensors[name].view(-1)[3] = 0.5
        save_file(tensors, base / WEIGHTS, metadata={"format": "pt"})
