"""``graft add``: rows or labels added to a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from graft_cli.kit import AsJson, Name, here, print_json
from graft_cli.terminal import console, next_lines, shorten, show

if TYPE_CHECKING:
    from graft_tasks.datasets.add import Added


def add(
    recipe: Name,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="rows, or ids and labels")],
    new_class: Annotated[
        list[str] | None, typer.Option(help="a class that is meant, though it looks misspelt; repeatable")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Add labelled rows, or labels for rows that are there, as a new version of the dataset."""
    from graft_tasks.datasets.add import add as add_file

    added = add_file(here().recipe(recipe), file, new_classes=new_class or ())
    if as_json:
        print_json(added)
    else:
        show_added(recipe, added)


def show_added(recipe: str, added: Added) -> None:
    """Say what an addition did."""
    out = console()
    if not added.is_new:
        out.print(f"Nothing to add: these {added.holds} are in the dataset already, as {added.file}.")
    else:
        out.print(
            f"Added {added.n_rows:,} {added.holds} to {added.dataset}, as {added.file}; version {added.version[:12]}."
        )
    for sentence in added.drift:
        out.print(f"  - {shorten(sentence, 200)}")
    after = (f"graft validate {recipe}", "what is odd about the rows now"), (f"graft run {recipe}", "train on them")
    show(next_lines(*after))
