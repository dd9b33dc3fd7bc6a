"""``graft new``: what was seen is shown, what is not clear is asked, what was done is shown."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from graft_cli.commands.profile import show_profile
from graft_cli.kit import AsJson, here, print_json
from graft_cli.terminal import WIDTH, console, next_lines, shorten, show

if TYPE_CHECKING:
    from graft.data import DataProfile
    from graft.recipe import TimeFormat
    from graft_tasks.commands.new import NewRecipe


def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="a-z, 0-9 and hyphens")],
    data: Annotated[Path, typer.Option(help="rows to train on: a table, or a folder; see graft profile")],
    text: Annotated[str | None, typer.Option(help="column with the text")] = None,
    image: Annotated[str | None, typer.Option(help="column with the image; a folder of images has it as image")] = None,
    label: Annotated[str | None, typer.Option(help="column with the class")] = None,
    test: Annotated[Path | None, typer.Option(help="file with test rows; without it a share is set aside")] = None,
    sensitive: Annotated[
        list[str] | None, typer.Option(help="column whose groups must be served equally; repeatable")
    ] = None,
    group: Annotated[str | None, typer.Option(help="column whose rows stay on one side, e.g. the customer")] = None,
    time: Annotated[str | None, typer.Option(help="column with the time: train on the past, test on the rest")] = None,
    time_format: Annotated[
        str | None, typer.Option(help="how times are read whose year is not first: day-first, month-first, epoch")
    ] = None,
    id: Annotated[str | None, typer.Option(help="column that names a row, so that labels can come later")] = None,  # noqa: A002 - the option's name
    base: Annotated[list[str] | None, typer.Option(help="candidate base; repeatable")] = None,
    strategy: Annotated[
        str, typer.Option(help="what is trained: head, top_k, lora, full, contrastive, or auto, which tries them")
    ] = "full",
    rows_per_class: Annotated[int | None, typer.Option(help="train on only so many rows per class")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="take what is guessed, without asking")] = False,
    as_json: AsJson = False,
) -> None:
    """Look at labelled rows, ask what is not clear, bring them into the workspace and write a recipe for them."""
    handle = here().recipe(name)
    from graft_tasks.commands.new import guesses, new_recipe, profile_rows

    keys = {
        "data.text": text,
        "data.image": image,
        "data.label": label,
        "data.sensitive": sensitive,
        "data.group": group,
        "data.time": time,
        "data.time_format": time_format,
        "data.id": id,
        "data.rows_per_class": rows_per_class,
        "finetune.strategy": strategy,
        "choose_base.bases": base,
    }
    given = {key: value for key, value in keys.items() if value is not None}
    files = {"train": data, **({"test": test} if test else {})}
    found = profile_rows(data, given)
    if not as_json:
        show_profile(found)
    is_asked = not yes and not as_json and sys.stdin.isatty() and console().is_terminal
    guessed = guesses(found, given) if yes or is_asked else {}
    if is_asked:
        guessed = {key: _ask(key, value, found) for key, value in guessed.items()}
    made = new_recipe(handle, files, given | guessed, found, ask=_ask_order if is_asked else None)
    if as_json:
        print_json(made)
    else:
        show_recipe(made)


def show_recipe(made: NewRecipe) -> None:
    """Show where the recipe lies, and how times are read."""
    out, name = console(), made.recipe
    if made.times:
        out.print("\n" + textwrap.fill(shorten(made.times, 400), WIDTH))
    out.print(f"\nRecipe recipes/{name}.yaml, dataset data/datasets/{name}")
    show(
        next_lines(
            (f"graft validate {name}", "what is odd about these rows"),
            (f"graft run {name}", "validate, train, compare, decide"),
            (f"edit recipes/{name}.yaml", "every key is explained in it"),
        )
    )


def _ask(key: str, guess: Any, found: DataProfile) -> Any:
    """Ask for the column of a key until it is one that is there; an empty answer, or a hyphen, means none."""
    from graft.errors import nearest

    words = {
        "data.text": "Text",
        "data.image": "Image",
        "data.label": "Class",
        "data.group": "Rows of one customer, patient, ... (kept on one side)",
        "data.id": "Name of a row (late labels are joined by it)",
        "data.sensitive": "Groups to be served equally well, with commas",
    }
    names = [column.name for column in found.columns]
    default = ",".join(guess) if isinstance(guess, list) else guess or ""
    while True:
        answer = typer.prompt(
            f"{words[key]}, - for none" if default else words[key], default=default, show_default=bool(default)
        )
        columns = [part.strip() for part in answer.split(",") if part.strip() not in ("", "-")]
        unknown = [column for column in columns if column not in names]
        if not unknown and (len(columns) < 2 or key == "data.sensitive"):
            return columns if key == "data.sensitive" else (columns or [None])[0]
        near = nearest(unknown[0], names) if unknown else None
        typer.echo(f"  There is no column {unknown[0]!r}." if unknown else "  One column, please.", nl=not near)
        if near:
            typer.echo(f" Did you mean {near!r}?")


def _ask_order(example: str) -> TimeFormat:
    """Ask what comes first in a time that can be read in two ways."""
    orders: dict[str, TimeFormat] = {"day": "day-first", "month": "month-first"}
    while True:
        answer = typer.prompt(f"What comes first in {shorten(example, 40)!r}, day or month").strip().lower()
        if answer in orders:
            return orders[answer]
