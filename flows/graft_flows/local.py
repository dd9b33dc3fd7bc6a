"""Runs the flow ``retrain`` in this process, as ``graft run`` does."""

from __future__ import annotations

from prefect import tags

from graft.errors import GraftError, StepError
from graft_flows.events import listening
from graft_flows.retrain import retrain
from graft_flows.server import prefect_server, tag_of
from graft_tasks.processes.listener import Listener
from graft_tasks.recipe_handle import RecipeHandle


def run_here(handle: RecipeHandle, listener: Listener) -> None:
    """Run the flow against the server that Prefect is set to, or one for this run.

    Raises:
        GraftError: as the step that could not finish raised it, or the server does not answer.
    """
    workspace = handle.workspace
    with prefect_server(workspace.prefect_home), tags(tag_of(workspace.root)), listening(listener):
        state = retrain(recipe=handle.name, workspace=str(workspace.root), return_state=True)
    if not state.is_completed():
        error = state.result(raise_on_failure=False)
        if isinstance(error, GraftError):
            raise error
        raise StepError("The flow did not finish.", where=str(state.message)) from (
            error if isinstance(error, Exception) else None
        )
