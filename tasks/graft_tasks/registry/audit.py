"""audit: walks from a champion to its base and raw data, and verifies every digest and signature on the way. Offline."""

from __future__ import annotations

from dataclasses import dataclass, field

from graft.errors import InputError, TamperError
from graft.ledger import Ledger, Promotion, Run, verify_ledger
from graft.model.bases import WEIGHTS
from graft.records import Base, Inputs
from graft.records.audit import Audit, AuditLine, Hop, Integrity
from graft_tasks.recipe_handle import RecipeHandle
from graft_tasks.registry import bases
from graft_tasks.registry.beside import UNSIGNED, Beside, verify_beside
from graft_tasks.registry.keys import committed_by, uncommitted_keys
from graft_tasks.registry.lineage import Link, chain, forced, ref_of
from graft_tasks.registry.verify import (
    Tally,
    verify_dataset,
    verify_folder,
    verify_history,
    verify_models,
    verify_pointers,
    verify_records,
)
from graft_tasks.workspace import Workspace

MADE_BY = {"promote": "fine-tuning", "rollback": "fine-tuning, live again after a rollback"}
OUTSIDE = ("licences", "base", "outside")
"""What no digest and no signature could say."""
N_NAMED = 5
"""So many files of a kind are named in a line; of the others it says how many they are."""


@dataclass
class Walk:
    """What has been verified so far, base last."""

    recipe: str
    hops: list[Hop] = field(default_factory=list)
    models: dict[str, set[str]] = field(default_factory=dict)
    """Numbers of the models whose folders were verified, by recipe."""
    tally: Tally = field(default_factory=Tally)
    beside: Beside = field(default_factory=Beside)
    keys: list[AuditLine] = field(default_factory=list)
    forced: str = ""
    licences: list[str] = field(default_factory=list)
    broken: TamperError | None = None
    broken_hop: str = ""


def audit(handle: RecipeHandle, *, at: str | None = None) -> Audit:
    """Verify the ledger, and the chain of the model that is, or at a UTC time was, champion.

    Raises:
        InputError: there was no champion.
    """
    workspace, name = handle.workspace, handle.name
    ledger, walk = workspace.ledger(fresh=True), Walk(name)
    try:
        promotions = ledger.promotions(name)
        promotion = ledger.champion(name, at=at)
        if promotion is None:
            verify_history(workspace)
            raise InputError(f"{name} had no champion{' at ' + at if at else ''}.", do=f"graft run {name}")
    except TamperError as error:
        walk.broken, walk.broken_hop = error, name
        return _result(name, None, walk, [])
    _walk(workspace, ledger, promotion, walk)
    if not walk.broken:
        try:
            for recipe in sorted(walk.models):
                verify_pointers(workspace, ledger, recipe)
            verify_models(workspace, ledger, promotions, walk.models[name], walk.tally)
            verify_ledger(ledger, walk.tally)
            verify_history(workspace)
            walk.beside = verify_beside(handle, ledger, set(walk.models), walk.tally)
            walk.keys = _keys(workspace, ledger, walk.tally)
        except TamperError as error:
            walk.broken, walk.broken_hop = error, f"{name}, beside the chain"
    return _result(name, promotion, walk, promotions)


def _walk(workspace: Workspace, ledger: Ledger, promotion: Promotion, walk: Walk) -> None:
    """Verify the chain hop by hop, the base last. The first broken thing ends the walk; what is left is unproven."""
    base, at = None, promotion
    try:
        for link in chain(ledger, ref_of(promotion)):
            base = _walk_link(workspace, ledger, link, walk)
            at = link.parent or at
    except TamperError as error:
        walk.broken, walk.broken_hop = error, _title(at)
        walk.hops.append(Hop(name=_title(at), made_by="", integrity="broken", facts=(("Broken", error.what),)))
        walk.models.setdefault(at.predicate.recipe, set()).add(at.predicate.model_number)
        return
    if base:
        _walk_base(workspace, base, walk)


def _walk_link(workspace: Workspace, ledger: Ledger, link: Link, walk: Walk) -> Base:
    """Verify one hop; return the base that it grew from, as it was pinned."""
    predicate, run = link.promotion.predicate, link.run
    walk.models.setdefault(predicate.recipe, set()).add(predicate.model_number)
    by_hand = forced(ledger.promotions(predicate.recipe), link.promotion, run.predicate.verdict)
    walk.forced = walk.forced if walk.hops else by_hand
    inputs = verify_records(ledger, run)
    verify_folder(workspace, ledger, link.promotion, run, walk.tally)
    verify_dataset(workspace, ledger, inputs, walk.tally)
    base = _base_of(run, inputs)
    walk.hops.append(_hop(link.promotion, by_hand, run, inputs, base))
    return base


def _title(promotion: Promotion) -> str:
    return f"{promotion.predicate.recipe} {promotion.predicate.number}"


def _walk_base(workspace: Workspace, base: Base, walk: Walk) -> None:
    """Verify the pretrained model that the chain starts from."""
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


def _hop(promotion: Promotion, by_hand: str, run: Run, inputs: Inputs, base: Base) -> Hop:
    predicate = promotion.predicate
    facts = (
        ("Origin", f"{predicate.by}, {predicate.at}"),
        ("Weights", f"sha256:{_weights(run)[:12]}"),
        ("Licence", f"{base.licence}, as its base"),
        ("Trained on", f"{inputs.dataset.name}, sha256:{inputs.dataset.sha256[:12]}"),
        ("Verdict", f"{run.predicate.verdict}: {run.predicate.headline}"),
        *([("Promoted", by_hand)] if by_hand else []),
        ("Signed", f"key {promotion.keyid[:16]}: {predicate.reason}"),
    )
    return Hop(name=_title(promotion), made_by=MADE_BY[predicate.action], integrity="intact", facts=facts)


def _result(name: str, promotion: Promotion | None, walk: Walk, promotions: list[Promotion]) -> Audit:
    n_hops = max(0, len(walk.hops) - 1)
    if walk.broken:
        headline = f"At {walk.broken_hop}: {walk.broken.what[0].lower()}{walk.broken.what[1:]}"
    else:
        known = [line.integrity for line in _lines(walk) if line.name not in OUTSIDE]
        whole = {"intact"}.issuperset([*known, *(hop.integrity for hop in walk.hops)])
        sentence = (
            "every digest and signature checked"
            if whole
            else "what is signed and here was checked, open lines name the rest"
        )
        headline = f"{_n(n_hops, 'hop')} from {walk.hops[-1].name}, {sentence}."
    broken_at: tuple[tuple[str, str], ...] = ()
    if walk.broken:
        broken_at = tuple(
            (label, text) for label, text in (("Where", walk.broken.where), ("Do", walk.broken.do)) if text
        )
    return Audit(
        recipe=name,
        number=promotion.predicate.number if promotion else "?",
        live_since=promotion.predicate.at if promotion else "",
        hops=tuple(reversed(walk.hops)),
        lines=_lines(walk),
        verdict="broken" if walk.broken else "intact",
        headline=headline,
        forced=walk.forced,
        broken_at=broken_at,
        history=tuple(
            (p.predicate.number, p.predicate.at, f"{_act(p)}, {p.predicate.by}: {p.predicate.reason}")
            for p in promotions
        ),
    )


def _act(promotion: Promotion) -> str:
    """Return what happened at a change of champion, in words."""
    predicate = promotion.predicate
    if predicate.action == "rollback":
        return f"rollback to model {predicate.model_number}"
    return "promote, against the verdict" if predicate.overrides else "promote"


def _lines(walk: Walk) -> tuple[AuditLine, ...]:
    """Return what was verified; after a break, whatever came later is unproven."""
    good: Integrity = "unproven" if walk.broken else "intact"
    tally = walk.tally
    ledger = f"{_n(tally.n_runs, 'run')}, {_n(tally.n_promotions, 'promotion')}, none missing"
    unnamed = [f"blobs/{digest[:12]}..." for digest in tally.unnamed]
    datasets = f"{tally.n_datasets} by digest, raw files read again"
    if tally.n_older_datasets:
        datasets += f"; {tally.n_older_datasets} of an older version, not in the workspace now"
    unknown = "unknown" in walk.licences
    lines = [
        AuditLine(name="files", integrity=good, finding=f"{tally.n_files} files, {tally.n_bytes / 1e6:,.0f} MB read"),
        _line("ledger", good, ledger, {"named by no entry": unnamed}),
        AuditLine(
            name="signatures", integrity=good, finding=f"{tally.n_signatures} by {_n(len(tally.signed), 'trusted key')}"
        ),
        *walk.keys,
        AuditLine(name="records", integrity=good, finding=f"{tally.n_records} present, every input named and found"),
        _line("datasets", "open" if tally.n_older_datasets else good, datasets, {"no run has read": tally.added}),
        AuditLine(
            name="licences",
            integrity="open" if unknown or not walk.licences else good,
            finding=", ".join(walk.licences) or "not reached",
        ),
    ]
    return (*lines, *([] if walk.broken else _lines_beside(walk)))


def _lines_beside(walk: Walk) -> list[AuditLine]:
    """Return what was found beside the chain, and what no audit looks at."""
    tally, beside = walk.tally, walk.beside
    outside = [*UNSIGNED, *beside.unknown]
    others = sorted(set(walk.models) - {walk.recipe})
    more = f"; see graft audit {', graft audit '.join(others)} for the rest of those" if others else ""
    lines = [
        AuditLine(name="base", integrity="open", finding="what it was pretrained on is outside this ledger"),
        _line("models", "intact", f"{tally.n_models:,} more, as they were promoted", {"not here": tally.absent}),
        _line(
            "workspace",
            "intact",
            f"records and {_n(beside.n_files, 'file')} of the steps as they were made"
            if beside.is_of_a_run
            else "no run to compare",
            {
                "not of the last finished run": beside.unmatched,
                "not here": beside.absent,
                "changed since the last commit": beside.changed,
            },
        ),
        _line("batches", "intact", f"{_n(beside.n_batches, 'record')} as committed", {"but": beside.batches}),
    ]
    if not beside.n_batches and not beside.batches:
        lines.pop()
    return [*lines, AuditLine(name="outside", integrity="open", finding=f"not looked at: {', '.join(outside)}{more}")]


def _line(name: str, good: Integrity, finding: str, odd: dict[str, list[str]]) -> AuditLine:
    """Return a line that is open and names what is odd, if anything is."""
    named = [f"{what}: {_some(files)}" for what, files in odd.items() if files]
    return AuditLine(
        name=name,
        integrity="open" if named and good == "intact" else good,
        finding="; ".join(filter(None, [finding, *named])),
    )


def _some(files: list[str]) -> str:
    more = f" and {len(files) - N_NAMED} more" if len(files) > N_NAMED else ""
    return f"{', '.join(files[:N_NAMED])}{more}"


def _keys(workspace: Workspace, ledger: Ledger, tally: Tally) -> list[AuditLine]:
    """Return who signed what, key by key, and the keys that lie in the workspace and count for nothing."""
    whose, names = committed_by(workspace), ledger.keyring.names
    lines = [
        AuditLine(
            name="key",
            integrity="intact",
            finding=f"{keyid[:16]}, committed by {whose.get(names[keyid], 'nobody known')}: {_n(n, 'entry', 'entries')}",
        )
        for keyid, n in sorted(tally.signed.items())
    ]
    stray = uncommitted_keys(workspace)
    return [*lines, *([_line("key", "intact", "", {"not committed, so not trusted": stray})] if stray else [])]


def _n(n: int, what: str, many: str = "") -> str:
    return f"{n:,} {what if n == 1 else many or f'{what}s'}"


def _weights(run: Run) -> str:
    return next((file.sha256 for file in run.predicate.model_files if file.path == WEIGHTS), "absent")
