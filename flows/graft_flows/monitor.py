"""One production batch against the champion, as ``graft monitor`` looks at it: where a scheduler or a script starts it."""

from __future__ import annotations

from typing import Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed

from graft.presentation.titles import title
from graft.records import MonitorRecord
from graft_flows.retrain import worth_retrying
from graft_flows.server import mark_run, workspace_of
from graft_tasks.dvc.forward import catch_up
from graft_tasks.recipe_handle import RecipeHandle


@flow(name="monitor", flow_run_name="{recipe}", retries=0, persist_result=False, validate_parameters=True)
def monitor(recipe: str, batch: str, workspace: str = "") -> State[Any]:
    """Judge a batch. Completed whatever comes out, an alarm too; failed only where the batch could not be looked at.

    Args:
        batch: a file or folder of rows; a relative path starts at the workspace's folder.
        workspace: a folder in it; without it the one that GRAFT_WORKSPACE names, else the one that this process stands in.
    """
    handle = workspace_of(workspace).recipe(recipe)
    mark_run(handle.workspace.root)
    take_over(handle)
    record = judge(handle, batch)
    publish_outcome(record)
    return Completed(message=f"{outcome_of(record)}: {record.summary}")


@task(name="catch_up", task_run_name="catch_up", retries=5, retry_delay_seconds=[1, 2, 5, 10, 20],
      retry_condition_fn=worth_retrying, persist_result=False)  # fmt: skip
def take_over(handle: RecipeHandle) -> None:
    """Take over what came upstream: the batch is judged by the champion that is in force there."""
    catch_up(handle)


@task(name="monitor", task_run_name="monitor", persist_result=False)
def judge(handle: RecipeHandle, batch: str) -> MonitorRecord:
    """Write the record of a batch, and return it."""
    from graft_tasks.commands.monitor import monitor as look_at

    log = get_run_logger()
    record = look_at(handle, handle.workspace.root / batch, progress=lambda _done, _total, _note: None)
    log.info("%s: %s, %d rows, %s", record.batch, outcome_of(record), record.n_rows, record.summary)
    return record


@task(name="publish", task_run_name="publish", persist_result=False)
def publish_outcome(record: MonitorRecord) -> None:
    """Put what came out beside the run in Prefect."""
    lines = [f"# {outcome_of(record)}: {record.batch}", f"{record.summary}. Champion {record.champion}."]
    checks = [f"| {title(check)} | {check.outcome} |" for check in record.checks if check.outcome != "passed"]
    kinds = [
        f"| {kind.name} | {kind.because} |"
        for comparison in record.comparisons
        for kind in comparison.kinds
        if kind.found
    ]
    table = "\n".join(["| | |", "|---|---|", *checks, *kinds]) if checks or kinds else ""
    markdown = "\n\n".join(filter(None, (*lines, table)))
    create_markdown_artifact(markdown=markdown, key=f"{record.recipe}-batch", description=record.summary)


def outcome_of(record: MonitorRecord) -> str:
    """Return what came out, for people."""
    return str(record.outcome).replace("_", " ").capitalize()
