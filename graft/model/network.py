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
from transformers import AutoConfig, AutoModel
from transformers.utils import logging as transformers_logging

from graft.errors import InputError, TamperError
from graft.modality import MODALITIES
from graft.model.folder_check import not_an_encoder
from graft.model.shards import WHOLE, Shapes, read_shapes
from graft.model.weight_check import held_to

transformers_logging.set_verbosity_error()
transformers_logging.disable_progress_bar()

_ONE_FILE = 2**60
"""Bytes above which a model's weights are cut into shards: a promoted model has one file."""
_UNREADABLE = (
    OSError,
    ImportError,
    ArithmeticError,
    AssertionError,
    MemoryError,
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
def refusals(folder: Path, modality: str) -> Iterator[None]:
    """Turn what goes wrong while an encoder is loaded into one InputError."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except _UNREADABLE as error:
        raise refusal(folder, modality, (str(error).strip() or repr(error)).splitlines()[0]) from error


def refusal(folder: Path, modality: str, why: str) -> InputError:
    """Return the error that says why a folder is not an encoder of a modality."""
    kind = MODALITIES[modality].encoder
    do = f"give a Hugging Face model folder with {kind} in safetensors"
    return not_an_encoder(folder.name, modality, where=why, do=do)


def load_network(folder: Path, modality: str, *, takes: str) -> Any:
    """Return a base's network in evaluation mode, float32.

    Args:
        takes: what transformers calls the main input of such networks.

    Weights that the folder lacks are drawn at random by transformers: only a pooler's are let pass, which no feature uses,
    and always the same are drawn, so that a model made from the base has the same bytes every time.

    Raises:
        InputError: the folder holds no such network that transformers knows, promises a larger one than its weights are, lacks
            weights, or has some that are no finite numbers.
    """
    shapes = _shapes(folder, modality)
    with refusals(folder, modality), held_to(shapes, folder), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network, found = AutoModel.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, trust_remote_code=False, dtype=torch.float32,
            output_loading_info=True,
        )  # fmt: skip
    main_input = getattr(network, "main_input_name", "")
    if main_input != takes:
        raise refusal(folder, modality, f"{type(network).__name__} takes {main_input or 'no input'}")
    lacking = sorted(name for name in found["missing_keys"] if not name.startswith("pooler."))
    if lacking:
        raise refusal(folder, modality, f"{WHOLE} lacks {lacking[0]} and {len(lacking) - 1} more")
    _check_finite(network, folder)
    return network.eval()


def _shapes(folder: Path, modality: str) -> Shapes:
    """Return the shapes of a base's tensors, by the headers of its files."""
    try:
        return read_shapes(folder)
    except (InputError, TamperError) as error:
        raise refusal(folder, modality, f"{error.what} {error.where}") from error


def _check_finite(network: Any, folder: Path) -> None:
    """Refuse weights that are no finite numbers: every feature would be none either."""
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise InputError(
                f"Base {folder.name} has weights that are no finite numbers.",
                where=f"{folder}: {name}",
                do="copy the base's folder again, or give another base",
            )


def load_classifier(folder: Path, modality: str, auto_class: Any) -> Any | None:
    """Return a base's network with the head that it was published with; None: its weights hold no head of two classes or more.

    Args:
        auto_class: that of transformers for such classifiers.

    Raises:
        InputError: as ``load_network``.
    """
    shapes = _shapes(folder, modality)
    with refusals(folder, modality), held_to(shapes, folder), torch.random.fork_rng(devices=[]):
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        if not any(name.endswith("Classification") for name in config.architectures or ()) or config.num_labels < 2:
            return None
        network, found = auto_class.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, trust_remote_code=False, dtype=torch.float32,
            output_loading_info=True,
        )  # fmt: skip
    return None if found["missing_keys"] else network.eval()


def save_network(network: Any, folder: Path, auto_class: Any) -> None:
    """Write a network as a Hugging Face folder with one file of weights, from which no classifier is loaded by mistake.

    Where a folder lacks a head, transformers draws one at random and answers with it. So each tensor of the head that it would
    look for stands in the file, without values: such a loader refuses the folder, as sizes do not match, and one of encoders
    passes over them.

    Args:
        auto_class: that of transformers for classifiers with such a network.
    """
    blanks = {name: torch.empty(0) for name in _head_of(network, auto_class)}
    network.save_pretrained(folder, state_dict={**network.state_dict(), **blanks}, max_shard_size=_ONE_FILE)


def _head_of(network: Any, auto_class: Any) -> list[str]:
    """Return the names of the tensors of the head that transformers gives a network's architecture; none: it has no such."""
    try:
        with torch.device("meta"):
            whole = auto_class.from_config(copy.deepcopy(network.config), trust_remote_code=False)
    except ValueError:  # transformers knows no classifier of that architecture, and refuses by itself
        return []
    own, prefix = network.state_dict().keys(), f"{whole.base_model_prefix}."
    return [name for name in whole.state_dict() if name.removeprefix(prefix) not in own]


def untrained(network: Any, seed: int) -> Any:
    """Return a network of the same architecture, on the same device, that has learned nothing: weights are drawn at random."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        drawn = type(network)(copy.deepcopy(network.config)).eval()
    return drawn.to(next(network.parameters()).device)
