"""The commands that bring data in: profile, new, add, validate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

Name = Annotated[str, typer.Argument(metavar="RECIPE", help="name of a recipe in recipes/")]
AsJson = Annotated[bool, typer.Option("--json", help="print facts as one JSON object")]


def here() -> Any:
    """Return the workspace that the current directory lies in."""
    from graft_tasks.workspace import Workspace

    return Workspace.find(Path.cwd())


def print_json(facts: dict[str, Any]) -> None:
    typer.echo(json.dumps(facts, indent=2, sort_keys=True, ensure_ascii=False))


def profile(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="a file of rows, or a folder of images or texts")],
    as_json: AsJson = False,
) -> None:
    """Say what a file holds: format, columns, classes, languages, and what each column seems to be. Writes nothing."""
    from graft.data import look
    from graft_cli.profile import show_profile

    found = look(path)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        show_profile(found, path=path)


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
    from graft_cli.new import new_recipe

    given = {
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
    files = {"train": data, **({"test": test} if test else {})}
    facts = new_recipe(
        here(), name, files, {k: v for k, v in given.items() if v is not None}, yes=yes, show=not as_json
    )
    if as_json:
        print_json(facts)


def add(
    recipe: Name,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="rows, or ids and labels")],
    new_class: Annotated[
        list[str] | None, typer.Option(help="a class that is meant, though it looks misspelt; repeatable")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Add labelled rows, or labels for rows that are there, as a new version of the dataset."""
    from graft_cli.new import show_added
    from graft_tasks.datasets.add import add as add_file

    added = add_file(here(), recipe, file, new_classes=new_class or ())
    if as_json:
        print_json(added.plain())
    else:
        show_added(recipe, added)


def validate(
    recipe: Name,
    fix: Annotated[bool, typer.Option("--fix", help="mend what needs no person, as a new version")] = False,
    findings: Annotated[
        str | None, typer.Option(help="show all rows of the finding of this name, or part of it, with their texts")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what is odd about a recipe's data, and whether it may be trained on; train nothing."""
    from graft_cli.validate import validate_recipe

    facts = validate_recipe(here(), recipe, fix=fix, wanted=findings, show=not as_json)
    if as_json:
        print_json(facts)
