"""``graft undo``: an addition or repair taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from graft_cli.kit import AsJson, Name, here, print_json
from graft_cli.terminal import console, next_lines, show

if TYPE_CHECKING:
    from graft_tasks.datasets.undo import Undone


def undo(
    recipe: Name,
    file: Annotated[
        str | None, typer.Argument(metavar="[FILE]", help="added-0003.csv, ...; without: the newest is named")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Take the newest addition or repair of a recipe's dataset back, as a new version; no file is deleted."""
    from graft_tasks.datasets.undo import undo as take_back

    undone = take_back(here().recipe(recipe), file)
    if as_json:
        print_json(undone)
    else:
        show_undone(recipe, undone)


def show_undone(recipe: str, undone: Undone) -> None:
    """Say what no longer counts."""
    out = console()
    if undone.is_new:
        out.print(f"{undone.takes_back} no longer counts: {undone.file} says so; version {undone.version[:12]}.")
        out.print("The file stays where it is. To count it again: graft add, with the same file.")
    else:
        out.print(f"Nothing to do: {undone.takes_back} was taken back by {undone.file}.")
    show(next_lines((f"graft run {recipe}", "train without it")))
