"""``graft new`` and ``graft add``: what was seen is shown, what is not clear is asked, what was done is said."""

from __future__ import annotations

import shlex
import sys
import textwrap
from pathlib import Path
from typing import Any

import typer

from graft.data import IMAGE_COLUMN, Look, look
from graft.errors import InputError, nearest
from graft.recipe import TimeFormat
from graft_cli.profile import show_profile
from graft_cli.terminal import WIDTH, console, next_lines, shorten
from graft_tasks.commands.init import new
from graft_tasks.datasets.add import Added
from graft_tasks.workspace import Workspace

_MANY_ROWS, _FEW_VALUES = 100, 0.1
"""A column of so many rows with a smaller share of different values holds categories, not texts."""
SURE = 0.8
"""A guess below this confidence is not taken unless a person says so."""


def new_recipe(
    workspace: Workspace, name: str, files: dict[str, Path], given: dict[str, Any], *, yes: bool, show: bool = True
) -> dict[str, Any]:
    """Look at the rows, complete what was given, and write the recipe. Returns the facts.

    On a terminal a person is asked about each column that was not given; with ``yes`` guesses are taken; else what was given
    must do.

    Raises:
        InputError: text or image, or label, is neither given nor asked nor guessed; and as ``graft_tasks.commands.init.new``.
    """
    workspace.recipe_path(name)
    found = look(files["train"])
    if found.refusal and not given.keys() & {"data.text", "data.image"}:
        do = "if a column does hold texts, say which: --text COLUMN"
        raise InputError(found.refusal, where=str(files["train"]), do=do)
    if show:
        show_profile(found)
    asked = show and not yes and sys.stdin.isatty() and console().is_terminal
    values = {**given}
    if yes or asked:
        guessed = _guesses(found, given)
        values |= {key: _ask(key, value, found) for key, value in guessed.items()} if asked else guessed
    values = {key: value for key, value in values.items() if value not in (None, "")}
    _check_enough(values, name, files, found)
    _check_text(values, files, found)
    values |= _fitting(found, values)
    path = new(workspace, name, files, values, ask=_ask_order if asked else None)
    if show:
        _say_order(workspace, name)
        out = console()
        out.print(f"\nRecipe {path.relative_to(workspace.root)}, dataset data/datasets/{name}")
        for line in next_lines(
            (f"graft validate {name}", "what is odd about these rows"),
            (f"graft run {name}", "validate, train, compare, decide"),
            (f"edit recipes/{name}.yaml", "every key is explained in it"),
        ):
            out.print(line)
    return {"recipe": name, "path": str(path), "values": values, "look": found.model_dump(mode="json")}


def _guesses(found: Look, given: dict[str, Any]) -> dict[str, Any]:
    """Return a guess for each key that was not given; None where nothing is likely."""

    def best(role: Any, least: float = SURE) -> str | None:
        likely = [c for c in found.columns if c.role == role and c.confidence >= least]
        return max(likely, key=lambda c: c.confidence).name if likely else None

    guesses: dict[str, Any] = {}
    if "data.text" not in given and "data.image" not in given:
        text = best("text", 0)
        guesses |= {"data.text": text} if text or not best("image", 0) else {"data.image": best("image", 0)}
    guesses |= {"data.label": best("label", 0), "data.group": best("group"), "data.id": best("id")}
    sensitive = [column.name for column in found.columns if column.role == "sensitive" and column.confidence >= SURE]
    return {k: v for k, v in {**guesses, "data.sensitive": sensitive}.items() if k not in given}


def _ask(key: str, guess: Any, found: Look) -> Any:
    """Ask for the column of a key until it is one that is there; an empty answer, or a hyphen, means none."""
    words = {
        "data.text": "Text",
        "data.image": "Image",
        "data.label": "Class",
        "data.group": "Rows of one customer, patient, ... (kept on one side)",
        "data.id": "Name of a row (late labels are joined by it)",
        "data.sensitive": "Groups to be served equally well, with commas",
    }
    there = [column.name for column in found.columns]
    default = ",".join(guess) if isinstance(guess, list) else guess or ""
    while True:
        said = typer.prompt(
            f"{words[key]}, - for none" if default else words[key], default=default, show_default=bool(default)
        )
        columns = [part.strip() for part in said.split(",") if part.strip() not in ("", "-")]
        unknown = [column for column in columns if column not in there]
        if not unknown and (len(columns) < 2 or key == "data.sensitive"):
            return columns if key == "data.sensitive" else (columns or [None])[0]
        near = nearest(unknown[0], there) if unknown else None
        typer.echo(f"  There is no column {unknown[0]!r}." if unknown else "  One column, please.", nl=not near)
        if near:
            typer.echo(f" Did you mean {near!r}?")


def _check_enough(values: dict[str, Any], name: str, files: dict[str, Path], found: Look) -> None:
    missing = [] if "data.text" in values or "data.image" in values else ["--text"]
    missing += [] if "data.label" in values else ["--label"]
    if missing:
        guessed = _guesses(found, values)
        likely = {f"--{key[5:]}": value for key, value in guessed.items() if isinstance(value, str)}
        options = " ".join(f"{option} {shlex.quote(column)}" for option, column in likely.items())
        raise InputError(
            f"It is not said which column is {' and which '.join(option[2:] for option in missing)}.",
            where=f"columns: {shorten(', '.join(column.name for column in found.columns), 200)}",
            do=f"graft new {name} --data {shlex.quote(str(files['train']))} {options}".rstrip(),
        )


def _check_text(values: dict[str, Any], files: dict[str, Path], found: Look) -> None:
    """Refuse a column of numbers, times or categories as texts: few different values, each in many rows."""
    column = next((one for one in found.columns if one.name == values.get("data.text")), None)
    if column is None or column.kind == "text" or found.n_examined < _MANY_ROWS:
        return
    if column.kind == "category" and column.n_distinct > found.n_examined * _FEW_VALUES:
        return
    held = "categories" if column.kind in {"category", "boolean", "constant"} else f"the kind {column.kind}"
    raise InputError(
        f'Column "{column.name}" holds no texts but {held}: {column.n_distinct:,} different values in '
        f"{found.n_examined:,} rows.",
        where=str(files["train"]),
        do="name a column of texts; for tables of numbers and categories use for example scikit-learn",
    )


def _ask_order(example: str) -> TimeFormat:
    """Ask what comes first in a time that can be read in two ways."""
    orders: dict[str, TimeFormat] = {"day": "day-first", "month": "month-first"}
    while True:
        said = typer.prompt(f"What comes first in {shorten(example, 40)!r}, day or month").strip().lower()
        if said in orders:
            return orders[said]


def _say_order(workspace: Workspace, name: str) -> None:
    """Say how times are read, where they can be read in two ways."""
    data = workspace.recipe(name)[0].data
    if data.time_format is not None:
        latest = f"; rows from {data.test_from} on are the test rows" if data.test_from else ""
        said = f'Times in "{data.time}" are read {data.time_format}{latest}.'
        console().print("\n" + textwrap.fill(shorten(said, 400), WIDTH))


def _fitting(found: Look, values: dict[str, Any]) -> dict[str, Any]:
    """Return what follows from the rows themselves: the modality's defaults and the language."""
    if "data.image" in values:
        if "choose_base.bases" not in values:
            raise InputError(
                "Images need a base that knows images, and Graft brings none.",
                do="--base FOLDER, with config.json, preprocessor_config.json and model.safetensors: docs/first-model.md "
                "says where to get one",
            )
        kinds = {column.name: column.kind for column in found.columns}
        is_path = kinds.get(values["data.image"]) in {"image path", "constant"}
        return {"data.min_similarity": 0.99, **({"data.image": IMAGE_COLUMN} if is_path else {})}
    known = {language: share for language, share in found.languages.items() if language != "unknown"}
    most = max(known, key=lambda language: known[language], default=None)
    return {"validate.language": most} if most and known[most] >= SURE * sum(known.values()) else {}


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
    for line in next_lines(
        (f"graft validate {recipe}", "what is odd about the rows now"), (f"graft run {recipe}", "train on them")
    ):
        out.print(line)
