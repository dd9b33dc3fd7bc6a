"""Finds a pinned base again and makes sure that it is the same one."""

from __future__ import annotations

import re
from pathlib import Path

from graft.errors import InputError, TamperError
from graft.model.bases import check_folder, check_modality, describe_base, digest_base, locate_base
from graft.model.shards import digest_weights, weight_files
from graft.records import Base
from graft.refs import ModelRef, PromotedRef, parse_ref
from graft_tasks.registry.models import model_folder, promotion_of
from graft_tasks.workspace import Workspace

_NUMBER = re.compile(r"[0-9]{4,9}")


def pin(workspace: Workspace, name: str, modality: str) -> Base:
    """Return what a base is now, to be written down.

    Raises:
        InputError: it is not there, or not of the modality.
    """
    ref = parse_ref(name)
    number = _champion_number(workspace, ref)
    folder = _folder(workspace, ref, number)
    check_modality(name, folder, modality)
    base = describe_base(name, folder)
    return base.model_copy(update={"revision": number}) if number else base


def locate(workspace: Workspace, base: Base) -> Path:
    """Return the folder of a pinned base.

    Raises:
        TamperError: its weights, or the settings and the tokenizer beside them, are no longer those that were pinned.
    """
    folder = _folder(workspace, parse_ref(base.id), base.revision)
    found = digest_weights(folder)
    if found != base.sha256:
        files = weight_files(folder)
        raise TamperError(
            f"Base {base.id} is not the one that was pinned.",
            where=f"{files[0] if len(files) == 1 else folder}: weights of sha256 {found}, pinned {base.sha256}",
            do="restore it, or delete data/RECIPE/inputs.json to pin the new one",
            code="base-changed",
        )
    if digest_base(folder, found) != base.folder_sha256:
        raise TamperError(
            f"Base {base.id} is not the one that was pinned.",
            where=f"{folder}: a file beside the weights is another",
            do="restore it, or delete data/RECIPE/inputs.json to pin the new one",
            code="base-changed",
        )
    return folder


def _champion_number(workspace: Workspace, ref: ModelRef) -> str:
    """Return under which number the model that a reference means now was first promoted; empty for other bases."""
    if not isinstance(ref, PromotedRef):
        return ""
    promotion = promotion_of(workspace.ledger(), ref)
    if promotion is None:
        lacking = f"champion {ref.number}" if ref.number else "champion"
        what = f"Base {ref} does not exist: {ref.recipe} has no {lacking}."
        raise InputError(what, do=f"graft run {ref.recipe}", code="base-unpromoted")
    return promotion.predicate.model_number


def _folder(workspace: Workspace, ref: ModelRef, number: str) -> Path:
    if not isinstance(ref, PromotedRef):
        return locate_base(str(ref), root=workspace.root)
    if not _NUMBER.fullmatch(number):
        raise TamperError(
            f"Base {ref} is pinned to what is no promotion's number.",
            where=number,
            do="graft run RECIPE pins it anew once data/RECIPE/inputs.json is deleted",
        )
    return check_folder(str(ref), model_folder(workspace.recipe(ref.recipe), number))
