"""``graft remove``: a recipe taken out of the workspace."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from graft_cli.kit import AsJson, Name, here, print_json
from graft_cli.terminal import WIDTH, console, next_lines, show

if TYPE_CHECKING:
    from graft_tasks.commands.remove import Removed


def remove(recipe: Name, as_json: AsJson = False) -> None:
    """Take a recipe out of the workspace, in one commit; its champions and the ledger stay."""
    from graft_tasks.commands.remove import remove as take_out

    removed = take_out(here().recipe(recipe))
    if as_json:
        print_json(removed)
    else:
        show_removed(removed)


def show_removed(removed: Removed) -> None:
    """Say what is gone and what stays."""
    out = console()
    gone = f" and dataset {removed.dataset}, of which no run was made" if removed.dataset else ""
    out.print(textwrap.fill(f"Removed recipe {removed.recipe}{gone}; git has it as it was.", WIDTH))
    if removed.n_runs:
        runs = f"{removed.n_runs:,} run{'s' * (removed.n_runs != 1)}"
        out.print(f"The ledger's {runs} of it, promoted models and the dataset stay.")
    if removed.champion:
        show(next_lines((f"graft audit {removed.recipe}", "works as before")))
