"""``graft undo`` and ``graft remove``: what was taken back, shown."""

from __future__ import annotations

import textwrap

from graft_cli.terminal import WIDTH, console, next_lines
from graft_tasks.commands.remove import Removed
from graft_tasks.datasets.undo import Undone


def show_undone(recipe: str, undone: Undone) -> None:
    """Say what no longer counts."""
    out = console()
    if undone.is_new:
        out.print(f"{undone.takes_back} no longer counts: {undone.file} says so; version {undone.version[:12]}.")
        out.print("The file stays where it is. To count it again: graft add, with the same file.")
    else:
        out.print(f"Nothing to do: {undone.takes_back} was taken back by {undone.file}.")
    for line in next_lines((f"graft run {recipe}", "train without it")):
        out.print(line)


def show_removed(removed: Removed) -> None:
    """Say what is gone and what stays."""
    out = console()
    gone = f" and dataset {removed.dataset}, of which no run was made" if removed.dataset else ""
    out.print(textwrap.fill(f"Removed recipe {removed.recipe}{gone}; git has it as it was.", WIDTH))
    if removed.n_runs:
        runs = f"{removed.n_runs:,} run{'s' * (removed.n_runs != 1)}"
        out.print(f"The ledger's {runs} of it, promoted models and the dataset stay.")
    if removed.champion:
        for line in next_lines((f"graft audit {removed.recipe}", "works as before")):
            out.print(line)
