"""``graft fetch``: what a recipe needs, brought and shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from graft_cli.kit import AsJson, here, print_json
from graft_cli.terminal import console, headline_lines, next_lines, row, show
from graft_cli.watcher import progress_of

if TYPE_CHECKING:
    from graft_tasks.dvc.fetch import Fetched


def fetch(
    recipe: Annotated[str | None, typer.Argument(metavar="[RECIPE]", help="one recipe; without: all")] = None,
    patience: Annotated[
        int, typer.Option(min=1, help="seconds after which a remote that sends next to nothing is given up")
    ] = 120,
    as_json: AsJson = False,
) -> None:
    """Bring dataset, models and step files from DVC's remote, and check every byte of them by digest."""
    from graft_tasks.dvc.fetch import FetchedRecipes
    from graft_tasks.dvc.fetch import fetch as bring

    workspace, found = here(), []
    for name in [recipe] if recipe else workspace.recipes():
        with progress_of("fetch", silent=as_json) as progress:
            found.append(bring(workspace.recipe(name), patience=patience, progress=progress))
        if not as_json:
            show_fetched(found[-1])
    if as_json:
        print_json(FetchedRecipes(tuple(found)))
    elif found:
        show(next_lines((f"graft audit {found[-1].recipe}", "check its chain, offline")))


def show_fetched(fetched: Fetched) -> None:
    """Show what is here now, whole."""
    out = console()
    out.print(f"{fetched.recipe}{f'  from {fetched.remote}' if fetched.remote else ''}\n", style="bold")
    out.print(row("datasets", "intact", ", ".join(fetched.datasets)))
    out.print(
        row("models", "intact" if fetched.models else "none", ", ".join(fetched.models) or "none was promoted yet")
    )
    out.print(row("steps", "intact" if fetched.steps else "none", ", ".join(fetched.steps) or "none has run"))
    for path in fetched.mended:
        out.print(row("", "mended", path))
    out.print()
    brought = f"{fetched.n_brought:,} objects brought, " if fetched.n_brought else "nothing to bring, "
    size = f"{fetched.n_bytes / 1e6:,.1f} MB read."
    show(headline_lines("HERE", f"{brought}{fetched.n_files:,} files checked by digest, {size}"))
    out.print()
