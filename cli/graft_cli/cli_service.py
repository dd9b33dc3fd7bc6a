"""The commands about a workspace that several machines work for: deploy, move-ledger."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from graft_cli.cli_data import AsJson, here, print_json


def deploy(
    recipes: Annotated[list[str] | None, typer.Argument(metavar="[RECIPE]...", help="recipes; without: all")] = None,
    cron: Annotated[str | None, typer.Option(help="when to run by itself, such as '0 5 * * 1'")] = None,
    timezone: Annotated[str | None, typer.Option(help="of the schedule, such as Europe/Berlin; default UTC")] = None,
    as_json: AsJson = False,
) -> None:
    """Register recipes with the Prefect server that is set, for workers in any clone; said again, it changes nothing."""
    from graft_flows.deploy import deploy as register

    workspace = here()
    done = register(workspace, recipes or workspace.recipes(), cron=cron, timezone=timezone)
    if as_json:
        print_json(done)
    else:
        show_deployed(done)


def move_ledger(
    place: Annotated[str, typer.Argument(metavar="PLACE", help="s3://BUCKET/PREFIX, or a folder")],
    as_json: AsJson = False,
) -> None:
    """Copy the ledger to another place, check it there, and let the workspace use that one; cut off, say it again."""
    from graft_cli.terminal import console, next_lines
    from graft_tasks.registry.move import move_ledger as move

    moved = move(here(), place)
    if as_json:
        print_json(moved.plain())
        return
    out = console()
    out.print(f"The ledger lies at {moved.target}: {moved.n_files:,} files, {moved.n_copied:,} of them copied now.")
    out.print(f"What lies at {moved.source} stays there, and is not read any more.")
    for line in next_lines(("git pull", "in each other clone, before it runs again")):
        out.print(line)


def show_deployed(done: dict[str, Any]) -> None:
    """Print what the server has now."""
    from graft_cli.terminal import console, next_lines
    from graft_flows.deploy import POOL

    out = console()
    out.print(f"Prefect server {done['server']}\n")
    for what, one in (("pool", done["pool"]), ("rule", done["crash_rule"])):
        out.print(f"  {what:<7} {'added' if one['is_new'] else 'there':<8} {one['name']}")
    for one in done["deployments"]:
        when = ", ".join(one["schedules"]) or "no schedule"
        out.print(f"  recipe  {'added' if one['is_new'] else 'there':<8} {one['name']}  {when}")
    first = done["deployments"][0]["name"] if done["deployments"] else "retrain/RECIPE"
    steps = (
        (f"prefect worker start --pool {POOL}", "in each clone that shall run them"),
        (f"prefect deployment run {first}", "one run now"),
    )
    for line in next_lines(*steps):
        out.print(line)
