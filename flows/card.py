"""``graft card``: a base's domain card, made and shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flows.terminal import Watcher, console, next_lines
from graft.errors import InputError
from graft.recipe import Modality
from tasks.workspace import Workspace


def show_card(
    workspace: Workspace,
    base: str,
    file: Path,
    *,
    column: str,
    modality: Modality,
    source: str,
    is_proxy: bool,
    show: bool = True,
) -> dict[str, Any]:
    """Make a card, show what it holds and return that."""
    if not file.exists():
        raise InputError(f"There is no file {file.name}.", where=str(file), do="check the path")
    watcher = Watcher()
    if show:
        watcher.started("card")
    from tasks.cards import make_card

    try:
        path, card = make_card(
            workspace, base, file, column=column, modality=modality, source=source, is_proxy=is_proxy,
            progress=lambda d, t, n: watcher.progress("card", d, t, n) if show else None,
        )  # fmt: skip
    finally:
        watcher.close()
    relative = path.relative_to(workspace.root).as_posix()
    if show:
        out = console()
        out.print(f"{base}  {card.n_rows:,} rows of {card.source}{', a proxy' if is_proxy else ''}\n", style="bold")
        for name, one in card.profile.properties.items():
            if not name.startswith("“"):
                out.print(f"  {name:<34}{one.mean:>10.3f}")
        out.print(f"\n  {relative}")
        for line in next_lines(("graft run RECIPE", "says how far its data lies from this")):
            out.print(line)
    return {**card.model_dump(mode="json", exclude={"profile"}), "path": relative}
