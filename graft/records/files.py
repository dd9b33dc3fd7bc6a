"""Bytes on disk: canonical JSON, digests, atomic writes."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from graft.errors import TamperError
from graft.records.values import FileDigest


def canonical_json(value: BaseModel | dict[str, Any] | list[Any]) -> bytes:
    """Return the one byte string that stands for a value: sorted keys, no NaN, two-space indent, final newline."""
    plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    return (json.dumps(plain, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def sha256_bytes(content: bytes) -> str:
    """Return the sha256 of bytes as 64 hex digits."""
    return hashlib.sha256(content).hexdigest()


def sha256_file(path: Path) -> str:
    """Return the sha256 of a file as 64 hex digits, in constant memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_folder(folder: Path) -> tuple[tuple[FileDigest, ...], str]:
    """Return the digests of a folder's files, sorted by path, and the sha256 of that list, which names the folder.

    Raises:
        TamperError: a symbolic link or special file is inside: a signed folder holds plain files only.
    """
    digests = []
    for path in sorted(folder.rglob("*"), key=lambda p: p.relative_to(folder).as_posix()):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise TamperError("A folder to be digested holds something that is not a plain file.", where=str(path))
        if path.is_file():
            relative = path.relative_to(folder).as_posix()
            digests.append(FileDigest(path=relative, sha256=sha256_file(path), size=path.stat().st_size))
    listing = canonical_json([digest.model_dump() for digest in digests])
    return tuple(digests), sha256_bytes(listing)


def write_atomic(path: Path, content: bytes) -> None:
    """Write a file so that a reader, or a crash, sees the old bytes or the new ones and nothing between."""
    with written_beside(path, content) as temporary:
        os.replace(temporary, path)


@contextmanager
def written_beside(path: Path, content: bytes) -> Iterator[Path]:
    """Give a finished, synced file beside ``path``, to be renamed or linked to it; what is left of it is taken away."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value: BaseModel | dict[str, Any]) -> str:
    """Write canonical JSON atomically and return its sha256."""
    content = canonical_json(value)
    write_atomic(path, content)
    return sha256_bytes(content)


def copy_folder(source: Path, target: Path) -> None:
    """Copy a folder so that the target is whole or absent."""
    temporary = target.with_name(f".{target.name}.part")
    shutil.rmtree(temporary, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(source, temporary)
    temporary.rename(target)
