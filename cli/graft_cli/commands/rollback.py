"""``graft rollback``: an earlier model made champion again."""

from __future__ import annotations

from typing import Annotated

import typer

from graft_cli.champion import Reason, show_change
from graft_cli.kit import AsJson, Name, here, print_json


def rollback(
    recipe: Name,
    reason: Reason,
    to: Annotated[
        str | None,
        typer.Option(metavar="NUMBER", help="the champion to go back to; without: the last that still counts"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make an earlier model champion again, past every one that was rolled back itself."""
    from graft_tasks.commands.champion import rollback as roll_back

    change = roll_back(here().recipe(recipe), reason, to=to)
    if as_json:
        print_json(change)
    else:
        show_change(change)
