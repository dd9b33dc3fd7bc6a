"""Looks at a model folder before transformers does: plain files of its own, of a size that fits, that name nothing elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from graft.errors import InputError
from graft.modality import MODALITIES

ADAPTER = "adapter_config.json"
_MAX_TEXT = 512 * 1024 * 1024  # the largest tokenizers have some 50 MB
_MAX_SETTINGS = 16 * 1024 * 1024
TEXTS = {".json", ".txt", ".model", ".md", ".jinja", ".tiktoken", ".bpe", ".vocab"}
"""Endings of what a model folder says beside its weights: settings, tokenizer, card."""
_MAX_LABELS = 30_000
"""ImageNet's largest has 21,843; transformers makes a name for each before it sees any weights."""
_SETTINGS = ("config.json", "tokenizer_config.json", "preprocessor_config.json", "processor_config.json")


def check_plain(folder: Path) -> None:
    """Check what a model folder holds, so that nothing outside it is read and nothing but its safetensors is the weights.

    Links may lead to files of the same folder and, in the Hugging Face cache, to its ``blobs``: no other is followed. Code and
    pickles may lie there; they are never read.

    Raises:
        InputError: a link leads elsewhere; a text is larger than any tokenizer; settings name a file elsewhere, other weights or
            a kernel to be fetched, or promise classes without end; or the folder holds an adapter, which is no model by itself.
    """
    home = folder.resolve()
    limits = [home, home.parents[1] / "blobs"] if home.parent.name == "snapshots" else [home]
    for path in folder.rglob("*"):
        if path.is_symlink() and not _leads_into(path, limits):
            raise _refusal(folder, f"{path} is a link that leads out of the folder", "put the file itself there")
        if path.suffix in TEXTS and path.is_file() and path.stat().st_size > _MAX_TEXT:
            raise _refusal(folder, f"{path} has {path.stat().st_size:,} bytes", "copy the base's folder again")
    if (folder / ADAPTER).exists():
        raise _refusal(folder, f"{folder / ADAPTER} names another model", "merge the adapter into its model first")
    for name in _SETTINGS:
        if (folder / name).is_file():
            _check_settings(folder, folder / name, limits)


def _check_settings(folder: Path, path: Path, limits: list[Path]) -> None:
    """Check that settings are small and lead nowhere else. That they make sense is seen by transformers."""
    if path.stat().st_size > _MAX_SETTINGS:
        raise _refusal(folder, f"{path} has {path.stat().st_size:,} bytes", "copy the base's folder again")
    try:
        settings = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return
    if not isinstance(settings, dict):
        return
    for key, value in settings.items():
        if _has_too_many_labels(key, value) or _leads_elsewhere(folder, key, value, limits):
            raise _refusal(folder, f'{path} has "{key}": {json.dumps(value)[:80]}', f'take "{key}" out')


def _has_too_many_labels(key: str, value: Any) -> bool:
    """Return whether a setting promises more classes than any network has."""
    if key == "num_labels":
        return isinstance(value, int | float) and value > _MAX_LABELS
    return key in {"id2label", "label2id"} and isinstance(value, dict) and len(value) > _MAX_LABELS


def _leads_elsewhere(folder: Path, key: str, value: Any, limits: list[Path]) -> bool:
    """Return whether a setting makes transformers read other weights, fetch a kernel, or open a file that lies elsewhere.

    Published tokenizers name files of their maker's machine (``special_tokens_map_file``): what is not there cannot be read.
    """
    if key == "transformers_weights":
        return value is not None
    if key.endswith("_implementation"):
        return "/" in json.dumps(value)
    if key.endswith("_file") and isinstance(value, str) and "\0" not in value and len(value) < 4096:
        named = folder / value
        return named.is_file() and not _leads_into(named, limits)
    return False


def _leads_into(path: Path, folders: list[Path]) -> bool:
    """Return whether a path ends in one of the folders; a loop of links ends nowhere."""
    try:
        end = path.resolve(strict=True)
    except (OSError, RuntimeError):
        return False
    return any(end.is_relative_to(folder) for folder in folders)


def _refusal(folder: Path, where: str, do: str) -> InputError:
    return InputError(f"Base {folder.name} is not a folder of plain files.", where=where, do=do, code="base-not-plain")


def not_an_encoder(name: str, modality: str, *, where: str, do: str) -> InputError:
    """Return the error of a folder that is no encoder of a modality."""
    return InputError(f"{name} is not {MODALITIES[modality].encoder}.", where=where, do=do, code="not-an-encoder")
