"""``graft promote`` and ``graft rollback``: a change of champion, shown."""

from __future__ import annotations

import json
from collections.abc import Callable

from graft.ledger import Promotion
from graft_cli.terminal import console, headline_lines, next_lines
from graft_tasks.workspace import Workspace


def change(workspace: Workspace, name: str, act: Callable[[], Promotion], *, as_json: bool) -> None:
    """Change the champion, draw its pages anew, and show what is in force now."""
    before = workspace.ledger().champion(name)
    promotion = act()
    from graft_tasks.commands.render import redraw

    page = redraw(workspace, name).relative_to(workspace.root)
    if as_json:
        facts = {**promotion.predicate.model_dump(mode="json"), "entry": promotion.entry}
        print(json.dumps(facts, indent=2, sort_keys=True))  # noqa: T201
    else:
        _show(promotion, page=str(page), is_new=before is None or before.entry != promotion.entry)


def _show(promotion: Promotion, *, page: str, is_new: bool) -> None:
    """Print what is in force now, and who signed it."""
    predicate = promotion.predicate
    out = console()
    what = "rolled back to" if predicate.action == "rollback" else "is now"
    sentence = f"{predicate.recipe} {what} model {predicate.model_number}, as champion {predicate.number}."
    again = "" if is_new else " That was done before, for this reason: nothing was added. Another step needs its own."
    for line in headline_lines("CHAMPION", sentence + again):
        out.print(line)
    if predicate.overrides:
        out.print("\n  This is against the verdict of its run; status, report and chain say so.")
    out.print(f"\n  reason   {predicate.reason}\n  by       {predicate.by}, key {promotion.keyid[:16]}")
    out.print(f"  entry    ledger/promotions/{predicate.recipe}/{predicate.number}.json\n  page     {page}")
    for line in next_lines((f"graft audit {predicate.recipe}", "check its chain, offline")):
        out.print(line)
