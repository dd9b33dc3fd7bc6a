"""``graft demo``: the whole cycle on the bundled support messages, told as a story."""

from __future__ import annotations

import time
from pathlib import Path

from graft.data import read_table
from graft_cli.audit import audit_chain
from graft_cli.monitor import monitor_batch
from graft_cli.run import run_recipe
from graft_cli.terminal import console, headline_lines, human, next_lines
from graft_tasks.commands.init import adopt, carried, init, is_there
from graft_tasks.workspace import Workspace

RECIPE = "support"
BATCHES = (
    ("batch_usual.csv", "An ordinary week"),
    ("batch_broken.csv", "A week whose export went wrong"),
    ("batch_shifted.csv", "A week after a new product was launched"),
)


def run_demo(folder: Path) -> None:
    """Make a scratch workspace, run the recipe twice, look at three production batches, audit the chain."""
    out, began = console(), time.monotonic()
    carried_data = carried("support")
    n_rows = len(read_table(carried_data / "messages.csv"))
    out.print(f"graft demo  the whole cycle on {n_rows:,} bundled messages, a few minutes on 2 cores", style="bold")
    out.print(f"Scratch workspace {folder}. Nothing is sent anywhere.")
    workspace = _prepare(folder, carried_data)

    _title(1, "Validate, train, compare, decide", "graft run support")
    facts = run_recipe(workspace, RECIPE, title=False)

    if facts["ran"]:
        _title(2, "The same command again", "graft run support")
        run_recipe(workspace, RECIPE, title=False)

    records = []
    if facts["champion"]:
        for n, (name, what) in enumerate(BATCHES, start=3):
            _title(n, what, f"graft monitor support {name}")
            records.append(monitor_batch(workspace, RECIPE, carried_data / name, title=False))
        _title(6, "From the champion back to its base and raw data", "graft audit support")
        audit_chain(workspace, RECIPE, title=False)

    out.print("\nWhat came out", style="bold")
    for line in headline_lines(facts["verdict"].upper(), facts["headline"]):
        out.print(line)
    for record in records:
        out.print(f"  {record.batch:<18} {record.summary}")
    out.print(f"\n  report   {facts['report']}\n  chain    {workspace.pages(RECIPE) / 'chain.html'}")
    out.print(f"  took     {human(time.monotonic() - began)}")
    for line in next_lines(
        (f"cd {folder}", "everything above is here"),
        ("graft new --help", "the same with your own rows"),
    ):
        out.print(line)


def _prepare(folder: Path, data: Path) -> Workspace:
    """Return the demo's workspace, made if it is not there."""
    workspace, _ = init(folder)
    if not is_there(workspace, RECIPE):
        adopt(workspace, RECIPE, {"messages.csv": data / "messages.csv"}, carried("support.yaml").read_text("utf-8"))
    return workspace


def _title(n: int, what: str, command: str) -> None:
    out = console()
    out.print(f"\n{n}. {what}", style="bold")
    out.print(f"   $ {command}\n", style="dim")
