"""Where a base's weights lie: in one safetensors file, or in the shards that an index names; read as far as their headers.

Source: the index that transformers writes, ``model.safetensors.index.json``: ``weight_map`` names the file of each tensor,
``metadata.total_size`` the bytes of all.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from graft.errors import InputError, TamperError
from graft.model.header import read_header, size_of_values, without_repeats
from graft.records import canonical_json, sha256_bytes, sha256_file
from graft.records.safe_read import MAX_JSON, read_small

WHOLE = "model.safetensors"
INDEX = f"{WHOLE}.index.json"
_SHARD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,200}\.safetensors", re.ASCII)
Shapes = dict[str, tuple[int, ...]]


def weight_files(folder: Path) -> list[Path]:
    """Return the files of a base's weights, sorted: the whole one where it is there, as transformers takes it first.

    Raises:
        InputError: there are neither weights nor an index.
        TamperError: the index is damaged, or names a file that is not a plain one of this folder.
    """
    if (folder / WHOLE).is_file():
        return [folder / WHOLE]
    if not (folder / INDEX).is_file():
        other = sorted(path.name for path in folder.glob("*.bin"))
        raise InputError(
            f"Base {folder.name} has no {WHOLE}.",
            where=f"{folder}{', only ' + other[0] if other else ''}",
            do="convert the weights to safetensors; pickles are never loaded",
            code="weights-missing",
        )
    return [folder / name for name in sorted(set(_read_index(folder)[0].values()))]


def read_shapes(folder: Path) -> Shapes:
    """Return the shape of each tensor of a base, from the headers of its files.

    Raises:
        InputError, TamperError: as ``weight_files``; a header is damaged, or the shards do not hold what the index says: each
            tensor once, in the file named for it, and so many bytes in all.

    Cost: memory and time of the headers; values are not read.
    """
    files = weight_files(folder)
    of_file = {path.name: read_header(path) for path in files}
    shapes = {name: shape for header in of_file.values() for name, shape in header.items()}
    if files == [folder / WHOLE]:
        return shapes
    named, total = _read_index(folder)
    for path in files:
        present, wanted = set(of_file[path.name]), {name for name, file in named.items() if file == path.name}
        for name in sorted(present ^ wanted)[:1]:
            raise _damaged(
                folder, f"tensor {name[:80]!r} {'is not' if name in present else 'is missing'} in {path.name}, by it"
            )
    found = sum(size_of_values(path) for path in files)
    if total is not None and total != found:
        raise _damaged(folder, f"its shards hold {found:,} bytes of values, and it says {total:,}")
    return shapes


def digest_weights(folder: Path) -> str:
    """Return the sha256 of a base's weights: of the one file, or of the list of the shards' names and sha256."""
    files = weight_files(folder)
    if files == [folder / WHOLE]:
        return sha256_file(files[0])
    return sha256_bytes(canonical_json({path.name: sha256_file(path) for path in files}))


def _read_index(folder: Path) -> tuple[dict[str, str], int | None]:
    """Return which file holds each tensor, and how many bytes all have, if the index says so."""
    try:
        index = json.loads(read_small(folder / INDEX, MAX_JSON), object_pairs_hook=without_repeats)
    except (ValueError, RecursionError) as error:
        raise _damaged(folder, "it is not plain JSON") from error
    named = index.get("weight_map") if isinstance(index, dict) else None
    metadata = index.get("metadata") if isinstance(index, dict) else None
    if not isinstance(named, dict) or not named or not isinstance(metadata, dict):
        raise _damaged(folder, "it names no files, or has no metadata")
    total = metadata.get("total_size")
    for file in named.values():
        if not isinstance(file, str) or not _SHARD.fullmatch(file):
            raise _damaged(folder, f"it names {str(file)[:80]!r}, which is no safetensors file of this folder")
    for file in sorted(set(named.values())):
        if not (folder / file).is_file():
            raise _damaged(folder, f"it names {file}, which is not there")
    return named, total if type(total) is int else None


def _damaged(folder: Path, why: str) -> TamperError:
    return TamperError(
        f"The index of the weights of {folder.name} is not true to them.",
        where=f"{folder / INDEX}: {why}",
        do="copy the base's folder again",
    )
