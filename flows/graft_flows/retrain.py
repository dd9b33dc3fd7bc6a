"""The whole pipeline on one screen: pin the world, make each stage, decide, enact.

Which step reads whose files stands in ``dvc.yaml``; a task here reproduces one stage and returns its record, so a step whose
inputs did not change is not run again, whoever asks. What DVC cannot say stands here: the order of a run, what is worth
retrying, and that a decision is enacted once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_link_artifact, create_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed

from graft.errors import BusyError
from graft.presentation.formatting import outcome
from graft.records import DecisionRecord, Inputs, Record, load_record
from graft_flows.events import listeners
from graft_flows.server import close_dead_runs, mark_run, workspace_of
from graft_tasks.commands.prepare import Prepared, prepared
from graft_tasks.commands.render import render_chain, render_run
from graft_tasks.dvc.repro import reproduce
from graft_tasks.processes.events import Effect, Event, Finished, Output, Progress
from graft_tasks.processes.logs import bound
from graft_tasks.processes.progress import Sparse, how_far
from graft_tasks.processes.warm import warm
from graft_tasks.recipe_handle import RecipeHandle
from graft_tasks.registry.audit import audit
from graft_tasks.registry.promote import enact
from graft_tasks.steps.context import STEPS

_log = logging.getLogger("graft.run")


def worth_retrying(_task: Any, _run: Any, state: State[Any]) -> bool:
    """Retry what may go away by itself: a held lock. Bad data stays bad, and a step that failed fails again."""
    error = state.result(raise_on_failure=False)
    if is_held := isinstance(error, BusyError):
        _log.warning("what it needs is held by another process: tried again")
    return is_held


@flow(name="retrain", flow_run_name="{recipe}", retries=0, persist_result=False, validate_parameters=True)
def retrain(recipe: str, workspace: str = "") -> State[Any]:
    """Run a recipe once. Completed whatever the verdict is; failed only where a step could not finish.

    Args:
        workspace: a folder in it; without it the one that GRAFT_WORKSPACE names, else the one that this process stands in.
    """
    here = workspace_of(workspace)
    mark_run(here.root)
    with prepared(here.recipe(recipe), is_unattended=True) as ready:
        for sentence in ready.changes:
            get_run_logger().info("%s", sentence)
        if ready.up_to_date:
            close_dead_runs(here.root)
            return Completed(message=ready.up_to_date)
        return go_through(ready)


def go_through(ready: Prepared) -> State[Any]:
    """Make each stage, enact, draw. Whatever was done before is not done again."""
    handle = ready.handle
    close_dead_runs(handle.workspace.root)
    with warm():
        log_inputs(ready.inputs)
        records = {step: stage(step)(handle) for step in STEPS}
        decision = records["decide"]
        promoted = promote(handle)
        draw_pages(handle)
    publish_verdict(handle, records, promoted)
    return Completed(message=f"{verdict_word(decision)}: {headline(decision)}")


@task(name="pin", task_run_name="pin", persist_result=False)
def log_inputs(inputs: Inputs) -> None:
    """Log which dataset and champion were pinned."""
    _log.info("pinned dataset sha256:%s", inputs.dataset.sha256)
    champion = inputs.champion.number if inputs.champion else "none"
    get_run_logger().info("dataset %s, champion %s", inputs.dataset.sha256[:12], champion)


def stage(step: str) -> Callable[[RecipeHandle], Record]:
    """Return the task of one step, under the step's name."""
    named = reproduce_stage.with_options(name=step, task_run_name=step)
    return lambda handle: named(handle, step)


@task(retries=5, retry_delay_seconds=[1, 2, 5, 10, 20], retry_condition_fn=worth_retrying, persist_result=False)
def reproduce_stage(handle: RecipeHandle, step: str) -> Record:
    """Reproduce one stage with DVC and return the record that stands there then."""
    log = get_run_logger()
    for listener in listeners():
        listener.started(step)

    reused, pace = False, Sparse()

    def on_event(event: Event) -> None:
        nonlocal reused
        match event:
            case Progress(done, total, note):
                for listener in listeners():
                    listener.progress(step, done, total, note)
                if pace.is_due():
                    log.info("%s", how_far(done, total, note, ""))
            case Effect(name, outcome_, detail):
                for listener in listeners():
                    listener.effect(name, outcome_, detail)
            case Finished():
                reused = event.reused
            case Output(line) if line.strip():
                log.info("%s", line)

    reproduce(handle.workspace.root, step, handle.name, on_event)
    record = load_record(handle.record(step), step)
    log.info("%s: %s", outcome(record), record.because or record.summary)
    for listener in listeners():
        listener.finished(step, record, reused=reused)
    return record


@task(
    name="promote",
    task_run_name="promote",
    retries=3,
    retry_delay_seconds=2,
    retry_condition_fn=worth_retrying,
    persist_result=False,
)
def promote(handle: RecipeHandle) -> str:
    """Enact the decision; return the new champion's number, or an empty string."""
    with bound(step="promote"):
        enacted = enact(handle)
        number = enacted.promotion.predicate.number if enacted.promotion else ""
        _log.info("run %s, %s", enacted.run.entry, f"champion {number}" if number else "champion stays")
    get_run_logger().info("run %s, %s", enacted.run.entry[:12], f"champion {number}" if number else "champion stays")
    for listener in listeners():
        listener.effect("promote", "champion" if number else "not run", f"{number}, signed" if number else "")
    return number


@task(name="pages", task_run_name="pages", persist_result=False)
def draw_pages(handle: RecipeHandle) -> None:
    """Draw the report, and the chain where there is a champion."""
    if handle.workspace.ledger().champion(handle.name):
        render_chain(handle.workspace, audit(handle))
    page = render_run(handle)
    _log.info("pages drawn")
    get_run_logger().info("%s", page)


@task(name="publish", task_run_name="publish", persist_result=False)
def publish_verdict(handle: RecipeHandle, records: dict[str, Record], promoted: str) -> None:
    """Put the table of verdicts and a link to the page beside the run in Prefect."""
    recipe, decision = handle.name, records["decide"]
    rows = [f"| {step} | {outcome(record)} | {record.because or record.summary} |" for step, record in records.items()]
    champion = f"\n\nChampion {promoted}." if promoted else ""
    table = "\n".join(["| step | outcome | |", "|---|---|---|", *rows])
    title = f"# {verdict_word(decision)}: {recipe}\n\n{headline(decision)}{champion}\n\n"
    create_markdown_artifact(markdown=title + table, key=f"{recipe}-verdict", description=headline(decision))
    create_link_artifact(link=handle.report_page.as_uri(), link_text="Report", key=f"{recipe}-report")


def verdict_word(record: Record) -> str:
    return record.verdict.capitalize() if isinstance(record, DecisionRecord) else "No verdict"


def headline(record: Record) -> str:
    return record.headline if isinstance(record, DecisionRecord) else record.because
