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
        workspace.recipe(recipe).load()
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
    width = max(6, *(len(recipe.recipe) for recipe in recipes))
    out.print()
    out.print(Text(f"{'RECIPE':<{width}}  CHAMPION  SINCE       LAST RUN             RUNS  ALARMS", style="bold"))
    for row in recipes:
        out.print(_line(row, width))
    at_work = [(recipe.recipe, recipe.running) for recipe in recipes if recipe.running]
    if at_work:
        out.print("\nIn progress")
        for recipe, what in at_work:
            out.print(f"  {recipe:<{width}}  {shorten(what, 76 - width)}")
    for row in recipes:
        if row.forced:
            lines = textwrap.wrap(shorten(f"{row.recipe} {row.champion} was promoted {row.forced}", 400), 70)
            forced = Text("\n  FORCED  ", style=STYLES["FORCED"])
            out.print(forced.append("\n          ".join(lines), style="not bold default"))
    alarms = [(recipe.recipe, alarm) for recipe in recipes for alarm in recipe.alarms]
    if alarms:
        out.print(f"\n{len(alarms)} alarm{'s' if len(alarms) != 1 else ''}")
        for recipe, alarm in alarms:
            out.print(f"  {recipe:<{width}}  {shorten(alarm, 76 - width)}")


def _line(row: RecipeStatus, width: int) -> Text:
    verdict = row.last_verdict.upper() if row.last_verdict else "none"
    day = f", {row.last_run[:10]}" if row.last_run else ""
    line = Text(f"{row.recipe:<{width}}  {row.champion or 'none':<8}  {(row.since or '')[:10]:<10}  ")
    line.append(verdict, style=STYLES.get(verdict, ""))
    return line.append(f"{day:<{21 - len(verdict)}}{row.n_runs:>4}{len(row.alarms):>8}")


def _show_last(row: RecipeStatus) -> None:
    """Show what the last run of a recipe came to, and its page."""
    if not row.last_headline:
        return
    console().print(f"\n  last     {shorten(row.last_headline, 68)}")
    if row.report:
        page = Path(row.report)
        console().print(f"  report   {page.relative_to(page.parents[2])}")


def _next(recipes: Sequence[RecipeStatus]) -> tuple[str, str]:
    if not recipes:
        return "graft new NAME --data FILE --text COLUMN --label COLUMN", "a first recipe"
    first = recipes[0]
    if first.champion:
        return f"graft audit {first.recipe}", "check its chain"
    return f"graft run {first.recipe}", "a first champion"
