"""Bases small enough for unit tests: real architectures with a real tokenizer or image processor, weights drawn at random."""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any, Literal

from graft.recipe import Finetune

WORDS = """the a an and or not to of in on for my your i you it is was are has have with this that please what where when
how money card order bill refund pay late parcel broken cancel move house engineer visit password account good bad red blue
cat dog car tree no yes"""
CARD = "---\nlicense: apache-2.0\n---\n\n# Tiny\n\nRandom weights, for tests.\n"


def write_tiny_base(folder: Path, seed: int = 0) -> Path:
    """Write a tiny random BERT (hidden size 32) as a Hugging Face folder; the same seed gives the same bytes."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    letters = string.ascii_lowercase + string.digits + string.punctuation
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = list(dict.fromkeys([*special, *letters, *(f"##{c}" for c in letters), *WORDS.split()]))
    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        config = BertConfig(
            vocab_size=len(words),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
            max_position_embeddings=160,
        )
        BertModel(config).save_pretrained(folder)
    BertTokenizerFast(vocab={word: k for k, word in enumerate(words)}).save_pretrained(folder)
    (folder / "README.md").write_text(CARD)
    return folder


def write_trained_base(folder: Path, texts: list[str], labels: Any, *, seed: int = 0) -> Path:
    """Write a tiny BERT that learned from rows, some seconds for 1,500 of them: a base that a transfer has something of."""
    import tempfile

    from graft.model.scratch import train_from_scratch

    how = finetune_settings(n_epochs=6, learning_rate=2e-3, batch_size=32, seed=seed)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        untaught = write_tiny_base(Path(scratch) / "base", seed=seed)
        train_from_scratch(untaught, texts, labels, how, modality="text", max_tokens=48).encoder.save(folder)
    (folder / "README.md").write_text(CARD)
    return folder


def without_dropout(folder: Path) -> Path:
    """Set every dropout of a base to 0, and return its folder."""
    config = json.loads((folder / "config.json").read_text())
    none = {key: 0.0 for key in config if "drop" in key and isinstance(config[key], float)}
    (folder / "config.json").write_text(json.dumps({**config, **none}))
    return folder


def write_tiny_image_base(folder: Path, seed: int = 0, architecture: Literal["resnet", "vit"] = "resnet") -> Path:
    """Write a tiny random ResNet (16 features) or ViT (32) for 32 x 32 pixels as a Hugging Face folder.

    The same seed gives the same bytes.
    """
    import torch
    from transformers import ResNetConfig, ResNetModel, ViTConfig, ViTModel
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if architecture == "resnet":
            ResNetModel(
                ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic")
            ).save_pretrained(folder)
        else:
            ViTModel(
                ViTConfig(
                    hidden_size=32,
                    num_hidden_layers=2,
                    num_attention_heads=2,
                    intermediate_size=64,
                    image_size=32,
                    patch_size=8,
                )
            ).save_pretrained(folder)
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    (folder / "README.md").write_text(CARD)
    return folder


def finetune_settings(**changed: Any) -> Finetune:
    """Return how a tiny base is tuned in seconds."""
    quick = {"strategy": "full", "n_epochs": 3, "batch_size": 8, "learning_rate": 1e-3, "seed": 5}
    return Finetune.model_validate({**quick, **changed})
