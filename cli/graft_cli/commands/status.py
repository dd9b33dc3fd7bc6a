"""``graft status``: what is in force, per recipe."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from graft_cli.kit import AsJson, here, print_json
from graft_cli.terminal import STYLES, console, next_lines, shorten, show

if TYPE_CHECKING:
    from graft_tasks.commands.status import RecipeStatus, WorkspaceStatus


def status(
    recipe: Annotated[str | None, typer.Argument(metavar="[RECIPE]", help="one recipe; without: all")] = None,
    as_json: AsJson = False,
) -> None:
    """Show champion, last verdict and open alarms."""
    from graft_tasks.commands.status import workspace_status

    workspace = here()
    if recipe:
        workspace.recipe(recipe)
    found = workspace_status(workspace, [recipe] if recipe else workspace.recipes())
    if as_json:
        print_json(found)
        return
    show_status(found)
    if recipe:
        _show_last(found.recipes[0])
    show(next_lines(_next(found.recipes)))


def show_status(found: WorkspaceStatus) -> None:
    """Print one line per recipe, then what is in progress, forced champions and open alarms."""
    out, recipes = console(), found.recipes
    out.print(f"Workspace {found.workspace}")
    out.print(f"{len(recipes)} recipe{'s' if len(recipes) != 1 else ''}  {datetime.now(UTC):%Y-%m-%d %H:%M} UTC")
    if not recipes:
        return
    width = max(6, *(len(one.recipe) for one in recipes))
    out.print()
    out.print(Text(f"{'RECIPE':<{width}}  CHAMPION  SINCE       LAST RUN             RUNS  ALARMS", style="bold"))
    for one in recipes:
        out.print(_line(one, width))
    at_work = [(one.recipe, one.running) for one in recipes if one.running]
    if at_work:
        out.print("\nIn progress")
        for recipe, what in at_work:
            out.print(f"  {recipe:<{width}}  {shorten(what, 76 - width)}")
    for one in recipes:
        if one.forced:
            lines = textwrap.wrap(shorten(f"{one.recipe} {one.champion} was promoted {one.forced}", 400), 70)
            forced = Text("\n  FORCED  ", style=STYLES["FORCED"])
            out.print(forced.append("\n          ".join(lines), style="not bold default"))
    alarms = [(one.recipe, alarm) for one in recipes for alarm in one.alarms]
    if alarms:
        out.print(f"\n{len(alarms)} alarm{'s' if len(alarms) != 1 else ''}")
        for recipe, alarm in alarms:
            out.print(f"  {recipe:<{width}}  {shorten(alarm, 76 - width)}")


def _line(one: RecipeStatus, width: int) -> Text:
    verdict = one.last_verdict.upper() if one.last_verdict else "none"
    day = f", {one.last_run[:10]}" if one.last_run else ""
    line = Text(f"{one.recipe:<{width}}  {one.champion or 'none':<8}  {(one.since or '')[:10]:<10}  ")
    line.append(verdict, style=STYLES.get(verdict, ""))
    return line.append(f"{day:<{21 - len(verdict)}}{one.n_runs:>4}{len(one.alarms):>8}")


def _show_last(one: RecipeStatus) -> None:
    """Show what the last run of a recipe came to, and its page."""
    if not one.last_headline:
        return
    console().print(f"\n  last     {shorten(one.last_headline, 68)}")
    if one.report:
        page = Path(one.report)
        console().print(f"  report   {page.relative_to(page.parents[2])}")


def _next(recipes: Sequence[RecipeStatus]) -> tuple[str, str]:
    if not recipes:
        return "graft new NAME --data FILE --text COLUMN --label COLUMN", "a first recipe"
    first = recipes[0]
    if first.champion:
        return f"graft audit {first.recipe}", "check its chain"
    return f"graft run {first.recipe}", "a first champion"
