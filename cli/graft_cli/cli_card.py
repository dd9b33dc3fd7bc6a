"""The command that makes a domain card: card."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from graft_cli.cli_data import AsJson, here, print_json


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
    from graft_cli.terminal import Watcher, console, next_lines

    workspace, watcher = here(), Watcher()
    if not as_json:
        watcher.started("card")
    from graft_tasks.commands.cards import make_card

    try:
        path, made = make_card(
            workspace,
            base,
            file,
            column=image or text,
            modality="image" if image else "text",
            source=name or file.name,
            is_proxy=not own,
            progress=lambda done, total, note: None if as_json else watcher.progress("card", done, total, note),
        )
    finally:
        watcher.close()
    relative = path.relative_to(workspace.root).as_posix()
    if as_json:
        print_json({**made.model_dump(mode="json", exclude={"profile"}), "path": relative})
        return
    out = console()
    out.print(f"{base}  {made.n_rows:,} rows of {made.source}{', a proxy' if made.is_proxy else ''}\n", style="bold")
    for title, one in made.profile.properties.items():
        if not title.startswith("“"):
            out.print(f"  {title:<34}{one.mean:>10.3f}")
    out.print(f"\n  {relative}")
    for line in next_lines(("graft run RECIPE", "says how far its data lies from this")):
        out.print(line)
