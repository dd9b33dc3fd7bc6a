"""``graft card``: a base's domain card, made and shown."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from graft_cli.kit import AsJson, here, print_json
from graft_cli.terminal import console, next_lines, show
from graft_cli.watcher import progress_of

if TYPE_CHECKING:
    from graft_tasks.commands.cards import MadeCard


def card(
    base: Annotated[str, typer.Argument(metavar="BASE", help="pkg:NAME, a folder, or graft:RECIPE@champion")],
    file: Annotated[Path, typer.Option("--from", help="rows of the base's domain: a table, or a folder of images")],
    text: Annotated[str, typer.Option(help="column with the texts")] = "text",
    image: Annotated[str | None, typer.Option(help="column with the images; without it the rows are texts")] = None,
    name: Annotated[
        str | None, typer.Option(help="what the rows are, and their licence; without it the file's name")
    ] = None,
    own: Annotated[
        bool, typer.Option("--own", help="the base was trained on these rows; without it they are a proxy")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write down what a base knows, as figures, so that each run says how far its data lies from that."""
    workspace = here()
    with progress_of("card", silent=as_json) as progress:
        from graft_tasks.commands.cards import make_card

        made = make_card(
            workspace,
            base,
            file,
            column=image or text,
            modality="image" if image else "text",
            source=name or file.name,
            is_proxy=not own,
            progress=progress,
        )
    if as_json:
        print_json(made)
    else:
        show_card(made)


def show_card(made: MadeCard) -> None:
    """Show what a card says of its rows, and where it lies."""
    out, proxy = console(), ", a proxy" if made.is_proxy else ""
    out.print(f"{made.base}  {made.n_rows:,} rows of {made.source}{proxy}\n", style="bold")
    show(f"  {name:<34}{mean:>10.3f}" for name, mean in made.properties.items())
    out.print(f"\n  {made.path}")
    show(next_lines(("graft run RECIPE", "says how far its data lies from this")))
