"""Reads and adds ledger entries. Nothing is ever changed or deleted."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from graft.errors import BusyError, TamperError
from graft.ledger.dsse import Keyring, Signer
from graft.ledger.entries import PromotionPredicate, RunPredicate, Statement, statement
from graft.ledger.object_store import ObjectStore
from graft.ledger.objects import Folder, Objects, record_missing
from graft.records import canonical_json, sha256_bytes
from graft.records.safe_read import parse_json

_SHA256 = re.compile(r"^[0-9a-f]{64}$")
_NAME = re.compile(
    r"""^(blobs/[0-9a-f]{64}
        |runs/[a-z0-9-]{1,63}/[0-9a-f]{64}\.json
        |promotions/[a-z0-9-]{1,63}/[0-9]{4,9}\.json)$""",
    re.VERBOSE,
)
P = TypeVar("P", RunPredicate, PromotionPredicate)
V = TypeVar("V", bound=BaseModel)


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


@dataclass(frozen=True)
class Heads:
    """How many runs a recipe has, and when each of those ended that no other names as previous, with its entry; newest last."""

    n_runs: int
    ended: tuple[tuple[str, str], ...]


class RunSummary(NamedTuple):
    """What is asked of every run of a recipe: which is the newest, what came of it, and which of them is to be read."""

    entry: str
    finished_at: str
    previous: tuple[str, ...]
    inputs_sha256: str
    verdict: str
    headline: str
    decision: str
    """sha256 of the record of decide."""
    evaluation: str
    """sha256 of the record of evaluate."""
    model_id: str | None


class Ledger:
    """The ledger at a place: a folder, or ``s3://BUCKET/PREFIX``."""

    def __init__(self, place: Path | str, keyring: Keyring) -> None:
        self.objects: Objects = Folder(place) if isinstance(place, Path) else ObjectStore(place)
        self.keyring = keyring

    # -- blobs

    def add_blob(self, content: bytes) -> str:
        """Keep bytes under their sha256 and return it; bytes that are there already are not written again."""
        digest = sha256_bytes(content)
        if self.objects.read(f"blobs/{digest}") != content:
            self.objects.replace(f"blobs/{digest}", content)
        return digest

    def blob(self, digest: str) -> bytes:
        """Return the bytes of a sha256.

        Raises:
            TamperError: absent, or other bytes than that.
        """
        name = f"blobs/{_checked(digest)}"
        content, where = self.objects.read(name), self.objects.where(name)
        if content is None:
            raise record_missing(where)
        if sha256_bytes(content) != digest:
            raise TamperError("A record in the ledger is not what was signed.", where=where, do="restore it with git")
        return content

    def value(self, digest: str, kind: type[V], what: str) -> V:
        """Return the value of a type that the bytes of a sha256 hold.

        Raises:
            TamperError: absent, other bytes than that, or no such value: whoever signed it wrote something else.
        """
        where = self.objects.where(f"blobs/{digest}")
        return parse_json(self.blob(digest), kind, what, where=where, do="graft audit RECIPE    says who signed it")

    # -- runs

    def add_run(self, predicate: RunPredicate, signer: Signer) -> Run:
        """Append a finished run."""
        content = signer.envelope(_payload(predicate))
        entry = sha256_bytes(content)
        self.objects.create(f"runs/{predicate.recipe}/{entry}.json", content)
        return Run(entry=entry, keyid=signer.keyid, predicate=predicate)

    def run(self, recipe: str, entry: str) -> Run:
        """Return one run of a recipe.

        Raises:
            TamperError: absent, not what was signed, or of another recipe.
        """
        name = f"runs/{recipe}/{_checked(entry)}.json"
        found, keyid, predicate = self._open(name, RunPredicate)
        if found != entry or predicate.recipe != recipe:
            where = self.objects.where(name)
            raise TamperError("A run's entry stands under a name that is not its own.", where=where, code="run-moved")
        return Run(entry=entry, keyid=keyid, predicate=predicate)

    def runs(self, recipe: str) -> Iterator[Run]:
        """Yield a recipe's runs, one at a time and in no order.

        Raises:
            TamperError: an entry is not what was signed, or stands under another name or recipe.
        """
        for name in self._names(f"runs/{recipe}/"):
            yield self.run(recipe, name.rsplit("/", 1)[1].removesuffix(".json"))

    def summaries(self, recipe: str) -> list[RunSummary]:
        """Return what is asked of every run of a recipe, in no order.

        Raises:
            TamperError: as ``runs`` does.
        """
        return [summary_of(run) for run in self.runs(recipe)]

    def heads(self, recipe: str) -> Heads:
        """Return the newest of a recipe's runs."""
        return heads_of(self.summaries(recipe))

    def run_of(self, promotion: Promotion) -> Run:
        """Return the run whose model a promotion made champion.

        Raises:
            TamperError: it is not in the ledger, or made another model.
        """
        named = promotion.predicate
        run = self.run(named.recipe, named.run)
        if run.predicate.model_id != named.model_id:
            raise TamperError("The run that a promotion names made another model.", where=named.run)
        return run

    # -- promotions

    def add_promotion(self, predicate: PromotionPredicate, signer: Signer) -> Promotion:
        """Append a promotion under its number, if nobody was faster.

        Raises:
            BusyError: the number is taken.
        """
        content = signer.envelope(_payload(predicate))
        name = f"promotions/{predicate.recipe}/{predicate.number}.json"
        if not self.objects.create(name, content):
            raise BusyError(
                f"{predicate.recipe} {predicate.number} was not made champion: somebody was faster.",
                where=self.objects.where(name),
                do=f"graft run {predicate.recipe}    compares with the new champion",
                code="promotion-overtaken",
            )
        return Promotion(entry=sha256_bytes(content), keyid=signer.keyid, predicate=predicate)

    def promotions(self, recipe: str) -> list[Promotion]:
        """Return a recipe's promotions in order; the last one is in force.

        Raises:
            TamperError: an entry is not what was signed, a number is missing, or a parent is not the entry before.
        """
        found: list[Promotion] = []
        for position, (name, promotion) in enumerate(self._numbered(recipe), start=1):
            parent, predicate = found[-1].entry if found else None, promotion.predicate
            where, number = self.objects.where(name), name.rsplit("/", 1)[1].removesuffix(".json")
            if int(number) != position or predicate.number != number or predicate.recipe != recipe:
                what = "The promotions of a recipe are not numbered without a gap."
                raise TamperError(what, where=where, code="promotions-gap")
            if predicate.parent != parent:
                what = "A promotion does not follow the one before it."
                raise TamperError(what, where=where, code="promotion-unlinked")
            found.append(promotion)
        return found

    def champion(self, recipe: str, *, at: str | None = None) -> Promotion | None:
        """Return the promotion in force now, or at a UTC time; None where there was none."""
        in_force = [p for p in self.promotions(recipe) if at is None or p.predicate.at <= at]
        return in_force[-1] if in_force else None

    # -- all of it

    def names(self) -> Iterator[str]:
        """Yield the name of every file of the ledger.

        Raises:
            TamperError: something lies there that no ledger writes.
        """
        # A bucket may be shared with others who keep things beside the three.
        for prefix in ("",) if isinstance(self.objects, Folder) else ("blobs/", "runs/", "promotions/"):
            yield from map(self._known, self.objects.names(prefix))

    def _numbered(self, recipe: str) -> Iterator[tuple[str, Promotion]]:
        """Yield the promotions of a recipe by their files' names, in the order of their numbers; each verified by itself."""
        for name in sorted(self._names(f"promotions/{recipe}/"), key=by_number):
            yield name, self._promotion(name)

    def _promotion(self, name: str) -> Promotion:
        entry, keyid, predicate = self._open(self._known(name), PromotionPredicate)
        return Promotion(entry=entry, keyid=keyid, predicate=predicate)

    def _names(self, prefix: str) -> Iterator[str]:
        """Yield the names of entries. A hidden file is none; only an audit is disturbed by it, and no command stopped."""
        yield from (self._known(name) for name in self.objects.names(prefix) if not is_hidden(name))

    def _known(self, name: str) -> str:
        if not _NAME.fullmatch(name):
            what, where = "Something lies in the ledger that is no file of it.", self.objects.where(name)
            raise TamperError(what, where=where, do="take it away", code="ledger-foreign-file")
        return name

    def _open(self, name: str, kind: type[P]) -> tuple[str, str, P]:
        content, where = self.objects.read(name), self.objects.where(name)
        if content is None:
            what, do = "An entry is missing from the ledger.", "restore it with git"
            raise TamperError(what, where=where, do=do, code="entry-missing")
        payload, keyid = self.keyring.open(content, where)
        try:
            predicate = Statement.model_validate_json(payload).predicate
        except ValidationError as error:
            raise TamperError("A ledger entry does not say what an entry says.", where=where) from error
        if not isinstance(predicate, kind):
            raise TamperError("A ledger entry stands where another kind belongs.", where=where)
        return sha256_bytes(content), keyid, predicate


def summary_of(run: Run) -> RunSummary:
    """Return what is asked of every run."""
    predicate = run.predicate
    return RunSummary(
        entry=run.entry,
        finished_at=predicate.finished_at,
        previous=predicate.previous,
        inputs_sha256=predicate.inputs_sha256,
        verdict=predicate.verdict,
        headline=predicate.headline,
        decision=predicate.records.get("decide", ""),
        evaluation=predicate.records.get("evaluate", ""),
        model_id=predicate.model_id,
    )


def heads_of(runs: Collection[RunSummary]) -> Heads:
    """Return the newest of all runs of a recipe."""
    ended = {run.entry: run.finished_at for run in runs}
    named = {entry for run in runs for entry in run.previous}
    return Heads(len(ended), tuple(sorted((at, entry) for entry, at in ended.items() if entry not in named)))


def by_number(name: str) -> tuple[int, str]:
    """Return what sorts the names of promotions by their numbers."""
    return len(name), name


def is_hidden(name: str) -> bool:
    """Return whether a file is hidden in its folder."""
    return name[name.rindex("/") + 1] == "."


def _payload(predicate: RunPredicate | PromotionPredicate) -> bytes:
    return canonical_json(statement(predicate).model_dump(mode="json", by_alias=True))


def _checked(digest: str) -> str:
    if not _SHA256.fullmatch(digest):
        raise TamperError("A digest is not 64 hex digits.", where=digest[:80])
    return digest
