"""``graft gc``: what DVC's cache holds here, who needs it, what can go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from graft_cli.kit import AsJson, here, print_json
from graft_cli.terminal import console, headline_lines, next_lines, shorten, show

if TYPE_CHECKING:
    from graft_tasks.dvc.garbage import Garbage


def gc(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="free it")] = False,
    as_json: AsJson = False,
) -> None:
    """Say how much DVC's cache holds here, who needs it and how much can be freed; with --yes, free it."""
    from graft_tasks.dvc.garbage import collect, find_garbage

    garbage = collect(here()) if yes else find_garbage(here())
    if as_json:
        print_json(garbage)
    else:
        show_garbage(garbage)


def show_garbage(garbage: Garbage) -> None:
    """Print who needs how much, and what nobody needs."""
    out = console()
    out.print(f"{garbage.n_objects:,} objects, {_size(garbage.n_bytes)} in DVC's cache\n", style="bold")
    for need in garbage.needs:
        out.print(_line(need.kind, need.n_bytes, ", ".join(need.names)))
    word = "freed" if garbage.freed else "free"
    out.print(_line(word, garbage.free_bytes, f"{garbage.n_free:,} objects that nobody needs"))
    if garbage.left_over:
        out.print(
            _line("left over", garbage.left_over_bytes, f"{len(garbage.left_over):,} files of work that was cut off")
        )
    out.print()
    total = _size(garbage.free_bytes + garbage.left_over_bytes)
    if garbage.freed:
        headline = "FREED", f"{total}. Every version of the data and every promoted model is still here."
    elif garbage.n_free or garbage.left_over:
        headline = "FREE", f"{total} can be freed; every version of the data and every promoted model stays."
    else:
        headline = "CLEAN", "Everything in the cache is needed."
    show(headline_lines(*headline))
    if headline[0] == "FREE":
        show(next_lines(("graft gc --yes", "free it")))


def _line(kind: str, n_bytes: int, names: str) -> Text:
    return Text(f"  {kind:<15}{_size(n_bytes):>10}  {shorten(names, 51)}")


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:,.2f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:,.1f} MB"
