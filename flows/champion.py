"""``graft promote`` and ``graft rollback``: a change of champion, shown."""

from __future__ import annotations

import json

from flows.terminal import console, headline_lines, next_lines
from graft.ledger import Promotion


def show_change(promotion: Promotion, *, as_json: bool) -> None:
    """Print what is in force now, and who signed it."""
    predicate = promotion.predicate
    out = console()
    if as_json:
        print(json.dumps({**predicate.model_dump(mode="json"), "entry": promotion.entry}, indent=2, sort_keys=True))  # noqa: T201
        return
    what = "rolled back to" if predicate.action == "rollback" else "is now"
    sentence = f"{predicate.recipe} {what} model {predicate.model_number}, as champion {predicate.number}."
    for line in headline_lines("CHAMPION", sentence):
        out.print(line)
    out.print(f"\n  reason   {predicate.reason}\n  by       {predicate.by}, key {promotion.keyid[:16]}")
    out.print(f"  entry    ledger/promotions/{predicate.recipe}/{predicate.number}.json")
    for line in next_lines((f"graft audit {predicate.recipe}", "check its chain, offline")):
        out.print(line)
