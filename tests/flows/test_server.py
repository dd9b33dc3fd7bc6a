"""What Prefect's database says of runs and tasks whose end nobody wrote down."""

from __future__ import annotations

import pytest
from prefect import flow, get_client, task
from prefect.states import Completed, Crashed, Failed, Running, State

from graft_flows.server import close_lost_tasks


@task
def work() -> None:
    """Do nothing."""


@flow
def nothing() -> None:
    """Do nothing."""


@pytest.mark.parametrize(
    ("end", "said"), [(Completed(), "COMPLETED"), (Failed(), "CRASHED"), (Crashed(), "CRASHED"), (None, "RUNNING")]
)
def test_a_task_without_an_end_is_closed_as_its_run_ended(
    prefect_server: None, end: State[None] | None, said: str
) -> None:
    """A task that is open in a run that has ended gets the run's end; one of a run that goes on is left alone."""
    with get_client(sync_client=True) as client:
        run = client.create_flow_run(nothing, state=Running())
        lost = client.create_task_run(work, flow_run_id=run.id, dynamic_key="0", state=Running())
        done = client.create_task_run(work, flow_run_id=run.id, dynamic_key="1", state=Completed())
        if end is not None:
            client.set_flow_run_state(run.id, end, force=True)
        close_lost_tasks()
        assert str(client.read_task_run(lost.id).state_type.value) == said
        assert client.read_task_run(done.id).state_type.value == "COMPLETED"
