"""The command that makes a domain card: card."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.cli_data import AsJson, here, print_json


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
    from flows.card import show_card

    made = show_card(
        here(),
        base,
        file,
        column=image or text,
        modality="image" if image else "text",
        source=name or file.name,
        is_proxy=not own,
        show=not as_json,
    )
    if as_json:
        print_json(made)
