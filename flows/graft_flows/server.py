"""The Prefect server of a run, where none is set: on loopback, for this process alone, and gone when this process is.

Other users of the machine reach loopback too. So the server asks for a string that is drawn for this run and passed in the
environment alone, and its database lies in the workspace: it holds no block and no run of another project.
"""

from __future__ import annotations

import os
import secrets
import socket
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any
from uuid import UUID

import httpx
import prefect
from prefect import get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
    TaskRunFilter,
    TaskRunFilterState,
    TaskRunFilterStateType,
)
from prefect.client.schemas.objects import TERMINAL_STATES, State, StateType
from prefect.events.worker import EventsWorker
from prefect.exceptions import ObjectNotFound
from prefect.logging.handlers import APILogWorker
from prefect.runtime import flow_run
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_URL,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    PREFECT_HOME,
    temporary_settings,
)
from prefect.states import Completed, Crashed

from graft.errors import StepError
from graft.records import sweep, write_atomic
from graft_tasks.processes.child_process import child_command
from graft_tasks.processes.environment import QUIET, environment
from graft_tasks.processes.locks import hold, silently
from graft_tasks.workspace import Workspace

_STARTS_WITHIN_S = 120
_OURS = {"PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1"}
_APP = "prefect.server.api.server:create_app"
_LOG, _DATABASE = "graft-server.log", "prefect.db"
_OPEN = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
_NOT_LET_IN = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
HEARTBEAT_S = 30
"""How often a run says that it lives. The rule that ``graft deploy`` makes calls it crashed after three times of silence."""
_LIVES = 3
"""How often a server is started that always ends."""


@contextmanager
def prefect_server(home: Path) -> Iterator[None]:
    """Give Prefect a server while the block runs: the one that is set, if it answers, else one of our own.

    Args:
        home: the folder of our own server's database.

    Raises:
        StepError: it does not answer, lets nobody in, did not start, or went away during the block; or the run was deleted.
    """
    if url := PREFECT_API_URL.value():
        with answering(url), temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: HEARTBEAT_S}):
            yield
        return
    with _own_server(home) as settings, temporary_settings(settings), _in_sentences(str(settings[PREFECT_API_URL])):
        try:
            yield
        except KeyboardInterrupt:
            _tell_the_rest()  # once the server is gone, each would be tried for half a minute
            raise
        _tell_the_rest()
        close_lost_tasks()


@contextmanager
def answering(url: str) -> Iterator[None]:
    """Do with the server that is set what the block does, once it answers; say in a sentence what goes wrong with it.

    Raises:
        StepError: it does not answer, lets nobody in, or went away during the block; or the run was deleted.
    """
    with _in_sentences(url):
        with get_client(sync_client=True) as client:
            if client.api_healthcheck():
                do = "prefect server start, or unset PREFECT_API_URL"
                raise StepError("The Prefect server does not answer.", where=url, do=do, code="server-silent")
        yield


@contextmanager
def _in_sentences(url: str) -> Iterator[None]:
    try:
        yield
    except ObjectNotFound as error:
        what = "The Prefect server does not know this run any more: somebody has deleted it."
        raise StepError(what, where=url, do="the same command goes on from here") from error
    except httpx.HTTPError as error:
        if isinstance(error, httpx.HTTPStatusError) and error.response.status_code in _NOT_LET_IN:
            do = "set PREFECT_API_AUTH_STRING, or PREFECT_API_KEY, to what the server asks for"
            raise StepError("The Prefect server refuses this run.", where=url, do=do, code="server-refuses") from error
        where = f"{url}: {error or type(error).__name__}"
        do = "the same command goes on from here"
        raise StepError("The Prefect server went away.", where=where, do=do) from error


def _tell_the_rest() -> None:
    """Send the server what waits in this process to be sent."""
    EventsWorker.drain_all()
    APILogWorker.drain_all()


@contextmanager
def _own_server(home: Path) -> Iterator[dict[Any, Any]]:
    """Keep a server on a free port of loopback while the block runs, and give the settings that reach it.

    Servers of a workspace share a database: one starts after the other. Nothing that is set for another server holds for it.
    """
    stopped, string = threading.Event(), f"graft:{secrets.token_urlsafe(32)}"
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    home.chmod(0o700)
    with socket.socket() as listener, (home / _LOG).open("wb") as log:
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/api"
        plain = {key: value for key, value in environment().items() if not key.startswith("PREFECT_")}
        own = {"PREFECT_HOME": str(home), "PREFECT_SERVER_API_AUTH_STRING": string}
        keeper = threading.Thread(
            target=_keep, args=(listener, plain | QUIET | _OURS | own, home, log, stopped), daemon=True
        )
        try:
            with hold(home / "graft-start.lock", "Prefect's database", wait=silently), _begun_quickly(home / _DATABASE):
                keeper.start()
                _wait_until_up(url, home)
            yield {PREFECT_API_URL: url, PREFECT_API_AUTH_STRING: string, PREFECT_HOME: home}
        finally:
            stopped.set()
            if keeper.is_alive():
                keeper.join()


@contextmanager
def _begun_quickly(database: Path) -> Iterator[None]:
    """Begin a workspace's database as a copy of an empty one: to make one takes ten seconds of CPU time, so it is kept."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    empty, is_new = cache / "graft" / f"prefect-{prefect.__version__}.db", not database.exists()
    sweep(database.parent, deep=False)
    if is_new and empty.is_file() and empty.stat().st_uid == os.getuid():
        write_atomic(database, empty.read_bytes())
    yield
    if is_new and not empty.is_file():
        with suppress(OSError), closing(sqlite3.connect(database)) as made:  # where nothing can be kept, nothing is
            write_atomic(empty, made.serialize())


def _wait_until_up(url: str, home: Path) -> None:
    """Ask once: the socket listens before the server does, so the answer comes as soon as there is one."""
    try:
        httpx.get(f"{url}/health", timeout=_STARTS_WITHIN_S).raise_for_status()
    except httpx.HTTPError as error:
        what = "The Prefect server of this run did not start."
        raise StepError(what, where=str(home / _LOG), do="look there, or set PREFECT_API_URL to a server") from error


def _keep(
    listener: socket.socket, variables: dict[str, str], home: Path, log: IO[bytes], stopped: threading.Event
) -> None:
    """Run a server until it shall stop, and another where it is killed: the socket is ours, so clients wait meanwhile."""
    fd = listener.fileno()
    command = child_command("uvicorn", "--factory", _APP, "--fd", str(fd), "--log-level", "error", "--lifespan", "on")
    for _ in range(_LIVES):
        # in a group of its own: Ctrl-C is for the run, which has still to tell the server how it ended
        with subprocess.Popen(
            # in its home: a prefect.toml or .env of the folder that a person stands in is not for it
            command,
            cwd=home,
            env=variables,
            pass_fds=[fd],
            stdout=log,
            stderr=log,
            process_group=0,
        ) as process:
            while process.poll() is None and not stopped.wait(0.1):
                pass
            process.terminate()  # it writes what it has
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=5)
            process.kill()
        if stopped.is_set():
            return
    try:
        listener.shutdown(
            socket.SHUT_RDWR
        )  # who asks is refused, and nobody else can take the port and be asked instead
    except OSError:  # where a socket that listens cannot be shut down
        listener.close()


def tag_of(root: Path) -> str:
    """Return the tag of the runs that work in a workspace: clones may share a server, and have the same path elsewhere."""
    return f"{socket.gethostname()}:{root}"


def workspace_of(folder: str) -> Workspace:
    """Return the workspace that a flow works in: that of a folder, or of GRAFT_WORKSPACE, or where this process stands.

    Raises:
        InputError: it lies in none.
    """
    return Workspace.find(Path(folder or os.environ.get("GRAFT_WORKSPACE") or "."))


def mark_run(root: Path) -> None:
    """Tag this flow run with the workspace that it works in, which a deployment does not name."""
    tags = set(flow_run.tags)
    if tag_of(root) not in tags:
        with get_client(sync_client=True) as client:
            client.update_flow_run(UUID(flow_run.id), tags=sorted({*tags, tag_of(root)}))


def close_dead_runs(root: Path) -> None:
    """Say of earlier runs of this flow for this recipe here that they crashed, where they never could. Close lost tasks.

    Assumes: this flow run's process holds the recipe, so no other run of the flow for it is alive in this workspace.
    """
    recipe = flow_run.parameters["recipe"]
    with get_client(sync_client=True) as client:
        is_open = FlowRunFilter(
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_OPEN)),
            tags=FlowRunFilterTags(all_=[tag_of(root)]),
        )
        of_this_flow = FlowFilter(name=FlowFilterName(any_=[flow_run.flow_name]))
        for run in client.read_flow_runs(flow_filter=of_this_flow, flow_run_filter=is_open):
            waits = run.deployment_id is not None and run.state_type != StateType.RUNNING
            if str(run.id) != flow_run.id and run.parameters.get("recipe") == recipe and not waits:
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
            state: State[Any] = (
                Completed(message="As its run did.") if is_good else Crashed(message="Its process died.")
            )
            client.set_task_run_state(task.id, state, force=True)
