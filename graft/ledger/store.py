"""Reads and adds ledger files. Nothing is ever changed or deleted."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from graft.errors import BusyError, TamperError
from graft.ledger.dsse import MAX_BYTES, Keyring, Signer
from graft.ledger.entries import PromotionPredicate, RunPredicate, Statement, statement
from graft.records import canonical_json, sha256_bytes, write_atomic, written_beside

_SHA256 = re.compile(r"^[0-9a-f]{64}$")
_NUMBERED = re.compile(r"^([0-9]{4,9})\.json$")
P = TypeVar("P", RunPredicate, PromotionPredicate)


@dataclass(frozen=True)
class Run:
    """A verified run entry: the sha256 of its file, who signed it, what it says."""

    entry: str
    keyid: str
    predicate: RunPredicate


@dataclass(frozen=True)
class Promotion:
    """A verified promotion entry."""

    entry: str
    keyid: str
    predicate: PromotionPredicate


class Ledger:
    """The ledger in a folder."""

    def __init__(self, folder: Path, keyring: Keyring) -> None:
        self.folder = folder
        self.keyring = keyring

    # -- blobs

    def add_blob(self, content: bytes) -> str:
        """Keep bytes under their sha256 and return it; bytes that are there already are not written again."""
        digest = sha256_bytes(content)
        path = self.folder / "blobs" / digest
        if not path.is_file() or sha256_bytes(path.read_bytes()) != digest:
            write_atomic(path, content)
        return digest

    def blob(self, digest: str) -> bytes:
        """Return the bytes of a sha256.

        Raises:
            TamperError: absent, or other bytes than that.
        """
        path = self.folder / "blobs" / _checked(digest)
        if not path.is_file():
            raise TamperError("A record is missing from the ledger.", where=str(path), do="restore it with git")
        content = path.read_bytes()
        if sha256_bytes(content) != digest:
            raise TamperError(
                "A record in the ledger is not what was signed.", where=str(path), do="restore it with git"
            )
        return content

    def signature_path(self, model_id: str) -> Path:
        """Return where the OpenSSF signature over a model lies."""
        return self.folder / "models" / f"{_checked(model_id)}.sig"

    # -- runs

    def add_run(self, predicate: RunPredicate, signer: Signer) -> Run:
        """Append a finished run."""
        content = signer.envelope(_payload(predicate))
        entry = sha256_bytes(content)
        write_atomic(self.folder / "runs" / predicate.recipe / f"{entry}.json", content)
        return Run(entry=entry, keyid=signer.keyid, predicate=predicate)

    def runs(self, recipe: str) -> list[Run]:
        """Return a recipe's runs, oldest first.

        Raises:
            TamperError: an entry is not what was signed, or stands under another name or recipe.
        """
        found = []
        for path in sorted((self.folder / "runs" / recipe).glob("*.json")):
            entry, keyid, predicate = self._open(path, RunPredicate)
            if path.stem != entry or predicate.recipe != recipe:
                raise TamperError("A run's entry stands under a name that is not its own.", where=str(path))
            found.append(Run(entry=entry, keyid=keyid, predicate=predicate))
        return sorted(found, key=lambda run: (run.predicate.finished_at, run.entry))

    def run_of(self, promotion: Promotion) -> Run:
        """Return the run whose model a promotion made champion.

        Raises:
            TamperError: it is not in the ledger, or made another model.
        """
        named = promotion.predicate
        run = next((run for run in self.runs(named.recipe) if run.entry == named.run), None)
        if run is None or run.predicate.model_id != named.model_id:
            raise TamperError("The run that a promotion names is not in the ledger.", where=named.run)
        return run

    # -- promotions

    def add_promotion(self, predicate: PromotionPredicate, signer: Signer) -> Promotion:
        """Append a promotion under its number, if nobody was faster.

        Raises:
            BusyError: the number is taken.
        """
        content = signer.envelope(_payload(predicate))
        path = self.folder / "promotions" / predicate.recipe / f"{predicate.number}.json"
        if not _create_exclusively(path, content):
            raise BusyError(
                f"{predicate.recipe} {predicate.number} was not made champion: somebody was faster.",
                where=str(path),
                do=f"graft run {predicate.recipe}    compares with the new champion",
            )
        return Promotion(entry=sha256_bytes(content), keyid=signer.keyid, predicate=predicate)

    def promotions(self, recipe: str) -> list[Promotion]:
        """Return a recipe's promotions in order; the last one is in force.

        Raises:
            TamperError: an entry is not what was signed, a number is missing, or a parent is not the entry before.
        """
        folder = self.folder / "promotions" / recipe
        numbered = sorted((int(m[1]), p) for p in folder.glob("*.json") if (m := _NUMBERED.match(p.name)))
        found: list[Promotion] = []
        for position, (number, path) in enumerate(numbered, start=1):
            entry, keyid, predicate = self._open(path, PromotionPredicate)
            parent = found[-1].entry if found else None
            if number != position or predicate.number != path.stem or predicate.recipe != recipe:
                raise TamperError("The promotions of a recipe are not numbered without a gap.", where=str(path))
            if predicate.parent != parent:
                raise TamperError("A promotion does not follow the one before it.", where=str(path))
            found.append(Promotion(entry=entry, keyid=keyid, predicate=predicate))
        return found

    def champion(self, recipe: str, *, at: str | None = None) -> Promotion | None:
        """Return the promotion in force now, or at a UTC time; None where there was none."""
        in_force = [p for p in self.promotions(recipe) if at is None or p.predicate.at <= at]
        return in_force[-1] if in_force else None

    def _open(self, path: Path, kind: type[P]) -> tuple[str, str, P]:
        if path.stat().st_size > MAX_BYTES:
            raise TamperError("A ledger entry is too large to be one.", where=str(path))
        content = path.read_bytes()
        payload, keyid = self.keyring.open(content, str(path))
        try:
            predicate = Statement.model_validate_json(payload).predicate
        except ValidationError as error:
            raise TamperError("A ledger entry does not say what an entry says.", where=str(path)) from error
        if not isinstance(predicate, kind):
            raise TamperError("A ledger entry stands where another kind belongs.", where=str(path))
        return sha256_bytes(content), keyid, predicate


def _payload(predicate: RunPredicate | PromotionPredicate) -> bytes:
    return canonical_json(statement(predicate).model_dump(mode="json", by_alias=True))


def _checked(digest: str) -> str:
    if not _SHA256.fullmatch(digest):
        raise TamperError("A digest is not 64 hex digits.", where=digest[:80])
    return digest


def _create_exclusively(path: Path, content: bytes) -> bool:
    """Write a file that must not exist yet; whole or not at all. False: it exists."""
    with written_beside(path, content) as temporary:
        try:
            os.link(temporary, path)  # fails where the name is taken, unlike a rename
        except FileExistsError:
            return False
    return True
