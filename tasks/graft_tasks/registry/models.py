"""Promoted models: where one lies, and whether it is what was promoted."""

from __future__ import annotations

from pathlib import Path

from graft.errors import InputError, TamperError
from graft.ledger import Ledger, Promotion
from graft.model.settings import SETTINGS
from graft.records import digest_folder
from graft.refs import ModelRef, PromotedRef
from graft_tasks.recipe_handle import RecipeHandle


def promotion_of(ledger: Ledger, ref: ModelRef) -> Promotion | None:
    """Return the promotion that a reference means now; None: there was none, or the model was not made here.

    Raises:
        TamperError: the ledger was altered.
    """
    if not isinstance(ref, PromotedRef):
        return None
    promotions = ledger.promotions(ref.recipe)
    if ref.number:
        return next((promotion for promotion in promotions if promotion.predicate.number == ref.number), None)
    return promotions[-1] if promotions else None


def model_folder(handle: RecipeHandle, number: str) -> Path:
    """Return the folder of a promoted model, by the number under which it was first promoted.

    Raises:
        InputError: the model is not on this machine.
    """
    folder = handle.registry / number
    if not (folder / SETTINGS).is_file():
        raise InputError(
            f"Model {handle.name} {number} is not on this machine.",
            where=str(folder),
            do=f"git pull, then graft fetch {handle.name}",
        )
    return folder


def open_model(handle: RecipeHandle, number: str, model_id: str) -> Path:
    """Return the folder of a promoted model, whose files are those that were promoted. Cost: every file is read once.

    Raises:
        InputError: the model is not on this machine.
        TamperError: a file of it is another, absent or too many.
    """
    recipe = handle.name
    folder = model_folder(handle, number)
    found = digest_folder(folder)[1]
    if found != model_id:
        raise TamperError(
            f"Model {recipe} {number} is not the one that was promoted.",
            where=f"{folder}: {found[:12]}, promoted {model_id[:12]}",
            do=f"dvc checkout registry/{recipe}/{number}.dvc; graft audit {recipe} names the file",
        )
    return folder
