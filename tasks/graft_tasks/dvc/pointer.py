"""The pointer of a promoted model: what DVC calls its folder, so that a promotion can sign it, and the folder that it names."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import yaml

from graft.errors import GraftError, TamperError
from graft.ledger import Promotion, Run
from graft.records import FileDigest, copy_folder, digest_folder
from graft_tasks.dvc.repro import keep
from graft_tasks.workspace import Workspace

_LARGEST = 64 * 1024


def dvc_md5(folder: Path, files: tuple[FileDigest, ...]) -> str:
    """Return the MD5 that ``dvc add`` gives a folder of these files: of the list of their MD5s. No security rests on it.

    Source: DVC 3, ``.dir`` objects. Cost: reads every file.
    """
    listing = []
    for file in sorted(files, key=lambda file: file.path):
        with (folder / file.path).open("rb") as content:
            digest = hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        listing.append({"md5": digest, "relpath": file.path})
    content_ = json.dumps(listing, sort_keys=True).encode()
    return f"{hashlib.md5(content_, usedforsecurity=False).hexdigest()}.dir"


def check_pointer(pointer: Path, md5: str, files: tuple[FileDigest, ...]) -> None:
    """Check that a ``.dvc`` file names the folder of its name, and that folder as it was signed.

    Args:
        md5: what ``dvc_md5`` gave.
        files: the folder's.

    Raises:
        TamperError: absent, or it says something else.
    """
    do = "restore it with git"
    if not pointer.is_file():
        raise TamperError(
            "A promoted model's pointer is absent: dvc gc would take the model.", where=str(pointer), do=do
        )
    size = sum(file.size for file in files)
    signed = {"outs": [{"md5": md5, "size": size, "nfiles": len(files), "hash": "md5", "path": pointer.stem}]}
    try:
        found = yaml.safe_load(pointer.read_bytes()[:_LARGEST])
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise TamperError("A promoted model's pointer is none.", where=str(pointer), do=do) from error
    if found != signed:
        where = f"{pointer}: {str(found)[:200]}, signed {signed}"
        raise TamperError("A promoted model's pointer leads elsewhere.", where=where, do=do)


def keep_model(workspace: Workspace, run: Run, promotion: Promotion) -> None:
    """Keep a promoted model under its number, with a pointer that DVC's garbage collection respects.

    Raises:
        StepError: DVC could not keep it; no pointer is left that names what is not there.
    """
    named = promotion.predicate
    handle = workspace.recipe(named.recipe)
    target, pointer = handle.registry / named.model_number, handle.pointer(named.model_number)
    if target.is_dir() and digest_folder(target)[1] != named.model_id:
        shutil.rmtree(target)
    if not target.is_dir():
        copy_folder(handle.model, target)
    try:
        check_pointer(pointer, named.folder_md5, run.predicate.model_files)
        return
    except TamperError:
        pointer.unlink(missing_ok=True)  # absent, or half-written by what was killed
    try:
        keep(workspace.root, str(target.relative_to(workspace.root)))
        check_pointer(pointer, named.folder_md5, run.predicate.model_files)
    except GraftError:
        pointer.unlink(missing_ok=True)  # it may name what DVC could not copy
        raise
