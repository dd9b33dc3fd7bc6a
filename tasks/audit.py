"""audit: walks from a champion to its base and raw data, and verifies every digest and signature on the way. Offline."""

from __future__ import annotations

from dataclasses import dataclass, field

from graft.errors import InputError, TamperError
from graft.ledger import Ledger, Promotion, Run
from graft.model.bases import WEIGHTS
from graft.records import Base, Inputs
from graft.report.content import Audit, AuditLine, Hop, Integrity
from tasks import bases
from tasks.verify import (
    Tally,
    verify_dataset,
    verify_folder,
    verify_here,
    verify_history,
    verify_ledger,
    verify_pointers,
    verify_records,
)
from tasks.workspace import Workspace

MADE_BY = {"promote": "fine-tuning", "rollback": "fine-tuning, live again after a rollback"}


@dataclass
class Walk:
    """What has been verified so far, base last."""

    hops: list[Hop] = field(default_factory=list)
    recipes: set[str] = field(default_factory=set)
    tally: Tally = field(default_factory=Tally)
    licences: list[str] = field(default_factory=list)
    broken: TamperError | None = None
    broken_hop: str = ""


def audit(workspace: Workspace, name: str, *, at: str | None = None) -> Audit:
    """Verify the ledger, and the chain of the model that is, or at a UTC time was, champion.

    Raises:
        InputError: there was no champion.
    """
    workspace.recipe_path(name)
    ledger, walk = workspace.ledger(), Walk()
    try:
        promotions = ledger.promotions(name)
        promotion = ledger.champion(name, at=at)
        if promotion is None:
            verify_history(workspace)
            raise InputError(f"{name} had no champion{' at ' + at if at else ''}.", do=f"graft run {name}")
    except TamperError as error:
        walk.broken, walk.broken_hop = error, name
        return _result(name, "?", "", walk, [])
    _walk(workspace, ledger, promotion, walk)
    if not walk.broken:
        try:
            for recipe in sorted(walk.recipes):
                verify_pointers(workspace, ledger, ledger.promotions(recipe))
            verify_here(workspace, ledger, name)
            verify_ledger(ledger, walk.tally)
            verify_history(workspace)
        except TamperError as error:
            walk.broken, walk.broken_hop = error, f"{name}, beside the chain"
    return _result(name, promotion.predicate.number, promotion.predicate.at, walk, promotions)


def _walk(workspace: Workspace, ledger: Ledger, promotion: Promotion, walk: Walk) -> None:
    """Verify one hop, then the one that it grew from. The first broken thing ends the walk; what is left is unproven."""
    predicate = promotion.predicate
    title = f"{predicate.recipe} {predicate.number}"
    walk.recipes.add(predicate.recipe)
    try:
        run = ledger.run_of(promotion)
        inputs = verify_records(ledger, run)
        verify_folder(workspace, ledger, promotion, run, walk.tally)
        verify_dataset(workspace, inputs, walk.tally)
        base = _base_of(run, inputs)
    except TamperError as error:
        walk.broken, walk.broken_hop = error, title
        walk.hops.append(Hop(name=title, made_by="", integrity="broken", facts=(("Broken", error.what),)))
        return
    walk.hops.append(_hop(title, promotion, run, inputs))
    _walk_base(workspace, ledger, base, run, walk)


def _walk_base(workspace: Workspace, ledger: Ledger, base: Base, run: Run, walk: Walk) -> None:
    """Go on to the base: another promotion of this ledger, or the pretrained model that the chain starts from."""
    if base.id.startswith("graft:"):
        parent = base.id[6:].split("@")[0]
        try:
            known = {p.entry: p for p in ledger.promotions(parent)}
            promotion = next(known[entry] for entry in run.predicate.parents if entry in known)
        except (TamperError, StopIteration) as error:
            walk.broken = (
                error if isinstance(error, TamperError) else TamperError("A parent is missing.", where=base.id)
            )
            walk.broken_hop = base.id
            return
        _walk(workspace, ledger, promotion, walk)
        return
    facts = (
        ("Origin", base.revision),
        ("Weights", f"sha256:{base.sha256[:12]}"),
        ("Licence", base.licence),
        ("Trained on", "not in this ledger"),
        ("Verdict", "none: it was not made here"),
        ("Signed", "no; its digest is pinned by the run that used it"),
    )
    walk.licences.append(base.licence)
    try:
        bases.locate(workspace, base)
        walk.tally.n_files += 1
        walk.hops.append(Hop(name=base.id, made_by="pretraining", integrity="intact", facts=facts))
    except TamperError as error:
        walk.broken, walk.broken_hop = error, base.id
        walk.hops.append(Hop(name=base.id, made_by="pretraining", integrity="broken", facts=facts))
    except InputError as error:
        walk.hops.append(
            Hop(name=base.id, made_by="pretraining", integrity="unproven", facts=(*facts, ("Not here", error.what)))
        )


def _base_of(run: Run, inputs: Inputs) -> Base:
    """Return the pinned base that a run's model grew from."""
    named = run.predicate.base_id, run.predicate.base_sha256
    base = next((base for base in inputs.bases if (base.id, base.sha256) == named), None)
    if base is None:
        raise TamperError("A run's model grew from a base that was not pinned.", where=f"{run.entry}: {named[0]}")
    return base


def _hop(title: str, promotion: Promotion, run: Run, inputs: Inputs) -> Hop:
    predicate = promotion.predicate
    by_hand = ", against the verdict" if predicate.overrides else ""
    base = _base_of(run, inputs)
    facts = (
        ("Origin", f"{predicate.by}, {predicate.at}"),
        ("Weights", f"sha256:{_weights(run)[:12]}"),
        ("Licence", f"{base.licence}, as its base"),
        ("Trained on", f"{inputs.dataset.name}, sha256:{inputs.dataset.sha256[:12]}"),
        ("Verdict", f"{run.predicate.verdict}: {run.predicate.headline}"),
        ("Signed", f"key {promotion.keyid[:16]}{by_hand}: {predicate.reason}"),
    )
    return Hop(name=title, made_by=MADE_BY[predicate.action], integrity="intact", facts=facts)


def _result(name: str, number: str, since: str, walk: Walk, promotions: list[Promotion]) -> Audit:
    n_hops = max(0, len(walk.hops) - 1)
    if walk.broken:
        headline = f"At {walk.broken_hop}: {walk.broken.what[0].lower()}{walk.broken.what[1:]}"
    else:
        whole = not walk.tally.n_older_datasets and all(hop.integrity == "intact" for hop in walk.hops)
        said = "every digest and signature checked" if whole else "what is here was checked, not all of it is here"
        headline = f"{_n(n_hops, 'hop')} from {walk.hops[-1].name}, {said}."
    broken_at: tuple[tuple[str, str], ...] = ()
    if walk.broken:
        broken_at = tuple(
            (label, text) for label, text in (("Where", walk.broken.where), ("Do", walk.broken.do)) if text
        )
    return Audit(
        recipe=name,
        number=number,
        live_since=since,
        hops=tuple(reversed(walk.hops)),
        lines=_lines(walk),
        verdict="broken" if walk.broken else "intact",
        headline=headline,
        broken_at=broken_at,
        history=tuple(
            (p.predicate.number, p.predicate.at, f"{p.predicate.action}: {p.predicate.reason}") for p in promotions
        ),
    )


def _lines(walk: Walk) -> tuple[AuditLine, ...]:
    """Return what was verified; after a break, whatever came later is unproven."""
    good: Integrity = "unproven" if walk.broken else "intact"
    tally = walk.tally
    unknown = "unknown" in walk.licences
    lines = [
        AuditLine(name="files", integrity=good, finding=f"{tally.n_files} files, {tally.n_bytes / 1e6:,.0f} MB read"),
        AuditLine(
            name="ledger",
            integrity=good,
            finding=f"{_n(tally.n_runs, 'run')}, {_n(tally.n_promotions, 'promotion')}, none missing",
        ),
        AuditLine(
            name="signatures", integrity=good, finding=f"{tally.n_signatures} by {_n(len(tally.keyids), 'trusted key')}"
        ),
        AuditLine(name="records", integrity=good, finding=f"{tally.n_records} present, every input named and found"),
        _datasets(tally, good),
        AuditLine(
            name="licences",
            integrity="open" if unknown or not walk.licences else good,
            finding=", ".join(walk.licences) or "not reached",
        ),
    ]
    if not walk.broken:
        lines.append(
            AuditLine(name="base", integrity="open", finding="what it was pretrained on is outside this ledger")
        )
    return tuple(lines)


def _n(n: int, what: str) -> str:
    return f"{n:,} {what}{'s' if n != 1 else ''}"


def _datasets(tally: Tally, good: Integrity) -> AuditLine:
    finding = f"{tally.n_datasets} by digest, raw files read again"
    if not tally.n_older_datasets:
        return AuditLine(name="datasets", integrity=good, finding=finding)
    older = f"{tally.n_older_datasets} of an older version, not in the workspace now"
    return AuditLine(name="datasets", integrity="open", finding=f"{finding}; {older}")


def _weights(run: Run) -> str:
    return next((file.sha256 for file in run.predicate.model_files if file.path == WEIGHTS), "absent")
