"""``graft run``: the flow, watched."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any

from rich.text import Text

from graft.errors import GraftError, StepError
from graft.records import DecisionRecord, EvaluationRecord, Inputs, ModelRecord, load_record
from graft.records.cost import add_up
from graft_cli.terminal import Watcher, console, headline_lines, human, next_lines, result_lines, verdict_lines
from graft_tasks.commands.up_to_date import nothing_to_do
from graft_tasks.dvc.pipeline import bring_forward
from graft_tasks.dvc.recover import recover
from graft_tasks.processes.locks import hold
from graft_tasks.registry.pin import pin
from graft_tasks.steps.cost import costs, rates, utc_now
from graft_tasks.workspace import Workspace


def run_recipe(
    workspace: Workspace, name: str, *, show: bool = True, title: bool = True, wait: bool = False
) -> dict[str, Any]:
    """Run a recipe once and return the facts; show them unless asked not to.

    The recipe is held from the first look to the last page. A run that was cut off before is gone through to its end.

    Raises:
        BusyError: another process runs this recipe, and ``wait`` is not asked for.
        GraftError: a step could not finish, or its input is wrong.
    """
    workspace.recipe(name)
    rates(workspace)
    began = utc_now()
    lock, wait_for = workspace.lock(name, "run"), _say_who if wait else None
    held = hold(lock, name, wait=wait_for, do=f"graft run {name} --wait    waits for it", mends=True)
    with held as was_cut_off:
        recover(workspace, name)
        inputs = pin(workspace, name)
        for sentence in bring_forward(workspace, name):
            print(sentence, file=sys.stderr)  # noqa: T201 - not among the facts
        because = "" if was_cut_off else nothing_to_do(workspace, name)
        if show and title:
            _show_begin(workspace, inputs)
        if because:
            if show:
                _show_nothing(name, because, guide=title)
            return _facts(workspace, name, did=False, because=because)
        _run_flow(workspace, name, watched=show)
    facts = _facts(workspace, name, did=True, because="")
    if show:
        _show_end(workspace, name, began, guide=title)
    return facts


def _say_who(holder: str) -> None:
    print(f"waiting for {holder}", file=sys.stderr, flush=True)  # noqa: T201 - not among the facts


def _show_begin(workspace: Workspace, inputs: Inputs) -> None:
    out = console()
    out.print(f"{inputs.recipe}  {datetime.now(UTC):%Y-%m-%d %H:%M} UTC", style="bold")
    champion = workspace.ledger().champion(inputs.recipe)
    number = champion.predicate.number if champion else "none yet"
    out.print(f"data {inputs.dataset.name} sha256:{inputs.dataset.sha256[:12]}  champion {number}")
    out.print()


def _show_nothing(name: str, because: str, *, guide: bool) -> None:
    out = console()
    for line in headline_lines("NOTHING TO DO", because):
        out.print(line)
    if guide:
        for line in next_lines((f"graft status {name}", "champion and alarms")):
            out.print(line)


def _run_flow(workspace: Workspace, name: str, *, watched: bool) -> None:
    """Run the flow in this process, against the server that Prefect is set to, or one for this run."""
    if watched and console().is_terminal:
        console().print("  starting Prefect ...", style="dim", end="\r")
    from prefect import tags

    from graft_flows.events import listening
    from graft_flows.retrain import retrain
    from graft_flows.server import prefect_server, tag_of

    watcher = Watcher(rates(workspace))
    try:
        where = tags(tag_of(workspace.root))
        with prefect_server(workspace.prefect_home), where, listening(watcher) if watched else nullcontext():
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
        "deciding": decision.deciding,
        "do": decision.do,
        "model_id": decision.model_id,
        "champion": champion.predicate.number if champion else None,
        "checks": [check.model_dump(mode="json") for check in decision.checks],
        "report": str(workspace.pages(name) / "report.html"),
    }


def _results(workspace: Workspace, name: str) -> list[Text]:
    """Return the lines of what the candidate reached, none where nothing was trained."""
    model, evaluation = (load_record(workspace.record(name, step), step) for step in ("finetune", "evaluate"))
    if isinstance(model, ModelRecord) and isinstance(evaluation, EvaluationRecord):
        return result_lines(evaluation, model.strategy)
    return []


def _is_champion(workspace: Workspace, decision: DecisionRecord) -> bool:
    champion = workspace.ledger().champion(decision.recipe)
    return champion is not None and champion.predicate.model_id == decision.model_id


def _cost(workspace: Workspace, name: str, began: str) -> str:
    """Return what the steps that have run since a time took, in words."""
    new = [one for one in costs(workspace, name).values() if one.started_at >= began]
    if not new:
        return ""
    total = add_up(new)
    return ", ".join(filter(None, (human(total.seconds), total.energy, total.money)))


def _show_end(workspace: Workspace, name: str, began: str, *, guide: bool) -> None:
    """Show the verdict, what stood in its way, the page, what it took and, to guide a person on, what comes next."""
    out = console()
    decision = _decision(workspace, name)
    for line in verdict_lines(decision, _results(workspace, name)):
        out.print(line)
    page = (workspace.pages(name) / "report.html").relative_to(workspace.root)
    out.print(f"\n  report   {page}")
    if took := _cost(workspace, name, began):
        out.print(f"  steps    {took}")
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
