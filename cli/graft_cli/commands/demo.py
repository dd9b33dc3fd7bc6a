"""``graft demo``: the whole cycle on the bundled support messages, step by step."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from graft_cli.commands.audit import show_audit
from graft_cli.commands.monitor import rows_to_show, show_batch
from graft_cli.commands.run import run_recipe, show_result, show_start
from graft_cli.terminal import console, headline_lines, human, next_lines, show
from graft_cli.watcher import Watcher, progress_of, watched

if TYPE_CHECKING:
    from graft.records import MonitorRecord
    from graft_tasks.commands.run import RunResult
    from graft_tasks.recipe_handle import RecipeHandle

RECIPE = "support"
BATCHES = (
    ("batch_usual.csv", "An ordinary week"),
    ("batch_broken.csv", "A week whose export went wrong"),
    ("batch_shifted.csv", "A week after a new product was launched"),
)


def demo(
    folder: Annotated[Path, typer.Option("--dir", help="scratch workspace")] = Path("~/graft-demo"),
) -> None:
    """Show the whole cycle on the bundled support messages."""
    run_demo(folder.expanduser())


def run_demo(folder: Path) -> None:
    """Make a scratch workspace, run the recipe twice, look at three production batches, audit the chain."""
    from graft.data import read_table
    from graft_tasks.commands.init import carried

    out, began = console(), time.monotonic()
    carried_data = carried("support")
    n_rows = len(read_table(carried_data / "messages.csv"))
    out.print(f"graft demo  the whole cycle on {n_rows:,} bundled messages, a few minutes on 2 cores", style="bold")
    out.print(f"Scratch workspace {folder}. Nothing is sent anywhere.")
    handle = _prepare(folder, carried_data)

    _title(1, "Validate, train, compare, decide", "graft run support")
    result = _run(handle)
    if result.ran:
        _title(2, "The same command again", "graft run support")
        _run(handle)

    records = []
    if result.champion:
        for n, (name, what) in enumerate(BATCHES, start=3):
            _title(n, what, f"graft monitor support {name}")
            records.append(_monitor(handle, carried_data / name))
        _title(6, "From the champion back to its base and raw data", "graft audit support")
        _audit(handle)

    out.print("\nWhat came out", style="bold")
    show(headline_lines(result.verdict.upper(), result.headline))
    for record in records:
        out.print(f"  {record.batch:<18} {record.summary}")
    out.print(f"\n  report   {result.report}\n  chain    {handle.chain_page}")
    out.print(f"  took     {human(time.monotonic() - began)}")
    show(next_lines((f"cd {folder}", "everything above is here"), ("graft new --help", "the same with your own rows")))


def _run(handle: RecipeHandle) -> RunResult:
    from graft_tasks.steps.cost import rates

    with watched(Watcher(rates(handle.workspace))) as watcher:
        result = run_recipe(handle, begin=show_start, listener=watcher)
    show_result(result)
    return result


def _monitor(handle: RecipeHandle, batch: Path) -> MonitorRecord:
    with progress_of("monitor", silent=False) as progress:
        from graft_tasks.commands.monitor import monitor, texts_of

        record = monitor(handle, batch, progress=progress)
    show_batch(record, texts_of(handle, batch, rows_to_show(record)))
    return record


def _audit(handle: RecipeHandle) -> None:
    from graft_tasks.commands.audit import audit_recipe

    began = time.monotonic()
    show_audit(audit_recipe(handle), seconds=time.monotonic() - began)


def _prepare(folder: Path, data: Path) -> RecipeHandle:
    """Return the recipe of the demo's workspace, made if it is not there."""
    from graft_tasks.commands.adopt import adopt, is_there
    from graft_tasks.commands.init import carried, init

    workspace, _ = init(folder)
    handle = workspace.recipe(RECIPE)
    if not is_there(handle):
        adopt(handle, {"messages.csv": data / "messages.csv"}, carried("support.yaml").read_text("utf-8"))
    return handle


def _title(n: int, what: str, command: str) -> None:
    out = console()
    out.print(f"\n{n}. {what}", style="bold")
    out.print(f"   $ {command}\n", style="dim")
