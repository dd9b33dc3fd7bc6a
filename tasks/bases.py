"""Finds a pinned base again and makes sure that it is the same one."""

from __future__ import annotations

import re
from pathlib import Path

from graft.errors import InputError, TamperError
from graft.model.bases import check_modality, describe_base, digest_base, locate_base
from graft.model.shards import digest_weights, weight_files
from graft.recipe import Modality
from graft.records import Base
from tasks.workspace import Workspace

_CHAMPION = re.compile(r"graft:([a-z0-9-]+)@(champion|[0-9]{4,9})")
_NUMBER = re.compile(r"[0-9]{4,9}")


def pin(workspace: Workspace, name: str, modality: Modality) -> Base:
    """Return what a base is now, to be written down.

    Raises:
        InputError: it is not there, or not of the modality.
    """
    number = _promoted(workspace, name)
    folder = _folder(workspace, name, number)
    check_modality(name, folder, modality)
    base = describe_base(name, folder)
    return base.model_copy(update={"revision": number}) if number else base


def locate(workspace: Workspace, base: Base) -> Path:
    """Return the folder of a pinned base.

    Raises:
        TamperError: its weights, or the settings and the tokenizer beside them, are no longer those that were pinned.
    """
    folder = _folder(workspace, base.id, base.revision if base.id.startswith("graft:") else "")
    found = digest_weights(folder)
    if found != base.sha256:
        files = weight_files(folder)
        raise TamperError(
            f"Base {base.id} is not the one that was pinned.",
            where=f"{files[0] if len(files) == 1 else folder}: weights of sha256 {found}, pinned {base.sha256}",
            do="restore it, or delete data/RECIPE/inputs.json to pin the new one",
        )
    if digest_base(folder, found) != base.folder_sha256:
        raise TamperError(
            f"Base {base.id} is not the one that was pinned.",
            where=f"{folder}: a file beside the weights is another",
            do="restore it, or delete data/RECIPE/inputs.json to pin the new one",
        )
    return folder


def _promoted(workspace: Workspace, name: str) -> str:
    """Return the number of the model that ``graft:RECIPE@champion`` means now; empty for other bases."""
    match = _CHAMPION.fullmatch(name)
    if not match:
        return ""
    if match[2] != "champion":
        return match[2]
    champion = workspace.ledger().champion(match[1])
    if champion is None:
        raise InputError(f"Base {name} does not exist: {match[1]} has no champion.", do=f"graft run {match[1]}")
    return champion.predicate.model_number


def _folder(workspace: Workspace, name: str, number: str) -> Path:
    match = _CHAMPION.fullmatch(name)
    if match:
        if not _NUMBER.fullmatch(number):
            raise TamperError(
                f"Base {name} is pinned to what is no promotion's number.",
                where=number,
                do="graft run RECIPE pins it anew once data/RECIPE/inputs.json is deleted",
            )
        return locate_base(str(workspace.registry(match[1]) / number), root=workspace.root)
    return locate_base(name, root=workspace.root)
