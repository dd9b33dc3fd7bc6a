"""``graft audit``: a chain, verified and shown."""

from __future__ import annotations

import re
import textwrap
import time

from rich.text import Text

from graft import __version__
from graft.errors import InputError
from graft.records.audit import Audit
from graft_cli.terminal import STYLES, console, headline_lines, human, next_lines, shorten
from graft_tasks.workspace import Workspace

_TIME = re.compile(r"^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?Z)?$")


def audit_chain(
    workspace: Workspace,
    name: str,
    *,
    at: str | None = None,
    show: bool = True,
    title: bool = True,
    began: float | None = None,
) -> Audit:
    """Verify a chain, draw its page, show what came out.

    Args:
        began: when the command began by ``time.monotonic``; without it, now.
    """
    began = time.monotonic() if began is None else began
    from graft_tasks.commands.render import render_chain
    from graft_tasks.registry.audit import audit

    if workspace.recipe_path(name).is_file() or not _is_in_ledger(workspace, name):
        workspace.recipe(name)
    result = audit(workspace, name, at=_utc(at))
    page = render_chain(workspace, result)
    if show:
        _show(result, seconds=time.monotonic() - began, page=str(page.relative_to(workspace.root)), title=title)
    return result


def _is_in_ledger(workspace: Workspace, name: str) -> bool:
    """Return whether a recipe that may have been removed had a champion."""
    return any(one.startswith(f"promotions/{name}/") for one in workspace.ledger().names())


def _utc(at: str | None) -> str | None:
    """Return a UTC time in full; a day means its end."""
    if at is None:
        return None
    if not _TIME.match(at):
        raise InputError(f"{at!r} is not a UTC time.", do="write 2026-09-01 or 2026-09-01T06:00:00Z")
    if "T" not in at:
        return f"{at}T23:59:59Z"
    return at if at.count(":") == 2 else at.replace("Z", ":00Z")


def _show(result: Audit, *, seconds: float, page: str, title: bool) -> None:
    out = console()
    if title:
        since = f"  live since {result.live_since[:16].replace('T', ' ')} UTC" if result.live_since else ""
        out.print(f"{result.recipe} {result.number}{since}\n", style="bold")
    for line in headline_lines("FORCED", f"Promoted {result.forced}") if result.forced else ():
        out.print(line)
    if result.forced:
        out.print()
    for depth, hop in enumerate(result.hops):
        mark = "X " if hop.integrity == "broken" else "? " if hop.integrity == "unproven" else "/ "
        name = f"{'  ' * depth}{mark if depth or hop.integrity != 'intact' else ''}{hop.name}"
        told = dict(hop.facts)
        detail = told.get("Origin", "") if hop is result.hops[0] else told.get("Trained on", "")
        line = Text(f"  {shorten(name, 30):<31}{shorten(detail, 36):<37}")
        word = hop.integrity.upper() if hop.integrity == "broken" else hop.integrity
        out.print(line.append(word, style=STYLES.get(hop.integrity, "")))
    out.print()
    for item in result.lines:
        line = Text(f"  {item.name:<13}").append(f"{item.integrity:<10}", style=STYLES.get(item.integrity, ""))
        first, *more = textwrap.wrap(shorten(item.finding, 1000), 53) or [""]
        out.print(line.append(f"  {first}"))
        for text in more:  # files are named here: none may be cut off
            out.print(f"{'':<27}{text}")
    out.print()
    for line in headline_lines(result.verdict.upper(), result.headline):
        out.print(line)
    for label, text in result.broken_at:
        out.print(f"\n  {label.lower():<7}  {text}")
    out.print(f"\n  checked offline with graft {__version__} in {human(seconds)}\n  page     {page}")
    if title:
        first = (f"graft audit {result.recipe} --at DAY", "who was champion then")
        for line in next_lines(
            first if result.verdict == "intact" else (f"graft audit {result.recipe}", "again, once it is restored")
        ):
            out.print(line)
