"""``graft fetch``: what a recipe needs, brought and shown."""

from __future__ import annotations

from graft_cli.terminal import Watcher, console, headline_lines, next_lines, row
from graft_tasks.dvc.fetch import Fetched, fetch
from graft_tasks.workspace import Workspace


def fetch_recipes(workspace: Workspace, names: list[str], *, patience: int, show: bool = True) -> list[Fetched]:
    """Bring what recipes need, one after the other, and show what is here now."""
    found = []
    for name in names:
        found.append(_fetch(workspace, name, patience=patience, show=show))
        if show:
            _show(found[-1])
    if show and found:
        for line in next_lines((f"graft audit {found[-1].recipe}", "check its chain, offline")):
            console().print(line)
    return found


def _fetch(workspace: Workspace, name: str, *, patience: int, show: bool) -> Fetched:
    watcher = Watcher()
    if show:
        watcher.started("fetch")
    try:
        return fetch(
            workspace,
            name,
            patience=patience,
            progress=lambda done, total, note: watcher.progress("fetch", done, total, note) if show else None,
        )
    finally:
        watcher.close()


def _show(one: Fetched) -> None:
    out = console()
    out.print(f"{one.recipe}{f'  from {one.remote}' if one.remote else ''}\n", style="bold")
    out.print(row("datasets", "intact", ", ".join(one.datasets)))
    out.print(row("models", "intact" if one.models else "none", ", ".join(one.models) or "none was promoted yet"))
    out.print(row("steps", "intact" if one.steps else "none", ", ".join(one.steps) or "none has run"))
    for path in one.mended:
        out.print(row("", "mended", path))
    out.print()
    brought = f"{one.n_brought:,} objects brought, " if one.n_brought else "nothing to bring, "
    for line in headline_lines(
        "HERE", f"{brought}{one.n_files:,} files checked by digest, {one.n_bytes / 1e6:,.1f} MB read."
    ):
        out.print(line)
    out.print()
