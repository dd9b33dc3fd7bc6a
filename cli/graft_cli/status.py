"""``graft status``: what is in force, per recipe."""

from __future__ import annotations

import textwrap
from datetime import UTC, datetime

from rich.text import Text

from graft_cli.terminal import STYLES, console, next_lines, shorten
from graft_tasks.commands.status import RecipeStatus
from graft_tasks.workspace import Workspace


def show_status(workspace: Workspace, found: list[RecipeStatus], *, detailed: bool) -> None:
    """Print one line per recipe, then the open alarms."""
    out = console()
    n = len(found)
    out.print(f"Workspace {workspace.root}")
    out.print(f"{n} recipe{'s' if n != 1 else ''}  {datetime.now(UTC):%Y-%m-%d %H:%M} UTC")
    if not found:
        for line in next_lines(("graft new NAME --data FILE --text COLUMN --label COLUMN", "a first recipe")):
            out.print(line)
        return
    width = max(6, *(len(one.recipe) for one in found))
    out.print()
    out.print(Text(f"{'RECIPE':<{width}}  CHAMPION  SINCE       LAST RUN             RUNS  ALARMS", style="bold"))
    for one in found:
        verdict = (one.last_verdict or "none").upper() if one.last_verdict else "none"
        line = Text(f"{one.recipe:<{width}}  {one.champion or 'none':<8}  {(one.since or '')[:10]:<10}  ")
        line.append(f"{verdict}", style=STYLES.get(verdict, ""))
        line.append(
            f"{', ' + one.last_run[:10] if one.last_run else '':<{21 - len(verdict)}}{one.n_runs:>4}{len(one.alarms):>8}"
        )
        out.print(line)
    at_work = [(one.recipe, one.running) for one in found if one.running]
    if at_work:
        out.print("\nIn progress")
        for recipe, what in at_work:
            out.print(f"  {recipe:<{width}}  {shorten(what, 76 - width)}")
    for one in found:
        if one.forced:
            lines = textwrap.wrap(shorten(f"{one.recipe} {one.champion} was promoted {one.forced}", 400), 70)
            out.print(
                Text("\n  FORCED  ", style=STYLES["FORCED"]).append(
                    "\n          ".join(lines), style="not bold default"
                )
            )
    alarms = [(one.recipe, alarm) for one in found for alarm in one.alarms]
    if alarms:
        out.print(f"\n{len(alarms)} alarm{'s' if len(alarms) != 1 else ''}")
        for recipe, alarm in alarms:
            out.print(f"  {recipe:<{width}}  {shorten(alarm, 76 - width)}")
    if detailed and found[0].last_headline:
        out.print(f"\n  last     {shorten(found[0].last_headline, 68)}")
        page = workspace.pages(found[0].recipe) / "report.html"
        if page.is_file():
            out.print(f"  report   {page.relative_to(workspace.root)}")
    first = found[0].recipe
    after = (
        (f"graft audit {first}", "check its chain") if found[0].champion else (f"graft run {first}", "a first champion")
    )
    for line in next_lines(after):
        out.print(line)
