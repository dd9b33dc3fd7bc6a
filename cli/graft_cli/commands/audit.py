"""``graft audit``: a chain, verified and shown."""

from __future__ import annotations

import textwrap
import time
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from graft import __version__
from graft_cli import BEGAN
from graft_cli.kit import AsJson, Name, here, print_json
from graft_cli.terminal import STYLES, console, headline_lines, human, next_lines, shorten, show

if TYPE_CHECKING:
    from graft.records.audit import Audit


def audit(
    recipe: Name,
    at: Annotated[
        str | None, typer.Option(help="UTC time such as 2026-09-01 or 2026-09-01T06:00:00Z: who was champion then")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Verify every digest and signature from the champion to its base and raw data. Exit 1 if the chain is broken."""
    from graft_tasks.commands.audit import audit_recipe

    result = audit_recipe(here().recipe(recipe), at=at)
    if as_json:
        print_json(result)
    else:
        since = f"  live since {result.live_since[:16].replace('T', ' ')} UTC" if result.live_since else ""
        console().print(f"{result.recipe} {result.number}{since}\n", style="bold")
        show_audit(result, seconds=time.monotonic() - BEGAN)
        is_intact = result.verdict == "intact"
        day = (f"graft audit {recipe} --at DAY", "who was champion then")
        show(next_lines(day if is_intact else (f"graft audit {recipe}", "again, once it is restored")))
    if result.verdict == "broken":
        raise typer.Exit(1)


def show_audit(result: Audit, *, seconds: float) -> None:
    """Show the chain hop by hop, what was verified, and what came out.

    Args:
        seconds: that the audit took.
    """
    out = console()
    if result.forced:
        show(headline_lines("FORCED", f"Promoted {result.forced}"))
        out.print()
    for depth, hop in enumerate(result.hops):
        mark = "X " if hop.integrity == "broken" else "? " if hop.integrity == "unproven" else "/ "
        name = f"{'  ' * depth}{mark if depth or hop.integrity != 'intact' else ''}{hop.name}"
        detail = dict(hop.facts).get("Origin" if depth == 0 else "Trained on", "")
        line = Text(f"  {shorten(name, 30):<31}{shorten(detail, 36):<37}")
        word = hop.integrity.upper() if hop.integrity == "broken" else hop.integrity
        out.print(line.append(word, style=STYLES.get(hop.integrity, "")))
    out.print()
    for item in result.lines:
        line = Text(f"  {item.name:<13}").append(f"{item.integrity:<10}", style=STYLES.get(item.integrity, ""))
        first, *more = textwrap.wrap(shorten(item.finding, 1000), 53) or [""]
        out.print(line.append(f"  {first}"))
        for text in more:  # files are named here: none may be cut off
            out.print(f"{'':<27}{text}")
    out.print()
    show(headline_lines(result.verdict.upper(), result.headline))
    for label, text in result.broken_at:
        out.print(f"\n  {label.lower():<7}  {text}")
    out.print(f"\n  checked offline with graft {__version__} in {human(seconds)}")
    out.print(f"  page     pages/{result.recipe}/chain.html")
