"""A model as a folder: a Hugging Face folder with safetensors only, a card that names the base, and what later runs need.

``model.safetensors``, ``config.json``, tokenizer or image processor files: the encoder. ``head.safetensors``: the linear
head. ``graft.json``: labels, and the reading length of texts or the modality of others. What is
kept of the training rows beside them: see ``graft.model.reference``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors.torch import load_file as load_torch
from safetensors.torch import save_file as save_torch

from graft.errors import TamperError
from graft.model.encoder import load_encoder
from graft.model.finetune import Classifier
from graft.records import Base, write_atomic, write_json

CARD = """---
base_model: {base}
base_model_relation: finetune
license: {licence}
datasets:
- {dataset}
pipeline_tag: {modality}-classification
library_name: transformers
tags:
- graft
---

# {recipe}

Made by Graft from `{base}` (revision {revision}, weights sha256 `{base_sha256}`), strategy `{strategy}`, on {n_train} rows of
`{dataset}` (sha256 `{dataset_sha256}`), {n_labels} classes.

Whether it is any good, whom it serves worse, and what it was compared with stands in the records that the ledger names
for this model; `graft audit {recipe}` checks them.
"""


def save_model(classifier: Classifier, folder: Path, *, card: dict[str, Any]) -> None:
    """Write a classifier as a model folder. ``card`` fills the model card."""
    folder.mkdir(parents=True, exist_ok=True)
    classifier.encoder.save(folder)
    head = {"weight": classifier.weight.contiguous(), "bias": classifier.bias.contiguous()}
    save_torch(head, folder / "head.safetensors")
    write_json(folder / "graft.json", {"labels": list(classifier.labels), **classifier.encoder.settings()})
    text = CARD.format(modality=classifier.encoder.modality, **card)
    write_atomic(folder / "README.md", text.encode())
    for path in folder.rglob("*"):
        if path.suffix in {".bin", ".pt", ".pkl"}:
            raise TamperError("A model folder may hold safetensors only.", where=str(path))


def load_model(folder: Path) -> Classifier:
    """Return the classifier in a model folder.

    Raises:
        TamperError: the head does not fit the labels.
    """
    settings = json.loads((folder / "graft.json").read_bytes())
    encoder = load_encoder(folder, settings.get("modality", "text"), max_tokens=settings.get("max_tokens", 0))
    head = load_torch(folder / "head.safetensors")
    if head["weight"].shape[0] != len(settings["labels"]):
        raise TamperError("The model's head has another number of classes than its labels.", where=str(folder))
    return Classifier(
        encoder=encoder,
        weight=head["weight"],
        bias=head["bias"],
        labels=tuple(settings["labels"]),
        n_trained_parameters=0,
    )


def card_for(
    recipe: str, base: Base, strategy: str, dataset: str, dataset_sha256: str, n_train: int, n_labels: int
) -> dict[str, Any]:
    """Return what the model card says."""
    return {
        "recipe": recipe,
        "base": base.id,
        "revision": base.revision,
        "base_sha256": base.sha256,
        "licence": base.licence,
        "strategy": strategy,
        "dataset": dataset,
        "dataset_sha256": dataset_sha256,
        "n_train": n_train,
        "n_labels": n_labels,
    }
