"""Where a ledger's files lie: named bytes that are created once, in a folder or an object store."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from graft.errors import TamperError
from graft.records import write_atomic, written_beside

MAX_BYTES = 64 * 1024 * 1024
"""No file of a ledger is larger; a larger one is refused before it is read."""
_WRITTEN = re.compile(r"\.[0-9a-f]{4,64}(\.json)?\.\w{8}\.part")
"""The name of a ledger's file while it is being written; what a dead writer left under it, ``graft gc`` takes away."""


class Objects(Protocol):
    """Named bytes. A name is relative and has no ``..``: callers make names of checked parts."""

    def read(self, name: str) -> bytes | None:
        """Return what a name holds, None if it does not exist.

        Raises:
            TamperError: larger than ``MAX_BYTES``, or no plain file.
        """

    def create(self, name: str, content: bytes) -> bool:
        """Create a name, whole or not at all; False: it exists, and stays as it is."""

    def replace(self, name: str, content: bytes) -> None:
        """Write a name whether or not it exists; readers see the old bytes or the new ones."""

    def names(self, prefix: str) -> Iterator[str]:
        """Yield the names that start with a prefix ending in ``/``, sorted, and what else lies there, hidden or not."""

    def marks(self, prefix: str) -> Iterator[tuple[str, str]]:
        """Yield these names, in any order, each with a mark that is another once other bytes were written there. None is read."""

    def where(self, name: str) -> str:
        """Return what to call a name in a message."""


class Folder:
    """A ledger's files in a folder, made exclusively by a hard link: any number of writers is safe."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._real = os.path.realpath(folder)

    def read(self, name: str) -> bytes | None:
        """Return a file's bytes; one that a link leads to is no plain file of this folder."""
        path = self._path(name)
        try:
            found = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        if not stat.S_ISREG(found.st_mode):
            raise TamperError("A file of the ledger is not a plain file.", where=str(path), do="restore it with git")
        if found.st_size > MAX_BYTES:
            raise TamperError("A file of the ledger is too large to be one.", where=str(path))
        return path.read_bytes()

    def create(self, name: str, content: bytes) -> bool:
        """Create a file, whole or not at all; False: it exists."""
        path = self._path(name)
        with written_beside(path, content) as temporary:
            try:
                os.link(temporary, path)  # fails where the name is taken, unlike a rename
            except FileExistsError:
                return False
        return True

    def replace(self, name: str, content: bytes) -> None:
        """Write a file by a rename."""
        write_atomic(self._path(name), content)

    def names(self, prefix: str) -> Iterator[str]:
        """Yield names in the folder of a prefix, of all for ""; files that are being written are not there yet."""
        yield from sorted(name for name, _ in self._files(prefix))

    def marks(self, prefix: str) -> Iterator[tuple[str, str]]:
        """Yield names with what the disk says of each file: times of its last write and change, size, number."""
        for name, entry in self._files(prefix):
            with suppress(FileNotFoundError):  # git puts another file in its place
                found = entry.stat(follow_symlinks=False)
                yield name, f"{found.st_mtime_ns:x}-{found.st_ctime_ns:x}-{found.st_size:x}-{found.st_ino:x}"

    def _files(self, prefix: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
        """Yield what lies in the folder of a prefix and below, by name; of links only themselves."""
        folders = [(prefix, str(self._path(prefix) if prefix else self.folder))]
        while folders:
            inside, folder = folders.pop()
            with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append((f"{inside}{entry.name}/", entry.path))
                    elif not (entry.name.startswith(".") and _WRITTEN.fullmatch(entry.name)):
                        yield inside + entry.name, entry

    def where(self, name: str) -> str:
        """Return the file's path."""
        return str(self.folder / name)

    def _path(self, name: str) -> Path:
        """Return a name's path, which no link may lead elsewhere: neither when it is read nor when it is written."""
        path = self.folder / name
        if os.path.realpath(path) != os.path.join(self._real, os.path.normpath(name)):
            raise TamperError("A link leads out of the ledger.", where=str(path), do="restore it with git")
        return path


def record_missing(where: str) -> TamperError:
    """Return the error of a record that an entry names and that is not in the ledger."""
    return TamperError(
        "A record is missing from the ledger.", where=where, do="restore it with git", code="record-missing"
    )
