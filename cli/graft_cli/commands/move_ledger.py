"""``graft move-ledger``: the ledger brought to another place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from graft_cli.kit import AsJson, here, print_json
from graft_cli.terminal import console, next_lines, show

if TYPE_CHECKING:
    from graft_tasks.registry.move import Moved


def move_ledger(
    place: Annotated[str, typer.Argument(metavar="PLACE", help="s3://BUCKET/PREFIX, or a folder")],
    as_json: AsJson = False,
) -> None:
    """Copy the ledger to another place, check it there, and let the workspace use that one; cut off, say it again."""
    from graft_tasks.registry.move import move_ledger as move

    moved = move(here(), place)
    if as_json:
        print_json(moved)
    else:
        show_moved(moved)


def show_moved(moved: Moved) -> None:
    """Show where the ledger lies now."""
    out = console()
    out.print(f"The ledger lies at {moved.target}: {moved.n_files:,} files, {moved.n_copied:,} of them copied now.")
    out.print(f"What lies at {moved.source} stays there, and is not read any more.")
    show(next_lines(("git pull", "in each other clone, before it runs again")))
