"""What was verified of a ledger's entries before, kept between processes. A convenience and never evidence.

A file is used only if its first line authenticates the rest (HMAC with SHA-256) under a key that is derived from a signing key:
whoever can write one that is used can sign entries that count, too. One that is absent, damaged, of other keys or another ledger,
or forged is as good as none: the entries are verified again.
"""

from __future__ import annotations

import hmac
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from graft.ledger.dsse import Keyring, Signer
from graft.ledger.entries import PromotionPredicate
from graft.ledger.store import RunSummary
from graft.records import sweep, write_atomic

FORM = " ".join(["1", *RunSummary._fields, *PromotionPredicate.model_fields])
"""Its version, to be raised where a field changes its meaning, and the fields; a file of another form is not used."""
MAX_BYTES = 64 * 1024 * 1024
"""No file is read that is larger: some hundred thousand entries."""


class Index:
    """Files of a folder, one for the entries of a kind of a recipe.

    Args:
        folder: its owner's alone.
        signer: whose key authenticates; it must be one that is trusted.
        place: where the ledger lies.
        keyring: whose signatures count; with other keys trusted nothing of it is used.
        is_read: False: everything is verified again, and what was is noted.
    """

    def __init__(self, folder: Path, signer: Signer, place: str, keyring: Keyring, *, is_read: bool = True) -> None:
        self.folder = folder
        self.is_read = is_read
        self._secret = signer.secret(f"graft ledger index {FORM}\n{place}\n{' '.join(keyring.trusted)}")

    def read(self, prefix: str) -> dict[str, Any]:
        """Return what was noted of each entry, by its name; nothing where there is nothing to rely on."""
        path = self._path(prefix)
        try:
            if not self.is_read or path.is_symlink() or path.stat().st_size > MAX_BYTES:
                return {}
            code, _, content = path.read_bytes().partition(b"\n")
        except OSError:
            return {}  # there is none, or it is not for this user to read
        if not hmac.compare_digest(code, self._code(prefix, content)):
            return {}
        found: dict[str, Any] = json.loads(content)
        return found

    def write(self, prefix: str, entries: dict[str, Any]) -> None:
        """Note entries, whole or not at all, for the owner's eyes; where that cannot be written there is just no index."""
        content = json.dumps(entries, separators=(",", ":")).encode()
        path = self._path(prefix)
        if not path.parent.is_symlink():
            with suppress(OSError):  # a full or read-only disk: the next command verifies again
                sweep(path.parent, deep=False)
                write_atomic(path, self._code(prefix, content) + b"\n" + content, mode=0o600)

    def _path(self, prefix: str) -> Path:
        kind, recipe = prefix.strip("/").split("/")
        return self.folder / recipe / f"{kind}.json"

    def _code(self, prefix: str, content: bytes) -> bytes:
        return hmac.digest(self._secret, f"{prefix}\n".encode() + content, "sha256").hex().encode()
