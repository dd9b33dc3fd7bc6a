"""The Prefect server of a run, where none is set: on loopback, for this process alone, and gone when this process is."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO

import httpx
from prefect import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    TaskRunFilter,
    TaskRunFilterState,
    TaskRunFilterStateType,
)
from prefect.client.schemas.objects import TERMINAL_STATES, StateType
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker
from prefect.runtime import flow_run
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, get_current_settings, temporary_settings
from prefect.states import Completed, Crashed

from graft.errors import StepError
from tasks.locks import hold, silently
from tasks.mortal import mortal
from tasks.versions import environment

_STARTS_WITHIN_S = 120
_OURS = {"PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1"}
_APP = "prefect.server.api.server:create_app"
_LOG = "graft-server.log"
_OPEN = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
_LIVES = 3
"""How often a server is started that always ends."""


@contextmanager
def prefect_server() -> Iterator[None]:
    """Give Prefect a server while the block runs: the one that is set, if it answers, else one of our own.

    Raises:
        StepError: it does not answer, did not start, or went away during the block.
    """
    try:
        if url := PREFECT_API_URL.value():
            with get_client(sync_client=True) as client:
                if client.api_healthcheck():
                    do = "prefect server start, or unset PREFECT_API_URL"
                    raise StepError("The Prefect server does not answer.", where=url, do=do)
            yield
        else:
            with _own_server() as url, temporary_settings({PREFECT_API_URL: url}):
                try:
                    yield
                except KeyboardInterrupt:
                    _tell_the_rest()  # once the server is gone, each would be tried for half a minute
                    raise
                _tell_the_rest()
                close_lost_tasks()
    except httpx.HTTPError as error:
        where = f"{url}: {error or type(error).__name__}"
        do = "the same command goes on from here"
        raise StepError("The Prefect server went away.", where=where, do=do) from error


def _tell_the_rest() -> None:
    """Send the server what waits in this process to be sent."""
    EventsWorker.drain_all()
    APILogWorker.drain_all()


@contextmanager
def _own_server() -> Iterator[str]:
    """Keep a server on a free port of loopback while the block runs. Servers share a database: one starts after the other."""
    home, stopped = PREFECT_HOME.value(), threading.Event()
    home.mkdir(parents=True, exist_ok=True)
    with socket.socket() as listener, (home / _LOG).open("wb") as log:
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/api"
        variables = environment() | get_current_settings().to_environment_variables(exclude_unset=True) | _OURS
        keeper = threading.Thread(target=_keep, args=(listener, variables, log, stopped), daemon=True)
        try:
            with hold(home / "graft-start.lock", "Prefect's database", wait=silently):
                keeper.start()
                _wait_until_up(url)
            yield url
        finally:
            stopped.set()
            if keeper.is_alive():
                keeper.join()


def _wait_until_up(url: str) -> None:
    """Ask once: the socket listens before the server does, so the answer comes as soon as there is one."""
    try:
        httpx.get(f"{url}/health", timeout=_STARTS_WITHIN_S).raise_for_status()
    except httpx.HTTPError as error:
        what, log = "The Prefect server of this run did not start.", PREFECT_HOME.value() / _LOG
        raise StepError(what, where=str(log), do="look there, or set PREFECT_API_URL to a server") from error


def _keep(listener: socket.socket, variables: dict[str, str], log: IO[bytes], stopped: threading.Event) -> None:
    """Run a server until told to stop, and another where it is killed: the socket is ours, so who asks meanwhile waits."""
    fd = listener.fileno()
    command = mortal("uvicorn", "--factory", _APP, "--fd", str(fd), "--log-level", "error", "--lifespan", "on")
    for _ in range(_LIVES):
        # in a group of its own: Ctrl-C is for the run, which has still to tell the server how it ended
        with subprocess.Popen(
            command, env=variables, pass_fds=[fd], stdout=log, stderr=log, process_group=0
        ) as process:
            while process.poll() is None and not stopped.wait(0.1):
                pass
            process.terminate()  # it writes what it has
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=5)
            process.kill()
        if stopped.is_set():
            return
    listener.close()


def close_dead_runs() -> None:
    """Say of earlier flow runs of this recipe that they crashed, where they never could, and close tasks that were lost.

    Assumes: this flow run's process holds the recipe, so no other run of it is alive.
    """
    with get_client(sync_client=True) as client:
        is_open = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_OPEN)))
        for run in client.read_flow_runs(flow_run_filter=is_open):
            waits = run.deployment_id is not None and run.state_type != StateType.RUNNING
            if str(run.id) != flow_run.id and run.parameters == flow_run.parameters and not waits:
                client.set_flow_run_state(run.id, Crashed(message="Its process died."), force=True)
    close_lost_tasks()


def close_lost_tasks() -> None:
    """Close tasks that are open in runs that have ended: the server was killed before it wrote down how they did."""
    with get_client(sync_client=True) as client:
        is_open = TaskRunFilter(state=TaskRunFilterState(type=TaskRunFilterStateType(any_=_OPEN)))
        has_ended = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(TERMINAL_STATES))))
        for task in client.read_task_runs(flow_run_filter=has_ended, task_run_filter=is_open):
            assert task.flow_run_id is not None  # noqa: S101 - it was found by its run
            is_good = client.read_flow_run(task.flow_run_id).state_type == StateType.COMPLETED
            state = Completed(message="As its run did.") if is_good else Crashed(message="Its process died.")
            client.set_task_run_state(task.id, state, force=True)
