"""Bases that differ from what one expects: other heads, no padding, fewer places than tokens asked for, other architectures."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file

from graft.errors import InputError
from graft.model.classifier import predict
from graft.model.encoder import embed, load_encoder
from graft.model.examples import Examples
from graft.model.finetune import finetune
from tests.support.refusals import refused
from tests.support.slow_cases import slow
from tests.support.tiny_models import finetune_settings, write_tiny_base, write_tiny_image_base
from tests.unit.model.test_image_model import Digits
from tests.unit.model.test_layers import CUT, IMAGE_NETWORKS, TEXT_NETWORKS
from tests.unit.model.test_text_model import messages

TUNED = ["full", *slow("lora", "top_k", "contrastive")]


def replaced(folder: Path, make: Callable[[], Any]) -> Path:
    """Write a tiny base, and another network in its place."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = make()
        if network.main_input_name == "pixel_values":
            for _ in range(20):  # the running statistics of a new network let nothing through it
                network(pixel_values=torch.rand(8, 3, 32, 32))
        network.save_pretrained(folder)
    return folder


def with_head() -> Any:
    config = transformers.BertConfig(
        vocab_size=300, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, num_labels=7
    )
    return transformers.BertForSequenceClassification(config)


def test_a_base_with_another_head(tmp_path: Path) -> None:
    """A classifier for other classes serves as a base: its encoder is taken, and its head left behind."""
    base = replaced(write_tiny_base(tmp_path / "b"), with_head)
    stored = load_file(base / "model.safetensors")
    assert any(name.startswith("bert.") for name in stored)
    assert "classifier.weight" in stored
    texts, labels = messages(4)
    features, _ = embed(base, texts, modality="text", max_tokens=32)
    encoder = load_encoder(base, "text", max_tokens=32)
    name = "encoder.layer.1.output.dense.weight"
    assert torch.equal(encoder.network.state_dict()[name].cpu(), stored[f"bert.{name}"])
    some = Examples(texts, features, labels)
    classifier = finetune(base, some, finetune_settings(), modality="text", C=10.0, max_tokens=32)
    assert len(classifier.labels) == 4


def test_a_base_without_padding(tmp_path: Path) -> None:
    """A tokenizer that knows no padding: a text's features are the same alone and beside a longer one."""
    base = write_tiny_base(tmp_path / "b")
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        if (base / name).is_file():
            said = json.loads((base / name).read_text())
            said["pad_token"] = None
            (base / name).write_text(json.dumps(said))
    assert load_encoder(base, "text", max_tokens=32).tokenizer.pad_token_id is None
    alone, _ = embed(base, ["cat"], modality="text", max_tokens=32)
    beside, _ = embed(base, ["cat", "please pay my bill and my order"], modality="text", max_tokens=32)
    assert np.abs(alone[0] - beside[0]).max() < 1e-5


def test_a_base_without_a_tokenizer(tmp_path: Path) -> None:
    """Where its files are absent transformers makes a tokenizer that knows no word: the base is refused."""
    base = write_tiny_base(tmp_path / "b")
    for path in base.glob("token*"):
        path.unlink()
    with refused("not-an-encoder"):
        load_encoder(base, "text", max_tokens=32)


@pytest.mark.parametrize(("name", "n_places"), [("bert", 160), ("roberta", 510), ("gpt2", 1024)])
def test_more_tokens_than_places(tmp_path: Path, name: str, n_places: int) -> None:
    """Texts as long as the base has places are read; a longer limit is refused with the number that works."""
    base = write_tiny_base(tmp_path / "b")
    if name != "bert":
        replaced(base, TEXT_NETWORKS[name])
    long = "cat " * 2000
    features, n_cut = embed(base, [long, "cat"], modality="text", max_tokens=n_places)
    assert (n_cut, features.shape) == (1, (2, 32))
    with pytest.raises(
        InputError, match=rf"embed.max_tokens is {n_places + 1:,}, and b reads {n_places:,} tokens"
    ) as said:
        embed(base, [long], modality="text", max_tokens=n_places + 1)
    assert said.value.do == f"set embed.max_tokens to {n_places} or less"


def test_half_of_a_base(tmp_path: Path) -> None:
    """An encoder whose settings name a network with a decoder is refused: transformers would draw that at random."""
    base = replaced(write_tiny_base(tmp_path / "b"), TEXT_NETWORKS["t5"])
    with refused("not-an-encoder") as said:
        embed(base, ["cat"], modality="text", max_tokens=32)
    assert "lacks decoder" in said.value.where


def test_places_that_are_computed(tmp_path: Path) -> None:
    """A network whose places are angles reads more tokens than it was made with."""
    base = replaced(write_tiny_base(tmp_path / "b"), TEXT_NETWORKS["modernbert"])
    assert embed(base, ["cat " * 900], modality="text", max_tokens=512)[1] == 1


@pytest.mark.slow
@pytest.mark.parametrize("strategy", TUNED)
@pytest.mark.parametrize("name", [name for name in TEXT_NETWORKS if name not in {"bert", "t5"}])
def test_text_architectures(tmp_path: Path, name: str, strategy: str) -> None:
    """Each strategy trains each architecture, or says in a sentence what does."""
    base = replaced(write_tiny_base(tmp_path / "b"), TEXT_NETWORKS[name])
    texts, labels = messages(2)
    features, _ = embed(base, texts, modality="text", max_tokens=32)
    works = {"top_k": name in CUT, "lora": name != "gpt2"}.get(strategy, True)
    check(base, Examples(texts, features, labels), strategy, "text", works=works)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", TUNED)
@pytest.mark.parametrize("name", [name for name in IMAGE_NETWORKS if name not in {"resnet", "vit"}])
def test_image_architectures(tmp_path: Path, digits: Digits, name: str, strategy: str) -> None:
    """Likewise for images."""
    base = replaced(write_tiny_image_base(tmp_path / "b"), IMAGE_NETWORKS[name])
    features, _ = embed(base, digits[0][:16], modality="image", max_tokens=0)
    some = Examples(digits[0][:16], features, digits[1][:16])
    check(base, some, strategy, "image", works=strategy != "top_k" or name in CUT)


def check(base: Path, some: Examples, strategy: str, modality: Any, *, works: bool) -> None:
    how = finetune_settings(strategy=strategy, n_layers=1, n_epochs=1)
    facts: dict[str, Any] = {"modality": modality, "C": 10.0, "max_tokens": 32}
    if not works:
        with pytest.raises(InputError) as said:
            finetune(base, some, how, **facts)
        assert "finetune.strategy" in said.value.do
        return
    classifier = finetune(base, some, how, **facts)
    before = load_encoder(base, modality, max_tokens=32).network.state_dict()
    after = classifier.encoder.network.state_dict()
    assert before.keys() == after.keys()
    assert any(not torch.equal(tensor, after[name]) for name, tensor in before.items())
    assert np.isfinite(predict(classifier, some.contents)).all()
