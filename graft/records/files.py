"""Bytes on disk: canonical JSON, digests, atomic writes."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from graft.errors import TamperError
from graft.records.values import FileDigest

PART = ".part"
"""How the name of a temporary file or folder ends. Whoever writes one holds a lock on it, which dies with the process."""


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
            raise TamperError(
                "A folder to be digested holds something that is not a plain file.",
                where=str(path),
                do="put the file itself there; if DVC linked it: dvc config cache.type copy, dvc checkout --relink",
                code="folder-not-plain",
            )
        if path.is_file():
            relative = path.relative_to(folder).as_posix()
            digests.append(FileDigest(path=relative, sha256=sha256_file(path), size=path.stat().st_size))
    listing = canonical_json([digest.model_dump() for digest in digests])
    return tuple(digests), sha256_bytes(listing)


def write_atomic(path: Path, content: bytes, *, mode: int | None = None) -> None:
    """Write a file so that a reader, or a crash, sees the old bytes or the new ones and nothing between.

    Args:
        mode: of the file, from before its first byte is written; None: as the umask says.
    """
    with written_beside(path, content, mode=mode) as temporary:
        os.replace(temporary, path)


@contextmanager
def written_beside(path: Path, content: bytes, *, mode: int | None = None) -> Iterator[Path]:
    """Give a finished, synced file beside ``path``, to be renamed or linked to it; what is left of it is taken away."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with part(path.parent, path.name) as temporary:
        if mode is not None:
            temporary.chmod(mode)
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    sync_folder(path.parent)


def write_json(path: Path, value: BaseModel | dict[str, Any]) -> str:
    """Write canonical JSON atomically and return its sha256."""
    content = canonical_json(value)
    write_atomic(path, content)
    return sha256_bytes(content)


def copy_folder(source: Path, target: Path) -> None:
    """Copy a folder's files so that the target is whole or absent."""
    files = [path for path in sorted(source.rglob("*")) if not path.is_dir()]
    copy_files({path.relative_to(source).as_posix(): path for path in files}, target)


def copy_files(files: dict[str, Path], target: Path) -> None:
    """Copy files into a new folder, each to the path in it that it is given under: the folder is whole or absent."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with part(target.parent, target.name, folder=True) as temporary:
        for relative, path in files.items():  # shutil.copytree would hide what was refused, and why
            copy = temporary / relative
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
        temporary.rename(target)
    sync_folder(target.parent)


@contextmanager
def part(parent: Path, name: str, *, folder: bool = False) -> Iterator[Path]:
    """Give an empty file or folder ``.NAME.RANDOM.part``, locked while the block runs, so that ``sweep`` leaves it alone.

    Its mode is what the umask says, as that of every file that a library writes for Graft: it keeps it under its final name.
    """
    while True:
        path = parent / f".{name}.{secrets.token_hex(4)}{PART}"
        try:
            path.mkdir() if folder else path.touch(exist_ok=False)
        except FileExistsError:
            continue
        held = _lock(path)
        if held is not None:
            break
    try:
        yield path
    finally:
        _remove(path)
        os.close(held)


def sweep(folder: Path, *, deep: bool = True) -> list[Path]:
    """Take away the temporary files and folders whose writer is dead, and say which those were."""
    found = []
    for path in _parts(folder, deep=deep):
        held = _lock(path)
        if held is not None:
            _remove(path)
            os.close(held)
            found.append(path)
    return found


def _parts(folder: Path, *, deep: bool) -> list[Path]:
    """Return the temporary files and folders in a folder, sorted; names alone are read, so a ledger's many files cost little."""
    if not deep:
        return sorted(folder.glob(f".*{PART}"))
    found, folders = [], [str(folder)]
    while folders:
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.name.startswith(".") and entry.name.endswith(PART):
                    found.append(Path(entry.path))
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
    return sorted(found)


def _lock(path: Path) -> int | None:
    """Lock a temporary file or folder; None where another process holds it or has taken it away, or where it is neither."""
    if path.is_symlink() or not (path.is_file() or path.is_dir()):
        return None
    try:
        held = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(held), path.lstat()):
            return held
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(held)
    return None


def _remove(path: Path) -> None:
    """Take away what is left of a temporary file or folder."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Put the names in a folder on the disk, so that a rename outlives a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
