"""A ledger in a dictionary, for tests that damage it thousands of times."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from graft.ledger import Keyring, Ledger
from graft.records import sha256_bytes


class MemoryObjects:
    """Named bytes in a dictionary; what ``graft.ledger.objects.Objects`` asks for."""

    def __init__(self, files: dict[str, bytes] | None = None) -> None:
        self.files = files if files is not None else {}

    def read(self, name: str) -> bytes | None:
        return self.files.get(name)

    def create(self, name: str, content: bytes) -> bool:
        return self.files.setdefault(name, content) is content

    def replace(self, name: str, content: bytes) -> None:
        self.files[name] = content

    def names(self, prefix: str) -> Iterator[str]:
        yield from sorted(name for name in self.files if name.startswith(prefix))

    def marks(self, prefix: str) -> Iterator[tuple[str, str]]:
        yield from ((name, sha256_bytes(self.files[name])) for name in self.names(prefix))

    def where(self, name: str) -> str:
        return name


def memory_ledger(keyring: Keyring, files: dict[str, bytes] | None = None) -> Ledger:
    """Return a ledger in a dictionary."""
    ledger = Ledger(Path("nowhere"), keyring)
    ledger.objects = MemoryObjects(files)
    return ledger


def read_ledger(folder: Path) -> dict[str, bytes]:
    """Return a ledger's folder as a dictionary."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
