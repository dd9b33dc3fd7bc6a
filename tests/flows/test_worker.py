"""The deployment in prefect.yaml, run by a process worker of a real server on loopback."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path

import pytest

from tasks.versions import environment
from tasks.workspace import Workspace

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


@pytest.fixture
def server(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A Prefect server of its own on a free loopback port; yields the environment that reaches it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    variables = {k: v for k, v in environment().items() if not k.startswith("PREFECT_")}
    variables |= {
        "PREFECT_HOME": str(tmp_path / "prefect"),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    }
    command = ["prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with (
        (tmp_path / "server.log").open("w") as log,
        subprocess.Popen(command, env=variables, stdout=log, stderr=log) as process,
    ):
        try:
            _wait_until_healthy(port, process)
            yield variables
        finally:
            process.terminate()
            process.wait()


def _wait_until_healthy(port: int, process: subprocess.Popen[bytes]) -> None:
    """Ask until the server answers: there is no event to wait for across processes."""
    deadline = time.monotonic() + 180
    while process.poll() is None and time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/api/health")
            if connection.getresponse().status == HTTPStatus.OK:
                return
        except OSError:
            time.sleep(0.5)
        finally:
            connection.close()
    pytest.fail("the Prefect server did not come up")


def _prefect(folder: Path, variables: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        ["prefect", "--no-prompt", *arguments], cwd=folder, env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_process_worker_runs_the_scheduled_deployment(
    promoted: Workspace, server: dict[str, str], edit_recipe: Callable[[Workspace, str, object], None]
) -> None:
    """deploy makes scheduled runs; a worker runs one to its end: the changed bound is decided anew, and is in the ledger."""
    shutil.copy(ROOT / "prefect.yaml", promoted.root / "prefect.yaml")
    edit_recipe(promoted, "measure_bias.max_gap", 0.9)
    _prefect(promoted.root, server, "work-pool", "create", "--type", "process", "graft")
    _prefect(promoted.root, server, "deploy", "--all")
    deployment = json.loads(
        _prefect(promoted.root, server, "deployment", "inspect", "retrain/support", "--output", "json")
    )
    assert [one["schedule"]["cron"] for one in deployment["schedules"]] == ["0 5 * * 1"]

    _prefect(promoted.root, server, "deployment", "run", "retrain/support")
    worker = subprocess.run(
        ["prefect", "worker", "start", "--pool", "graft", "--run-once"],
        cwd=promoted.root,
        env=server,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    runs = json.loads(_prefect(promoted.root, server, "flow-run", "ls", "--output", "json"))
    states = {run["state_type"] for run in runs if run["name"] == "support"}
    assert states == {"COMPLETED"}, worker.stdout + worker.stderr
    entries = sorted(promoted.ledger().runs("support"), key=lambda run: run.predicate.finished_at)
    assert len(entries) == 2
    assert entries[-1].predicate.headline == "The candidate is champion 0001 already, byte for byte."
