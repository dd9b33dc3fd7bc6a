"""The audit of a recipe's chain, and its page."""

from __future__ import annotations

import re

from graft.errors import InputError
from graft.records.audit import Audit
from graft_tasks.commands.render import render_chain
from graft_tasks.recipe_handle import RecipeHandle
from graft_tasks.registry.audit import audit

_TIME = re.compile(r"^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?Z)?$")


def audit_recipe(handle: RecipeHandle, *, at: str | None = None) -> Audit:
    """Verify the chain of a recipe's champion and draw its page. A recipe that was removed is audited as before.

    Args:
        at: UTC time such as 2026-09-01 or 2026-09-01T06:00:00Z: the model that was champion then; a day means its end.

    Raises:
        InputError: there is no such recipe, it had no champion then, or that is no UTC time.
    """
    if handle.path.is_file() or not _is_in_ledger(handle):
        handle.load()
    found = audit(handle, at=_utc(at))
    render_chain(handle.workspace, found)
    return found


def _is_in_ledger(handle: RecipeHandle) -> bool:
    """Return whether a recipe that may have been removed had a champion."""
    return any(entry.startswith(f"promotions/{handle.name}/") for entry in handle.workspace.ledger().names())


def _utc(at: str | None) -> str | None:
    """Return a UTC time in full; a day means its end."""
    if at is None:
        return None
    if not _TIME.match(at):
        raise InputError(f"{at!r} is not a UTC time.", do="write 2026-09-01 or 2026-09-01T06:00:00Z")
    if "T" not in at:
        return f"{at}T23:59:59Z"
    return at if at.count(":") == 2 else at.replace("Z", ":00Z")
