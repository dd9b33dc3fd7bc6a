"""A model as a folder: a Hugging Face folder with safetensors only, a card that names the base, and what later runs need.

``model.safetensors``, ``config.json``, tokenizer or image processor files: the encoder, with blanks where other loaders look
for a head (``graft.model.network.save_network``). ``head.safetensors``: the linear head. ``graft.json``: labels, and the reading
length of texts or the modality of others. What is kept of the training rows beside them: see ``graft.model.reference``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import yaml
from safetensors.torch import load_file as load_torch
from safetensors.torch import save_file as save_torch

from graft.errors import TamperError
from graft.model.classifier import Classifier
from graft.model.encoder import Encoder, load_encoder
from graft.model.header import read_header
from graft.model.settings import SETTINGS, Settings, read_settings
from graft.records import Base, write_atomic, write_json

CARD = """---
{front}---

# {recipe}

Made by Graft from `{base}` (revision {revision}, weights sha256 `{base_sha256}`), strategy `{strategy}`, on {n_train} rows of
`{dataset}` (sha256 `{dataset_sha256}`), {n_labels} classes.

Whether it is any good, which groups it serves worse, and what it was compared with stands in the records that the ledger
names for this model; `graft audit {recipe}` checks them.

## How to load it

With Graft, `graft.model.folder.load_model`. Without it, with transformers 5; it returns the probability of each class:

```python
{code}```

`AutoModel` gives the encoder. The head reads the encoder's pooled features at unit norm, a form that transformers has no class
for. `{auto_class}` refuses this folder by a mismatch of sizes; with `ignore_mismatched_sizes=True` it draws a
head at random, and its answers mean nothing. `pipeline("{modality}-classification")` fails.
"""
HEAD = "head.safetensors"
_RESTORE = "dvc checkout"


def save_model(classifier: Classifier, folder: Path, *, card: dict[str, Any]) -> None:
    """Write a classifier as a model folder. ``card`` fills the model card."""
    folder.mkdir(parents=True, exist_ok=True)
    classifier.encoder.save(folder)
    head = {"weight": classifier.weight.contiguous(), "bias": classifier.bias.contiguous()}
    save_torch(head, folder / HEAD)
    write_json(folder / SETTINGS, {"labels": list(classifier.labels), **classifier.encoder.settings()})
    write_atomic(folder / "README.md", _card(card, classifier.encoder).encode())
    for path in folder.rglob("*"):
        if path.suffix in {".bin", ".pt", ".pkl"}:
            raise TamperError("A model folder may hold safetensors only.", where=str(path))


def _card(card: dict[str, Any], encoder: Encoder) -> str:
    """Return the model card: names are quoted where YAML needs it, and none ends the code that it stands in."""
    front = {
        "base_model": card["base"],
        "base_model_relation": "finetune",
        "license": card["licence"],
        "datasets": [card["dataset"]],
        "pipeline_tag": f"{encoder.modality}-classification",
        "library_name": "graft",
        "tags": ["graft"],
    }
    plain = {key: value.replace("`", "'") if isinstance(value, str) else value for key, value in card.items()}
    return CARD.format(
        front=yaml.safe_dump(front, sort_keys=False, allow_unicode=True, width=10_000),
        code=encoder.without_graft(),
        modality=encoder.modality,
        auto_class=encoder.auto_class,
        **plain,
    )


def load_model(folder: Path) -> Classifier:
    """Return the classifier in a model folder.

    Raises:
        TamperError: a file is not what is written there, or the head does not fit encoder and labels.
    """
    settings = read_settings(folder)
    encoder = load_encoder(folder, settings.modality, max_tokens=settings.max_tokens)
    head = _head(folder, settings, encoder.dimension)
    return Classifier(
        encoder=encoder,
        weight=head["weight"],
        bias=head["bias"],
        labels=settings.labels,
        n_trained_parameters=0,
    )


def head_probabilities(folder: Path, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return what the head in a model folder says of its encoder's features: the probability of each class, shape (n, classes).

    Args:
        features: shape (n, d), as ``embed`` returns them for the folder.

    Raises:
        TamperError: as ``load_model``.
    """
    head = _head(folder, read_settings(folder), features.shape[1])
    return torch.softmax(torch.from_numpy(features) @ head["weight"].T + head["bias"], dim=1).numpy()


def _head(folder: Path, settings: Settings, dimension: int) -> dict[str, torch.Tensor]:
    n = len(settings.labels)
    if read_header(folder / HEAD) != {"weight": (n, dimension), "bias": (n,)}:
        raise TamperError(
            "The model's head has another number of classes than its labels, or of features than its encoder.",
            where=str(folder / HEAD),
            do=_RESTORE,
            code="head-misfit",
        )
    tensors: dict[str, torch.Tensor] = load_torch(folder / HEAD)
    return tensors


def card_for(
    recipe: str,
    base: Base,
    strategy: str,
    dataset: str,
    dataset_sha256: str,
    n_train: int,
    n_labels: int,
    *,
    n_unlabelled: int = 0,
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
        "n_train": f"{n_train} labelled and {n_unlabelled} unlabelled" if n_unlabelled else n_train,
        "n_labels": n_labels,
    }
