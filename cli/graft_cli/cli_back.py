"""The commands that take something back: undo, remove."""

from __future__ import annotations

from typing import Annotated

import typer

from graft_cli.cli_data import AsJson, Name, here, print_json


def undo(
    recipe: Name,
    file: Annotated[
        str | None, typer.Argument(metavar="[FILE]", help="added-0003.csv, ...; without: the newest is named")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Take the newest addition or repair of a recipe's dataset back, as a new version; no file is deleted."""
    from graft_cli.back import show_undone
    from graft_tasks.datasets.undo import undo as take_back

    undone = take_back(here(), recipe, file)
    if as_json:
        print_json(undone.plain())
    else:
        show_undone(recipe, undone)


def remove(recipe: Name, as_json: AsJson = False) -> None:
    """Take a recipe out of the workspace, in one commit; its champions and the ledger stay."""
    from graft_cli.back import show_removed
    from graft_tasks.commands.remove import remove as take_out

    removed = take_out(here(), recipe)
    if as_json:
        print_json(removed.plain())
    else:
        show_removed(removed)
