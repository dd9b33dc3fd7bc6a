"""audit: walks from a champion to its base and raw data, and verifies every digest and signature on the way. Offline."""

from __future__ import annotations

from dataclasses import dataclass, field

from graft.errors import InputError, TamperError
from graft.ledger import Ledger, Promotion, Run, verify_model
from graft.model.bases import WEIGHTS
from graft.records import Base, Inputs, Record, digest_folder, sha256_file
from graft.records.steps import Skip
from graft.report.content import Audit, AuditLine, Hop, Integrity
from tasks import bases
from tasks.workspace import Workspace

MADE_BY = {"promote": "fine-tuning", "rollback": "fine-tuning, live again after a rollback"}


@dataclass
class Walk:
    """What has been verified so far, base last."""

    hops: list[Hop] = field(default_factory=list)
    n_files: int = 0
    n_bytes: int = 0
    n_signatures: int = 0
    n_records: int = 0
    n_datasets: int = 0
    n_older_datasets: int = 0
    keyids: set[str] = field(default_factory=set)
    licences: list[str] = field(default_factory=list)
    broken: TamperError | None = None
    broken_hop: str = ""


def audit(workspace: Workspace, name: str, *, at: str | None = None) -> Audit:
    """Verify the chain of the model that is, or at a UTC time was, champion.

    Raises:
        InputError: there was no champion.
    """
    workspace.recipe_path(name)
    ledger, walk = workspace.ledger(), Walk()
    try:
        promotions = ledger.promotions(name)
        promotion = ledger.champion(name, at=at)
    except TamperError as error:
        walk.broken, walk.broken_hop = error, name
        return _result(name, "?", "", walk, [])
    if promotion is None:
        raise InputError(f"{name} had no champion{' at ' + at if at else ''}.", do=f"graft run {name}")
    _walk(workspace, ledger, promotion, walk)
    return _result(name, promotion.predicate.number, promotion.predicate.at, walk, promotions)


def _walk(workspace: Workspace, ledger: Ledger, promotion: Promotion, walk: Walk) -> None:
    """Verify one hop, then the one that it grew from. The first broken thing ends the walk; what is left is unproven."""
    predicate = promotion.predicate
    title = f"{predicate.recipe} {predicate.number}"
    try:
        run = ledger.run_of(promotion)
        inputs = _verify_records(ledger, run, walk)
        _verify_folder(workspace, ledger, promotion, run, walk)
        _verify_dataset(workspace, inputs, walk)
        base = _base_of(run, inputs)
    except TamperError as error:
        walk.broken, walk.broken_hop = error, title
        walk.hops.append(Hop(name=title, made_by="", integrity="broken", facts=(("Broken", error.what),)))
        return
    walk.n_signatures += 2
    walk.keyids |= {promotion.keyid, run.keyid}
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
        walk.n_files += 1
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


def _verify_records(ledger: Ledger, run: Run, walk: Walk) -> Inputs:
    """Verify every record of a run, and that all were made from the same records, the same files and the pinned raw data."""
    predicate = run.predicate
    ledger.blob(predicate.recipe_sha256)
    inputs = Inputs.model_validate_json(ledger.blob(predicate.inputs_sha256))
    named = {**predicate.records, **{f"dataset/{file.path}": file.sha256 for file in inputs.dataset.files}}
    for step, digest in predicate.records.items():
        content = ledger.blob(digest)
        record: Record = Skip.model_validate_json(content)
        for what, sha256 in record.inputs.items():
            if named.setdefault(what, sha256) != sha256:
                raise TamperError(f"The record of {step} was made from another {what}.", where=run.entry)
        walk.n_records += 1
    if inputs.dataset.sha256 != predicate.dataset_sha256:
        raise TamperError("A run's entry names another dataset than its inputs.", where=run.entry)
    return inputs


def _verify_folder(workspace: Workspace, ledger: Ledger, promotion: Promotion, run: Run, walk: Walk) -> None:
    """Verify the promoted model's files against the entry and against the OpenSSF signature."""
    predicate = promotion.predicate
    folder = workspace.registry(predicate.recipe) / predicate.model_number
    pointer = f"{folder.relative_to(workspace.root)}.dvc"
    if not folder.is_dir():
        raise TamperError("A promoted model is absent.", where=str(folder), do=f"dvc pull {pointer}")
    signed = {file.path: file.sha256 for file in run.predicate.model_files}
    files, model_id = digest_folder(folder)
    for file in files:
        if signed.get(file.path) != file.sha256:
            raise TamperError(
                f"A file of {predicate.recipe} {predicate.number} is not the one that was signed.",
                where=f"{folder / file.path}: found {file.sha256[:12]}, signed {signed.get(file.path, 'nothing')[:12]}",
                do=f"dvc checkout {pointer}",
            )
    if model_id != predicate.model_id:
        gone = sorted(set(signed) - {file.path for file in files})
        raise TamperError(
            "A promoted model lacks a file.", where=f"{folder}: {', '.join(gone)}", do=f"dvc checkout {pointer}"
        )
    walk.keyids.add(verify_model(folder, ledger.signature_path(model_id), ledger.keyring))
    walk.n_signatures += 1
    walk.n_files += len(files)
    walk.n_bytes += sum(file.size for file in files)


def _verify_dataset(workspace: Workspace, inputs: Inputs, walk: Walk) -> None:
    """Verify the raw data, if the workspace still holds the version that this run was pinned to."""
    folder = workspace.dataset(inputs.dataset.name)
    pinned = workspace.inputs(inputs.recipe)
    if pinned.is_file() and Inputs.model_validate_json(pinned.read_bytes()).dataset.sha256 != inputs.dataset.sha256:
        walk.n_older_datasets += 1
        return
    for file in inputs.dataset.files:
        path = folder / file.path
        if not path.is_file():
            raise TamperError(
                "A raw file is absent.", where=str(path), do=f"dvc pull data/datasets/{inputs.dataset.name}.dvc"
            )
        found = sha256_file(path)
        if found != file.sha256:
            raise TamperError(
                "A raw file is not the one that was trained on.",
                where=f"{path}: found {found[:12]}, recorded {file.sha256[:12]}",
                do=f"dvc checkout data/datasets/{inputs.dataset.name}.dvc",
            )
        walk.n_files += 1
        walk.n_bytes += file.size
    walk.n_datasets += 1


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
        hops = f"{n_hops} hop{'s' if n_hops != 1 else ''}"
        whole = not walk.n_older_datasets and all(hop.integrity == "intact" for hop in walk.hops)
        said = "every digest and signature checked" if whole else "what is here was checked, not all of it is here"
        headline = f"{hops} from {walk.hops[-1].name}, {said}."
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
    unknown = "unknown" in walk.licences
    lines = [
        AuditLine(name="files", integrity=good, finding=f"{walk.n_files} files, {walk.n_bytes / 1e6:,.0f} MB read"),
        AuditLine(
            name="signatures",
            integrity=good,
            finding=f"{walk.n_signatures} by {len(walk.keyids)} trusted key{'s' if len(walk.keyids) != 1 else ''}",
        ),
        AuditLine(name="records", integrity=good, finding=f"{walk.n_records} present, every input named and found"),
        _datasets(walk, good),
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


def _datasets(walk: Walk, good: Integrity) -> AuditLine:
    finding = f"{walk.n_datasets} by digest, raw files read again"
    if not walk.n_older_datasets:
        return AuditLine(name="datasets", integrity=good, finding=finding)
    older = f"{walk.n_older_datasets} of an older version, not in the workspace now"
    return AuditLine(name="datasets", integrity="open", finding=f"{finding}; {older}")


def _weights(run: Run) -> str:
    return next((file.sha256 for file in run.predicate.model_files if file.path == WEIGHTS), "absent")
