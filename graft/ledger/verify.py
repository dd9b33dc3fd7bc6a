"""Verifies a ledger as a whole: what can be known from its files and the trusted keys alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from graft.errors import TamperError
from graft.ledger.model_signature import verify_model
from graft.ledger.objects import record_missing
from graft.ledger.store import Ledger
from graft.records.safe_read import parse_object


@dataclass
class LedgerTally:
    """What has been verified of a ledger so far, in numbers.

    ``signed`` counts entries by the keyid of the key that signed them; ``unnamed`` holds the digests of records that no entry
    names.
    """

    n_signatures: int = 0
    n_records: int = 0
    n_runs: int = 0
    n_promotions: int = 0
    signed: Counter[str] = field(default_factory=Counter)
    unnamed: list[str] = field(default_factory=list)


def verify_ledger(ledger: Ledger, tally: LedgerTally) -> None:
    """Verify every file of a ledger: digests, signatures, numbers, and that whatever an entry names is there.

    A record that no entry names is left by a command that was cut off, or was put there: it is named in ``tally.unnamed``. What
    cannot be seen from the ledger alone is that its newest entries are gone: git's history, or an earlier copy, shows it.

    Raises:
        TamperError: the first thing that is not so.
    Cost: one read of every file; memory for the names and the promotions, not for records.
    """
    blobs: set[str] = set()
    recipes: set[str] = set()
    for name in ledger.names():
        kind, rest = name.split("/", 1)
        if kind == "blobs":
            ledger.blob(rest)
            blobs.add(rest)
        else:
            recipes.add(rest.split("/")[0])
    promotions = {recipe: ledger.promotions(recipe) for recipe in sorted(recipes)}
    parents = {promotion.entry for some in promotions.values() for promotion in some}
    named: set[str] = set()
    for recipe, some in promotions.items():
        named |= _verify_runs(ledger, recipe, blobs, parents, tally)
        for promotion in some:
            files = ledger.run_of(promotion).predicate.model_files
            where = f"{recipe} {promotion.predicate.number}"
            signature = ledger.blob(promotion.predicate.signature_sha256)
            tally.signed.setdefault(verify_model(files, signature, ledger.keyring, where), 0)
            named.add(promotion.predicate.signature_sha256)
            tally.signed[promotion.keyid] += 1
            tally.n_signatures += 2
        tally.n_promotions += len(some)
    tally.n_records += len(blobs)
    tally.unnamed = sorted(blobs - named)


def _verify_runs(ledger: Ledger, recipe: str, blobs: set[str], parents: set[str], tally: LedgerTally) -> set[str]:
    """Verify a recipe's runs one by one, and that what they name is there: runs, promotions and records. Return the records."""
    entries: set[str] = set()
    named: set[str] = set()
    records: set[str] = set()
    for run in ledger.runs(recipe):
        predicate = run.predicate
        beside = {
            "recipe": predicate.recipe_sha256,
            "inputs": predicate.inputs_sha256,
            **_reported(ledger, predicate.records),
        }
        for step, digest in {**predicate.records, **beside}.items():
            if digest not in blobs:
                where = f"run {run.entry[:12]} of {recipe}, {step}: {digest}"
                raise record_missing(where)
            records.add(digest)
        if gone := {*predicate.parents, *filter(None, [predicate.base_entry])} - parents:
            where = f"run {run.entry[:12]} of {recipe}: {min(gone)}"
            raise TamperError("A promotion that a run grew from is missing.", where=where, do="restore it with git")
        entries.add(run.entry)
        named |= set(predicate.previous)
        tally.signed[run.keyid] += 1
        tally.n_runs += 1
        tally.n_signatures += 1
    if gone := named - entries:
        where = ledger.objects.where(f"runs/{recipe}/{min(gone)}.json")
        raise TamperError("A run is missing from the ledger.", where=where, do="restore it with git")
    return records


def _reported(ledger: Ledger, records: dict[str, str]) -> dict[str, str]:
    """Return the digests of the report and of the held-out scores that a run's records name, if they do."""
    named = (("report", "report_sha256"), ("evaluate", "held_out_sha256"))
    found = {key: parse_object(ledger.blob(records[step]), f"a record of {step}", where=records[step]).get(key)
             for step, key in named if step in records}  # fmt: skip
    return {key: digest for key, digest in found.items() if digest}
