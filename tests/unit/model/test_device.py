"""On a machine with a GPU: everything is computed where the encoder lies, nothing mixes devices, and lack of memory is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from graft.errors import GraftError, ResourceError
from graft.modality import ModalityName
from graft.model import budget
from graft.model.auto import choose
from graft.model.classifier import features_of, predict, score
from graft.model.encoder import embed, load_encoder
from graft.model.examples import Examples
from graft.model.finetune import finetune
from graft.model.layers import Cut
from graft.model.retention import measure_retention, weight_change
from graft.model.scratch import train_from_scratch
from graft.model.source_head import source_probabilities
from tests.support.other_device import OTHER_DEVICE, MixedDevicesError, OtherDeviceTensor, second_device
from tests.support.slow_cases import slow
from tests.support.tiny_models import finetune_settings, write_tiny_base, write_tiny_image_base
from tests.unit.model.test_image_model import Digits
from tests.unit.model.test_text_model import messages

MORE = {"augment": 0.1, "label_smoothing": 0.1, "l2_sp": 0.1, "layer_decay": 0.5, "class_weights": "balanced"}
WAYS: dict[str, dict[str, Any]] = {
    "head": {"strategy": "head"},
    "full": {"strategy": "full", "mixup": 0.2, **MORE},
    "full, between": {"strategy": "full", "interpolation": "auto", "held_out": 0.25, "patience": 1},
    "lora": {"strategy": "lora"},
    "top_k": {"strategy": "top_k", "n_layers": 1},
    "contrastive": {"strategy": "contrastive"},
}

LEARNED_FROM_UNLABELLED = ("head", "full")
"""With a row that has no label: a first model is trained for it, in ten epochs."""


def facts(modality: ModalityName) -> dict[str, Any]:
    return {"modality": modality, "max_tokens": 16}


def rows(modality: ModalityName, digits: Digits) -> tuple[Any, np.ndarray]:
    """Return eight rows of two classes."""
    if modality == "text":
        texts, labels = messages(2)
        return texts[::2], labels[::2]
    return digits[0][:8], np.array(["a", "b"] * 4)


@pytest.fixture(scope="module", params=["text", *slow("image")])
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ModalityName]:
    folder = tmp_path_factory.mktemp("bases") / request.param
    write = write_tiny_base if request.param == "text" else write_tiny_image_base
    return write(folder), request.param


def test_the_second_device_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tensors of both devices are refused in one operation, numbers and copies are not, and values are right."""
    with second_device(monkeypatch):
        there = torch.arange(3.0).to(OTHER_DEVICE)
        assert isinstance(there, OtherDeviceTensor)
        assert there.device.type == OTHER_DEVICE
        assert (there * 2 + torch.tensor(1.0)).cpu().tolist() == [1.0, 3.0, 5.0]
        with pytest.raises(MixedDevicesError):
            there + torch.ones(3)
        with pytest.raises(MixedDevicesError):
            torch.nn.Linear(3, 2)(there)
        assert torch.nn.Linear(3, 2).to(OTHER_DEVICE)(there).device.type == OTHER_DEVICE


@pytest.mark.parametrize(
    "way",
    [
        "head",
        "full",
        "lora",
        *slow("full, between", "top_k", "contrastive"),
    ],
)
def test_every_strategy_on_the_device(
    base: tuple[Path, ModalityName], digits: Digits, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Embedding, training, scoring: all on the device of the encoder, and near what the CPU makes of it."""
    folder, modality = base
    contents, labels = rows(modality, digits)
    config = finetune_settings(**{"n_epochs": 1, "batch_size": 8, **WAYS[way]})

    def train() -> tuple[Any, np.ndarray]:
        features, _ = embed(folder, contents, **facts(modality))
        unknown = np.where(np.arange(len(labels)) == (7 if way in LEARNED_FROM_UNLABELLED else -1), "", labels)
        made = finetune(folder, Examples(contents, features, unknown), config, C=1.0, **facts(modality))
        return made, score(made, features_of(made, contents))

    expected = train()[1]
    with second_device(monkeypatch):
        made, shares = train()
        assert {p.device.type for p in made.encoder.network.parameters()} == {OTHER_DEVICE}
        assert (made.weight.device.type, made.bias.device.type) == ("cpu", "cpu")
    assert shares.shape == expected.shape
    assert np.isfinite(shares).all()
    if way == "head":
        assert shares == pytest.approx(expected, abs=1e-5)


def test_comparisons_on_the_device(
    base: tuple[Path, ModalityName], digits: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network from random weights, retention, weight change, own heads and operations: all on the encoder's device."""
    folder, modality = base
    contents, labels = rows(modality, digits)
    config = finetune_settings(n_epochs=1, batch_size=8)
    with second_device(monkeypatch):
        network = train_from_scratch(folder, contents, labels, config, **facts(modality))
        assert {p.device.type for p in network.encoder.network.parameters()} == {OTHER_DEVICE}
        assert np.isfinite(predict(network, contents)).all()
        encoder = load_encoder(folder, modality, max_tokens=16)
        assert {p.device.type for p in encoder.untrained(3).network.parameters()} == {OTHER_DEVICE}
        assert weight_change(encoder, network.encoder) > 0
        side = (contents, labels)
        kept = measure_retention("a", network, encoder, side, side, rng=np.random.default_rng(0), n_bootstrap=50)
        assert kept.n == len(labels)
        assert budget.forward_flops(encoder, contents) > 0
        assert source_probabilities(folder, encoder, contents, np.zeros((1, 1), np.float32)) is None


@pytest.mark.slow
def test_auto_on_the_device(tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trials of strategies are made on the device too."""
    contents, labels = messages(2)
    with second_device(monkeypatch):
        features, _ = embed(tiny_base, contents, **facts("text"))
        config = finetune_settings(strategy="auto", n_epochs=1, budget=1e3)
        chosen = choose(tiny_base, Examples(contents, features, labels), config, C=1.0, **facts("text"))
    assert sum(trial.is_chosen for trial in chosen.trials) == 1


def test_lack_of_memory_is_said(tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the GPU runs out of memory, that is what is said, with what to lower, and not that the base cannot be cut."""

    def full(*_args: Any, **_kwargs: Any) -> Any:
        raise torch.OutOfMemoryError(
            "CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 1 GiB"
        )

    contents, labels = messages(2)
    features, _ = embed(tiny_base, contents, **facts("text"))
    encoder = load_encoder(tiny_base, "text", max_tokens=16)
    items, _ = encoder.prepare(contents)
    some, config = Examples(contents, features, labels), finetune_settings(strategy="top_k", n_layers=1, budget=1e3)
    automatic = config.model_copy(update={"strategy": "auto"})
    monkeypatch.setattr(type(encoder), "pool", full)
    for act in (
        lambda: embed(tiny_base, contents, **facts("text")),
        lambda: finetune(tiny_base, some, config, C=1.0, **facts("text")),
        lambda: choose(tiny_base, some, automatic, C=1.0, **facts("text")),
        lambda: train_from_scratch(tiny_base, contents, labels, finetune_settings(), **facts("text")),
    ):
        with pytest.raises(ResourceError, match=r"^error: The GPU is out of memory\.") as said:
            act()
        assert said.value.exit_code == 1
        assert said.value.where == "CUDA out of memory"
        assert "finetune.batch_size" in said.value.do
        assert "embed.max_tokens" in said.value.do
    with pytest.raises(torch.OutOfMemoryError):
        Cut(encoder, 1).check(items)
    assert issubclass(ResourceError, GraftError)
