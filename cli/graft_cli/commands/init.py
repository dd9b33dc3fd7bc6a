"""``graft init``: a new workspace, or what a clone lacks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from graft_cli.terminal import console, next_lines, show


def init(folder: Annotated[Path, typer.Argument(metavar="DIR", help="new folder, or a clone of a workspace")]) -> None:
    """Make a workspace, or add to a clone what git does not carry."""
    from graft_tasks.commands.init import init as make

    workspace, added = make(folder)
    console().print(f"Workspace {workspace.root}")
    show([f"  added  {name}" for name in added] or ["  nothing to add"])
    show(next_lines((f"cd {folder}", ""), ("graft new NAME --data FILE", "a recipe for your rows")))
