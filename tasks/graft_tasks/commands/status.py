"""status: champion, last verdict, last batch, per recipe, from ledger and records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graft.ledger import Ledger
from graft.ledger.store import heads_of
from graft.records import MonitorRecord
from graft.records.safe_read import load_json
from graft_tasks.processes.locks import holder
from graft_tasks.recipe_handle import RecipeHandle
from graft_tasks.registry.lineage import forced
from graft_tasks.steps.context import STEPS
from graft_tasks.workspace import Workspace


@dataclass(frozen=True)
class RecipeStatus:
    """What a recipe's line says. ``forced``: who promoted the champion against its run's verdict, and why; empty: nobody did."""

    recipe: str
    champion: str | None
    model_id: str | None
    since: str | None
    forced: str
    last_verdict: str | None
    last_headline: str | None
    last_run: str | None
    n_runs: int
    alarms: tuple[str, ...]
    running: str = ""
    """The step that is at work, which process and since when; empty where none is."""
    report: str | None = None
    """Path of the page of the last run; None where none was drawn here."""


@dataclass(frozen=True)
class WorkspaceStatus:
    """A workspace's folder, and the status of each of its recipes."""

    workspace: str
    recipes: tuple[RecipeStatus, ...]


def workspace_status(workspace: Workspace, names: Sequence[str]) -> WorkspaceStatus:
    """Return the status of some recipes of a workspace.

    Raises:
        InputError: there is no such recipe.
        TamperError: the ledger is not what was signed.
    """
    ledger = workspace.ledger()
    return WorkspaceStatus(str(workspace.root), tuple(status(workspace.recipe(name), ledger) for name in names))


def status(handle: RecipeHandle, ledger: Ledger | None = None) -> RecipeStatus:
    """Return a recipe's status."""
    name = handle.name
    ledger = ledger or handle.workspace.ledger()
    promotions = ledger.promotions(name)
    champion = promotions[-1] if promotions else None
    runs = {run.entry: run for run in ledger.summaries(name)}
    ended = heads_of(runs.values()).ended
    last = runs[ended[-1][1]] if ended else None
    page = handle.report_page
    alarms = []
    for path in sorted(handle.monitor.glob("*/record.json")):
        record = load_json(path, MonitorRecord, "a record of monitor")
        if record.is_alarm and champion and record.champion == champion.predicate.number:
            alarms.append(f"{record.batch}: {record.summary}")
    return RecipeStatus(
        recipe=name,
        champion=champion.predicate.number if champion else None,
        model_id=champion.predicate.model_id if champion else None,
        since=champion.predicate.at if champion else None,
        forced=forced(promotions, champion, runs[champion.predicate.run].verdict) if champion else "",
        last_verdict=last.verdict if last else None,
        last_headline=last.headline if last else None,
        last_run=last.finished_at if last else None,
        n_runs=len(runs),
        alarms=tuple(alarms),
        running=running(handle),
        report=str(page) if page.is_file() else None,
    )


def running(handle: RecipeHandle) -> str:
    """Return what is being done to a recipe: the step, which process, since when; empty where nothing is."""
    held = holder(handle.lock("run"))
    if not held:
        return ""
    step = next((step for step in STEPS if holder(handle.lock(step))), "between two steps")
    return f"{step}, {held}"
