"""``graft run``: the flow, watched."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from flows.terminal import Watcher, console, headline_lines, next_lines, verdict_lines
from graft.errors import GraftError, StepError
from graft.records import DecisionRecord, load_record
from tasks.locks import hold
from tasks.nothing import nothing_to_do
from tasks.pin import pin
from tasks.workspace import Workspace


def run_recipe(workspace: Workspace, name: str, *, show: bool = True, title: bool = True) -> dict[str, Any]:
    """Run a recipe once and return the facts; show them unless asked not to.

    Raises:
        GraftError: a step could not finish, or its input is wrong.
    """
    workspace.recipe(name)
    with hold(workspace.lock(name, "run"), name):
        inputs = pin(workspace, name)
        because = nothing_to_do(workspace, name)
    out = console()
    if show and title:
        out.print(f"{name}  {datetime.now(UTC):%Y-%m-%d %H:%M} UTC", style="bold")
        champion = workspace.ledger().champion(name)
        number = champion.predicate.number if champion else "none yet"
        out.print(f"data {inputs.dataset.name} sha256:{inputs.dataset.sha256[:12]}  champion {number}")
        out.print()
    if because:
        if show:
            for line in headline_lines("NOTHING TO DO", because):
                out.print(line)
            if title:
                for line in next_lines((f"graft status {name}", "champion and alarms")):
                    out.print(line)
        return _facts(workspace, name, did=False, because=because)
    _run_flow(workspace, name, watched=show)
    facts = _facts(workspace, name, did=True, because="")
    if show:
        _show_end(workspace, name, guide=title)
    return facts


def _run_flow(workspace: Workspace, name: str, *, watched: bool) -> None:
    """Run the flow in this process, against the server that Prefect is set to, or an ephemeral one."""
    if watched and console().is_terminal:
        console().print("  starting Prefect ...", style="dim", end="\r")
    from flows.events import listening
    from flows.retrain import retrain

    _check_server()

    watcher = Watcher()
    try:
        if watched:
            with listening(watcher):
                state = retrain(recipe=name, workspace=str(workspace.root), return_state=True)
        else:
            state = retrain(recipe=name, workspace=str(workspace.root), return_state=True)
    finally:
        watcher.close()
    if not state.is_completed():
        error = state.result(raise_on_failure=False)
        if isinstance(error, GraftError):
            raise error
        raise StepError("The flow did not finish.", where=str(state.message)) from (
            error if isinstance(error, Exception) else None
        )


def _check_server() -> None:
    """Check that the Prefect server that is set, if one is, answers; without one, Prefect starts its own for the run."""
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL

    if url := PREFECT_API_URL.value():
        with get_client(sync_client=True) as client:
            failure = client.api_healthcheck()
        if failure:
            raise StepError(
                "The Prefect server does not answer.", where=url, do="prefect server start, or unset PREFECT_API_URL"
            )


def _decision(workspace: Workspace, name: str) -> DecisionRecord:
    record = load_record(workspace.record(name, "decide"), "decide")
    assert isinstance(record, DecisionRecord)  # noqa: S101 - decide is never skipped
    return record


def _facts(workspace: Workspace, name: str, *, did: bool, because: str) -> dict[str, Any]:
    decision = _decision(workspace, name)
    champion = workspace.ledger().champion(name)
    return {
        "recipe": name,
        "ran": did,
        "because": because,
        "verdict": decision.verdict,
        "headline": decision.headline,
        "model_id": decision.model_id,
        "champion": champion.predicate.number if champion else None,
        "checks": [check.model_dump(mode="json") for check in decision.checks],
        "report": str(workspace.pages(name) / "report.html"),
    }


def _is_champion(workspace: Workspace, decision: DecisionRecord) -> bool:
    champion = workspace.ledger().champion(decision.recipe)
    return champion is not None and champion.predicate.model_id == decision.model_id


def _show_end(workspace: Workspace, name: str, *, guide: bool) -> None:
    """Show the verdict, what stood in its way, the page and, to guide a person on, what comes next."""
    out = console()
    decision = _decision(workspace, name)
    for line in verdict_lines(decision):
        out.print(line)
    page = (workspace.pages(name) / "report.html").relative_to(workspace.root)
    out.print(f"\n  report   {page}")
    if not guide:
        return
    if decision.verdict == "promote":
        after = (
            (f"graft audit {name}", "check the chain, offline"),
            (f"graft monitor {name} BATCH", "look at a production batch"),
        )
    elif decision.model_id and not _is_champion(workspace, decision):
        after = (
            (f"graft status {name}", "what is in force"),
            (f'graft promote {name} --reason "..."', "promote anyway; signed by you"),
        )
    elif decision.model_id:
        after = ((f"graft status {name}", "what is in force"),)
    else:
        after = ((f"graft run {name}", "again, once the data is mended"),)
    for line in next_lines(*after):
        out.print(line)
