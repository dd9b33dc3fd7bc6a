"""Loads a base's network: from safetensors alone, without remote code, asking no hub, or says in a sentence why not."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModel, AutoModelForImageClassification, AutoModelForSequenceClassification
from transformers.utils import logging as transformers_logging

from graft.errors import InputError
from graft.model.bases import WEIGHTS
from graft.recipe import Modality

transformers_logging.set_verbosity_error()
transformers_logging.disable_progress_bar()

_INPUT = {"text": "input_ids", "image": "pixel_values"}
_UNREADABLE = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    RuntimeError,
    SafetensorError,
    StrictDataclassError,
)
"""What transformers raises for folders that are damaged, of other kinds, or in parts absent."""


@contextmanager
def refusals(folder: Path, modality: Modality) -> Iterator[None]:
    """Turn what goes wrong while an encoder is loaded into one InputError."""
    try:
        yield
    except _UNREADABLE as error:
        raise refusal(folder, modality, (str(error).strip() or repr(error)).splitlines()[0]) from error


def refusal(folder: Path, modality: Modality, why: str) -> InputError:
    """Return the error that says why a folder is not an encoder of a modality."""
    kind = {"text": "a text encoder", "image": "an image encoder"}[modality]
    return InputError(
        f"{folder.name} is not {kind}.", where=why, do=f"give a Hugging Face model folder with {kind} in safetensors"
    )


def load_network(folder: Path, modality: Modality) -> Any:
    """Return a base's network in evaluation mode, float32.

    Weights that the folder lacks are drawn at random by transformers: only a pooler's are let pass, which no feature uses,
    and always the same are drawn, so that a model made from the base has the same bytes every time.

    Raises:
        InputError: the folder holds no such network that transformers knows, or lacks weights.
    """
    if not (folder / WEIGHTS).is_file():
        raise refusal(folder, modality, f"{folder} has no {WEIGHTS}")
    with refusals(folder, modality), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network, found = AutoModel.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, trust_remote_code=False, dtype=torch.float32,
            output_loading_info=True,
        )  # fmt: skip
    takes = getattr(network, "main_input_name", "")
    if takes != _INPUT[modality]:
        raise refusal(folder, modality, f"{type(network).__name__} takes {takes or 'no input'}")
    lacking = sorted(name for name in found["missing_keys"] if not name.startswith("pooler."))
    if lacking:
        raise refusal(folder, modality, f"{WEIGHTS} lacks {lacking[0]} and {len(lacking) - 1} more")
    return network.eval()


def load_classifier(folder: Path, modality: Modality) -> Any | None:
    """Return a base's network with the head that it was published with; None: its weights hold no head of two classes or more.

    Raises:
        InputError: as ``load_network``.
    """
    kind = {"text": AutoModelForSequenceClassification, "image": AutoModelForImageClassification}[modality]
    with refusals(folder, modality), torch.random.fork_rng(devices=[]):
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        if not any(name.endswith("Classification") for name in config.architectures or ()) or config.num_labels < 2:
            return None
        network, found = kind.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, trust_remote_code=False, dtype=torch.float32,
            output_loading_info=True,
        )  # fmt: skip
    return None if found["missing_keys"] else network.eval()


def untrained(network: Any, seed: int) -> Any:
    """Return a network of the same architecture that has learned nothing: its weights are drawn at random."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return type(network)(copy.deepcopy(network.config)).eval()
