"""Changes of champion that a person asks for: signed, and the pages drawn anew."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import Field

from graft.errors import InputError
from graft.ledger import Promotion, PromotionPredicate
from graft_tasks.commands.render import redraw
from graft_tasks.recipe_handle import RecipeHandle
from graft_tasks.registry.promote import promote_by_hand, roll_back


class ChampionChange(PromotionPredicate):
    """The promotion that is in force now, as it was signed."""

    entry: str = Field(description="sha256 of the promotion's entry")
    keyid: str = Field(description="the key that signed it")
    is_new: bool = Field(description="false: the same was done before, for the same reason, and nothing was added")


def promote(handle: RecipeHandle, reason: str) -> ChampionChange:
    """Make the last run's model champion, against its verdict if need be.

    Raises:
        InputError: there is no reason, or as ``promote_by_hand``.
        TamperError, StepError: as ``promote_by_hand``.
    """
    return _change(handle, lambda: promote_by_hand(handle, _checked(reason)))


def rollback(handle: RecipeHandle, reason: str, *, to: str | None = None) -> ChampionChange:
    """Make an earlier model champion again.

    Raises:
        InputError: there is no reason, or as ``roll_back``.
        TamperError, StepError: as ``roll_back``.
    """
    return _change(handle, lambda: roll_back(handle, _checked(reason), to=to))


def _change(handle: RecipeHandle, act: Callable[[], Promotion]) -> ChampionChange:
    before = handle.workspace.ledger().champion(handle.name)
    promotion = act()
    redraw(handle)
    return ChampionChange(
        **promotion.predicate.model_dump(),
        entry=promotion.entry,
        keyid=promotion.keyid,
        is_new=before is None or before.entry != promotion.entry,
    )


def _checked(reason: str) -> str:
    if not reason.strip():
        raise InputError("A change of champion needs a reason.", do='--reason "what speaks for it"')
    return reason.strip()
