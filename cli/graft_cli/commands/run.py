"""``graft run``: a recipe run once, watched."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from graft_cli.kit import AsJson, Name, Verbose, here, print_changes, print_json
from graft_cli.terminal import console, headline_lines, human, next_lines, show, verdict_lines
from graft_cli.watcher import Watcher, watched
from graft_tasks.processes.listener import NOBODY, Listener

if TYPE_CHECKING:
    from graft_tasks.commands.prepare import Prepared
    from graft_tasks.commands.run import RunResult
    from graft_tasks.recipe_handle import RecipeHandle


def run(
    recipe: Name,
    as_json: AsJson = False,
    strict: Annotated[bool, typer.Option("--strict", help="exit 4 unless promoted")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="wait while another process runs this recipe")] = False,
    verbose: Verbose = False,
) -> None:
    """Pin, validate, embed, fine-tune, compare, decide and promote, once."""
    from graft_tasks.processes.child_process import stopping_on_sigterm
    from graft_tasks.steps.cost import rates

    handle = here().recipe(recipe)
    handle.load()
    watcher = Watcher(rates(handle.workspace))
    with stopping_on_sigterm(), watched(watcher):
        result = run_recipe(
            handle,
            begin=print_changes if as_json else show_begin,
            listener=NOBODY if as_json else watcher,
            wait=_print_holder if wait else None,
        )
    if as_json:
        print_json(result)
    else:
        show_result(result)
        show(next_lines(*_next(result)))
    if strict and result.verdict != "promote":
        raise typer.Exit(4)


def run_recipe(
    handle: RecipeHandle,
    *,
    begin: Callable[[Prepared], None] = print_changes,
    listener: Listener = NOBODY,
    wait: Callable[[str], None] | None = None,
) -> RunResult:
    """Run a recipe once. It is held from the first look to the last page; a run that was cut off is gone through to its end.

    Prefect is imported and started only where there is something to do.

    Args:
        begin: called with the recipe, held and pinned, before anything is done.
        wait: called with who else runs the recipe, before this waits for it; None: it does not wait.

    Raises:
        BusyError: another process runs this recipe, and ``wait`` is not given.
        GraftError: a step could not finish, or its input is wrong.
    """
    from graft_tasks.commands.prepare import prepared
    from graft_tasks.commands.run import run_result
    from graft_tasks.steps.cost import utc_now

    began = utc_now()
    with prepared(handle, wait=wait, do=f"graft run {handle.name} --wait    waits for it") as ready:
        begin(ready)
        if not ready.up_to_date:
            from graft_flows.local import run_here

            run_here(handle, listener)
    return run_result(handle, began=began, up_to_date=ready.up_to_date)


def _print_holder(holder: str) -> None:
    typer.echo(f"waiting for {holder}", err=True)


def show_begin(ready: Prepared) -> None:
    """Show what is run, and against which champion."""
    print_changes(ready)
    out, inputs = console(), ready.inputs
    out.print(f"{inputs.recipe}  {datetime.now(UTC):%Y-%m-%d %H:%M} UTC", style="bold")
    champion = ready.handle.workspace.ledger().champion(inputs.recipe)
    number = champion.predicate.number if champion else "none yet"
    out.print(f"data {inputs.dataset.name} sha256:{inputs.dataset.sha256[:12]}  champion {number}")
    out.print()
    show_start(ready)


def show_start(ready: Prepared) -> None:
    """Say that Prefect is starting, where it is: it takes some seconds."""
    if console().is_terminal and not ready.up_to_date:
        console().print("  starting Prefect ...", style="dim", end="\r")


def show_result(result: RunResult) -> None:
    """Show the verdict, what stood in its way, the page and what the steps took; or why there was nothing to do."""
    if not result.ran:
        show(headline_lines("NOTHING TO DO", result.because))
        return
    show(verdict_lines(result))
    out, page = console(), Path(result.report)
    out.print(f"\n  report   {page.relative_to(page.parents[2])}")
    if result.cost is not None:
        took = (human(result.cost.seconds), result.cost.energy, result.cost.money)
        out.print(f"  steps    {', '.join(filter(None, took))}")


def _next(result: RunResult) -> tuple[tuple[str, str], ...]:
    """Return the commands that come next."""
    name = result.recipe
    in_force = (f"graft status {name}", "what is in force")
    if not result.ran:
        return ((f"graft status {name}", "champion and alarms"),)
    if result.verdict == "promote":
        audit = (f"graft audit {name}", "check the chain, offline")
        return audit, (f"graft monitor {name} BATCH", "look at a production batch")
    if result.model_id and not result.is_champion:
        return in_force, (f'graft promote {name} --reason "..."', "promote anyway; signed by you")
    return (in_force,) if result.model_id else ((f"graft run {name}", "again, once the data is repaired"),)
