"""``graft deploy``: recipes registered with a Prefect server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from graft_cli.kit import AsJson, here, print_json
from graft_cli.terminal import console, next_lines, show

if TYPE_CHECKING:
    from graft_flows.deploy import Deployed


def deploy(
    recipes: Annotated[list[str] | None, typer.Argument(metavar="[RECIPE]...", help="recipes; without: all")] = None,
    cron: Annotated[str | None, typer.Option(help="when to run by itself, such as '0 5 * * 1'")] = None,
    timezone: Annotated[str | None, typer.Option(help="of the schedule, such as Europe/Berlin; default UTC")] = None,
    monitor: Annotated[
        str | None, typer.Option(metavar="FILE", help="look at this batch, in place of retraining")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Register recipes with the Prefect server that is set, for workers in any clone; said again, it changes nothing."""
    from graft_flows.deploy import deploy as register

    workspace = here()
    names = recipes or workspace.recipes()
    deployed = register(workspace, names, batch=monitor, cron=cron, timezone=timezone)
    if as_json:
        print_json(deployed)
    else:
        show_deployed(deployed)


def show_deployed(deployed: Deployed) -> None:
    """Show what the server has now."""
    out = console()
    out.print(f"Prefect server {deployed.server}\n")
    for what, one in (("pool", deployed.pool), ("rule", deployed.crash_rule)):
        out.print(f"  {what:<7} {_state(one.is_new):<8} {one.name}")
    for deployment in deployed.deployments:
        when = ", ".join(deployment.schedules) or "no schedule"
        out.print(f"  recipe  {_state(deployment.is_new):<8} {deployment.name}  {when}")
    first = deployed.deployments[0].name if deployed.deployments else "retrain/RECIPE"
    worker = (f"prefect worker start --pool {deployed.pool.name}", "in each clone that shall run them")
    show(next_lines(worker, (f"prefect deployment run {first}", "one run now")))


def _state(is_new: bool) -> str:
    return "added" if is_new else "there"
