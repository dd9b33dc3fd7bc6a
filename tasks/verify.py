"""Verifies what a chain rests on: the whole ledger, promoted folders and their pointers, raw data, the records here."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from graft.errors import TamperError
from graft.ledger import Ledger, Promotion, Run, verify_model
from graft.records import Inputs, Record, digest_folder, sha256_file
from graft.records.steps import Skip
from tasks.pointer import check_pointer
from tasks.steps import STEPS, load_inputs
from tasks.versions import git
from tasks.workspace import Workspace

_ADDED = re.compile(r"^:000000 \d+ 0+ ([0-9a-f]{40,64}) A\t(.+)$")


@dataclass
class Tally:
    """What has been verified so far."""

    n_files: int = 0
    n_bytes: int = 0
    n_signatures: int = 0
    n_records: int = 0
    n_runs: int = 0
    n_promotions: int = 0
    n_datasets: int = 0
    n_older_datasets: int = 0
    keyids: set[str] = field(default_factory=set)


def verify_ledger(ledger: Ledger, tally: Tally) -> None:
    """Verify every file of a ledger: digests, signatures, numbers, and that whatever an entry names is there.

    What cannot be seen from the ledger alone is that its newest entries are gone: ``verify_history`` sees it.

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
    for recipe, some in promotions.items():
        _verify_runs(ledger, recipe, blobs, parents, tally)
        for promotion in some:
            files = ledger.run_of(promotion).predicate.model_files
            where = f"{recipe} {promotion.predicate.number}"
            signature = ledger.blob(promotion.predicate.signature_sha256)
            tally.keyids |= {promotion.keyid, verify_model(files, signature, ledger.keyring, where)}
            tally.n_signatures += 2
        tally.n_promotions += len(some)
    tally.n_records += len(blobs)


def _verify_runs(ledger: Ledger, recipe: str, blobs: set[str], parents: set[str], tally: Tally) -> None:
    """Verify a recipe's runs one by one, and that the runs, promotions and records that they name are there."""
    entries: set[str] = set()
    named: set[str] = set()
    for run in ledger.runs(recipe):
        said = run.predicate
        for step, digest in {**said.records, "recipe": said.recipe_sha256, "inputs": said.inputs_sha256}.items():
            if digest not in blobs:
                where = f"run {run.entry[:12]} of {recipe}, {step}: {digest}"
                raise TamperError("A record is missing from the ledger.", where=where, do="restore it with git")
        if gone := set(said.parents) - parents:
            where = f"run {run.entry[:12]} of {recipe}: {min(gone)}"
            raise TamperError("A promotion that a run grew from is missing.", where=where, do="restore it with git")
        entries.add(run.entry)
        named |= set(said.previous)
        tally.keyids.add(run.keyid)
        tally.n_runs += 1
        tally.n_signatures += 1
    if gone := named - entries:
        where = ledger.objects.where(f"runs/{recipe}/{min(gone)}.json")
        raise TamperError("A run is missing from the ledger.", where=where, do="restore it with git")


def verify_history(workspace: Workspace) -> None:
    """Verify that the ledger still holds what git has ever seen come into it; a ledger elsewhere has no such witness.

    Raises:
        TamperError: a file is gone, or is not the one that came.
    """
    folder = workspace.ledger_place()
    if not isinstance(folder, Path) or not folder.is_relative_to(workspace.root):
        return
    inside = folder.relative_to(workspace.root).as_posix()
    log = ("log", "--reverse", "--format=", "--raw", "--no-abbrev", "--no-renames", "--diff-filter=A")
    came: dict[str, str] = {}
    for line in git(workspace.root, *log, "--", inside).splitlines():
        if match := _ADDED.match(line):
            came.setdefault(match[2], match[1])
    for name, blob in came.items():
        path = workspace.root / name
        if not path.is_file():
            raise TamperError("A file was taken out of the ledger.", where=str(path), do="restore it with git")
        if "/promotions/" in name and git(workspace.root, "hash-object", "--no-filters", name).strip() != blob:
            raise TamperError("A promotion was replaced.", where=str(path), do="restore it with git")


def verify_records(ledger: Ledger, run: Run) -> Inputs:
    """Verify that all records of a run were made from the same records, the same files and the pinned raw data."""
    predicate = run.predicate
    ledger.blob(predicate.recipe_sha256)
    inputs = ledger.value(predicate.inputs_sha256, Inputs, "the inputs of a run")
    named = {**predicate.records, **{f"dataset/{file.path}": file.sha256 for file in inputs.dataset.files}}
    for step, digest in predicate.records.items():
        record: Record = ledger.value(digest, Skip, f"a record of {step}")
        for what, sha256 in record.inputs.items():
            if named.setdefault(what, sha256) != sha256:
                raise TamperError(f"The record of {step} was made from another {what}.", where=run.entry)
    if inputs.dataset.sha256 != predicate.dataset_sha256:
        raise TamperError("A run's entry names another dataset than its inputs.", where=run.entry)
    return inputs


def verify_here(workspace: Workspace, ledger: Ledger, name: str) -> None:
    """Verify the records that lie in the workspace, if a run from the inputs that are pinned here has been finished."""
    if not workspace.inputs(name).is_file():
        return
    pinned = sha256_file(workspace.inputs(name))
    paths = {step: workspace.record(name, step) for step in STEPS}
    here = {step: sha256_file(path) if path.is_file() else "" for step, path in paths.items()}
    same = [run.predicate.records for run in ledger.runs(name) if run.predicate.inputs_sha256 == pinned]
    if same and here not in same:
        step = min((step for step in STEPS if here[step] != same[-1][step]), key=STEPS.index)
        what = f"The record of {step} that lies here is not the one of its run."
        raise TamperError(what, where=str(paths[step]), do="restore it with git")


def verify_pointers(workspace: Workspace, ledger: Ledger, promotions: list[Promotion]) -> None:
    """Verify that each promoted model's pointer says what was signed: it is what DVC fetches, and keeps, by."""
    for promotion in promotions:
        named = promotion.predicate
        pointer = workspace.registry(named.recipe) / f"{named.model_number}.dvc"
        check_pointer(pointer, named.folder_md5, ledger.run_of(promotion).predicate.model_files)


def verify_folder(workspace: Workspace, ledger: Ledger, promotion: Promotion, run: Run, tally: Tally) -> None:
    """Verify the promoted model's files against the run's entry and against the OpenSSF signature."""
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
    verify_model(files, ledger.blob(predicate.signature_sha256), ledger.keyring, str(folder))
    tally.n_files += len(files)
    tally.n_bytes += sum(file.size for file in files)


def verify_dataset(workspace: Workspace, inputs: Inputs, tally: Tally) -> None:
    """Verify the raw data that a run read. Files are only ever added, so a newer version holds those of an older one.

    Where the workspace's dataset was replaced as a whole since, the older one cannot be read here: it is counted as such.
    """
    folder, do = workspace.dataset(inputs.dataset.name), f"data/datasets/{inputs.dataset.name}.dvc"
    now = load_inputs(workspace, inputs.recipe).dataset.files if workspace.inputs(inputs.recipe).is_file() else ()
    for file in inputs.dataset.files:
        path = folder / file.path
        found = sha256_file(path) if path.is_file() else ""
        if found != file.sha256 and now and file not in now:
            tally.n_older_datasets += 1
            return
        if not found:
            raise TamperError("A raw file is absent.", where=str(path), do=f"dvc pull {do}")
        if found != file.sha256:
            raise TamperError(
                "A raw file is not the one that was trained on.",
                where=f"{path}: found {found[:12]}, recorded {file.sha256[:12]}",
                do=f"dvc checkout {do}",
            )
    tally.n_files += len(inputs.dataset.files)
    tally.n_bytes += sum(file.size for file in inputs.dataset.files)
    tally.n_datasets += 1
