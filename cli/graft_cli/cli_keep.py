"""The commands about what is kept: fetch, gc."""

from __future__ import annotations

from typing import Annotated

import typer

from graft_cli.cli_data import AsJson, here, print_json


def fetch(
    recipe: Annotated[str | None, typer.Argument(metavar="[RECIPE]", help="one recipe; without: all")] = None,
    patience: Annotated[
        int, typer.Option(min=1, help="seconds after which a remote that sends next to nothing is given up")
    ] = 120,
    as_json: AsJson = False,
) -> None:
    """Bring dataset, models and step files from DVC's remote, and check every byte of them by digest."""
    from graft_cli.fetch import fetch_recipes

    workspace = here()
    names = [recipe] if recipe else workspace.recipes()
    found = fetch_recipes(workspace, names, patience=patience, show=not as_json)
    if as_json:
        print_json({"recipes": [one.plain() for one in found]})


def gc(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="free it")] = False,
    as_json: AsJson = False,
) -> None:
    """Say how much DVC's cache holds here, who needs it and how much can be freed; with --yes, free it."""
    from graft_cli.garbage import show_garbage
    from graft_tasks.dvc.garbage import collect, look_for

    garbage = collect(here()) if yes else look_for(here())
    if as_json:
        print_json(garbage.plain())
    else:
        show_garbage(garbage)
