"""Verifies what a chain rests on: the whole ledger, promoted folders and their pointers, raw data."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from graft.errors import TamperError
from graft.ledger import Ledger, LedgerTally, Promotion, Run, verify_model
from graft.records import PART, FileDigest, Inputs, Record, digest_folder, sha256_file
from graft.records.steps import Skip
from graft_tasks.dvc.pointer import check_pointer
from graft_tasks.dvc.repro import git, is_blob
from graft_tasks.workspace import Workspace

_ADDED = re.compile(r"^:000000 \d+ 0+ ([0-9a-f]{40,64}) A\t(.+)$")


@dataclass
class Tally(LedgerTally):
    """What an audit has verified so far: of the ledger, and of the files that its entries name."""

    n_files: int = 0
    n_bytes: int = 0
    n_datasets: int = 0
    n_older_datasets: int = 0
    n_models: int = 0
    absent: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)


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
        if "/promotions/" in name and not is_blob(path.read_bytes(), blob):
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


def verify_pointers(workspace: Workspace, ledger: Ledger, recipe: str) -> None:
    """Verify that the pointer of each promoted model of a recipe says what was signed: it is what DVC fetches, and keeps, by."""
    folder = workspace.recipe(recipe).registry
    for promotion in ledger.promotions(recipe):
        pointer = folder / f"{promotion.predicate.model_number}.dvc"
        check_pointer(pointer, promotion.predicate.folder_md5, ledger.run_of(promotion).predicate.model_files)


def verify_folder(workspace: Workspace, ledger: Ledger, promotion: Promotion, run: Run, tally: Tally) -> None:
    """Verify the promoted model's files against the run's entry and against the OpenSSF signature."""
    predicate = promotion.predicate
    folder = workspace.recipe(predicate.recipe).registry / predicate.model_number
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


def verify_models(
    workspace: Workspace, ledger: Ledger, promotions: list[Promotion], read: set[str], tally: Tally
) -> None:
    """Verify every model that a rollback may take and that is here; those that are not are named in ``tally.absent``.

    Args:
        read: numbers of the models whose folders were verified before.
    """
    for promotion in promotions:
        number = promotion.predicate.model_number
        if number in read:
            continue
        read.add(number)
        if (workspace.recipe(promotion.predicate.recipe).registry / number).is_dir():
            verify_folder(workspace, ledger, promotion, ledger.run_of(promotion), tally)
            tally.n_models += 1
        else:
            tally.absent.append(number)


def verify_dataset(workspace: Workspace, ledger: Ledger, inputs: Inputs, tally: Tally) -> None:
    """Verify the raw data that a run read. Files are only ever added, so a newer version holds those of an older one.

    Where a later run was signed on other files in their place, the older ones cannot be read here: they are counted as such.
    What the pin in the workspace says is no excuse: nobody signed it. Files that came since are named in ``tally.added``.
    """
    folder, do = workspace.dataset(inputs.dataset.name), f"dvc checkout data/datasets/{inputs.dataset.name}.dvc"
    for file in inputs.dataset.files:
        path = folder / file.path
        found = sha256_file(path) if path.is_file() else ""
        if found == file.sha256:
            continue
        if _is_replaced(ledger, inputs, file, found):
            tally.n_older_datasets += 1
            return
        if not found:
            raise TamperError("A raw file is absent.", where=str(path), do=do.replace("checkout", "pull"))
        raise TamperError(
            "A raw file is not the one that was trained on.",
            where=f"{path}: found {found[:12]}, recorded {file.sha256[:12]}",
            do=f"{do}; or, if it was replaced on purpose, graft run {inputs.recipe} signs the new one",
        )
    tally.n_files += len(inputs.dataset.files)
    tally.n_bytes += sum(file.size for file in inputs.dataset.files)
    tally.n_datasets += 1
    read = {file.path for file in inputs.dataset.files}
    paths = (path for path in sorted(folder.rglob("*")) if not path.is_dir() and not is_written(path))
    names = (path.relative_to(folder).as_posix() for path in paths)
    tally.added += [f"{folder.name}/{name}" for name in names if name not in read]


def is_written(path: Path) -> bool:
    """Return whether a file is one that is being written, or lies in a folder that is: it is not there yet."""
    return any(part.startswith(".") and part.endswith(PART) for part in path.parts)


def _is_replaced(ledger: Ledger, inputs: Inputs, file: FileDigest, found: str) -> bool:
    """Return whether the last finished run read, in place of a file, just what lies there now; ``found`` is "" for nothing."""
    ended = ledger.heads(inputs.recipe).ended
    last = ledger.run(inputs.recipe, ended[-1][1]).predicate
    dataset = ledger.value(last.inputs_sha256, Inputs, "the inputs of a run").dataset
    now = {file.path: file.sha256 for file in dataset.files}
    return dataset.name == inputs.dataset.name and file not in dataset.files and now.get(file.path, "") == found
