"""How a change of champion is shown, for the two commands that make one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from graft_cli.terminal import console, headline_lines, next_lines, show

if TYPE_CHECKING:
    from graft_tasks.commands.champion import ChampionChange

Reason = Annotated[str, typer.Option(help="why; it is signed into the ledger")]


def show_change(change: ChampionChange) -> None:
    """Print what is in force now, and who signed it."""
    out = console()
    what = "rolled back to" if change.action == "rollback" else "is now"
    sentence = f"{change.recipe} {what} model {change.model_number}, as champion {change.number}."
    again = " That was done before, for this reason: nothing was added. Another step needs its own."
    show(headline_lines("CHAMPION", sentence + ("" if change.is_new else again)))
    if change.overrides:
        out.print("\n  This is against the verdict of its run; status, report and chain say so.")
    out.print(f"\n  reason   {change.reason}\n  by       {change.by}, key {change.keyid[:16]}")
    out.print(f"  entry    ledger/promotions/{change.recipe}/{change.number}.json")
    out.print(f"  page     pages/{change.recipe}/chain.html")
    show(next_lines((f"graft audit {change.recipe}", "check its chain, offline")))
