"""What commands share: the workspace of the current folder, and the one way in which results and errors become JSON."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from graft_tasks.processes.logs import LEVEL, configure

if TYPE_CHECKING:
    from graft.errors import GraftError
    from graft_tasks.commands.prepare import Prepared
    from graft_tasks.workspace import Workspace

Name = Annotated[str, typer.Argument(metavar="RECIPE", help="name of a recipe in recipes/")]


def _show_log(is_wanted: bool) -> None:
    """Show what this process and those below it log, unless the environment asks for another level."""
    if is_wanted:
        os.environ.setdefault(LEVEL, "info")
        configure()


Verbose = Annotated[bool, typer.Option("--verbose", callback=_show_log, help="show what is logged, as GRAFT_LOG=info")]
AsJson = Annotated[bool, typer.Option("--json", help="print the result as one JSON object")]


@dataclass(frozen=True)
class ErrorFacts:
    """What went wrong, where it was seen, and what to do about it; these two may be empty. ``code`` stays where words change."""

    code: str
    what: str
    where: str
    do: str


@dataclass(frozen=True)
class ErrorResult:
    """What ``--json`` prints where a command could not do what it was asked."""

    error: ErrorFacts


def here() -> Workspace:
    """Return the workspace that the current folder lies in.

    Raises:
        InputError: it lies in none.
    """
    from graft_tasks.workspace import Workspace

    return Workspace.find(Path.cwd())


def to_json(result: object) -> Any:
    """Return a command's result, a frozen dataclass or a record, as plain values with its fields as keys."""
    from pydantic import TypeAdapter

    return TypeAdapter(type(result)).dump_python(result, mode="json", by_alias=True, warnings=False)


def print_json(result: object) -> None:
    """Print a command's result as one JSON object; ``docs/schemas`` has the schema of each."""
    _print(to_json(result))


def print_error(error: GraftError) -> None:
    """Print an error as one JSON object."""
    _print(asdict(ErrorResult(ErrorFacts(error.code, error.what, error.where, error.do))))


def _print(facts: Any) -> None:
    typer.echo(json.dumps(facts, indent=2, sort_keys=True, ensure_ascii=False))


def print_changes(ready: Prepared) -> None:
    """Say on standard error which of a recipe's stages were brought forward from an older version."""
    for sentence in ready.changes:
        typer.echo(sentence, err=True)
