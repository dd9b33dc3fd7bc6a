"""Several machines work for one workspace: two clones, two workers, PostgreSQL, a login, a bucket for models and ledger."""

from __future__ import annotations

import base64
import http.client
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from graft_tasks.dvc.repro import commit, dvc, git
from graft_tasks.processes.environment import environment
from graft_tasks.workspace import Workspace
from tests.support.kill_points import make_workspace

pytestmark = pytest.mark.slow
WITHIN_S = 600
STRING = "team:a string that is not in any file"


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def wait_for(what: str, answer: Callable[[], Any]) -> Any:
    """Ask until there is an answer: there is no event to wait for across processes."""
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline:
        if found := answer():
            return found
        time.sleep(0.5)
    pytest.fail(f"{what} did not come")


@contextmanager
def process(command: list[str], log: Path, **how: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Keep a process of its own session while the block runs."""
    with log.open("ab") as out:
        started = subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True, **how)
        try:
            yield started
        finally:
            if started.poll() is None:
                os.killpg(started.pid, signal.SIGTERM)
            started.wait(timeout=60)


@pytest.fixture
def database() -> Iterator[str]:
    """A PostgreSQL of its own on a free loopback port, under a user of its own; gives the address that Prefect takes."""
    tools = shutil.which("initdb") or next((str(p) for p in Path("/usr/lib/postgresql").glob("*/bin/initdb")), None)
    if tools is None:
        pytest.skip("PostgreSQL absent: no initdb")
    folder, binaries = Path(tempfile.mkdtemp(prefix="graft-postgres-")), Path(tools).resolve().parent
    (folder / "password").write_text("a-password")
    who: dict[str, Any] = {}
    if os.geteuid() == 0:  # which PostgreSQL refuses
        try:
            user = pwd.getpwnam("postgres")
        except KeyError:
            user = pwd.getpwnam("nobody")
        for path in (folder, folder / "password"):
            os.chown(path, user.pw_uid, user.pw_gid)
        who = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    port, data = free_port(), folder / "data"
    made = [str(binaries / "initdb"), "--pgdata", str(data), "--username", "graft", "--auth", "scram-sha-256"]
    made += ["--pwfile", str(folder / "password"), "--no-sync"]
    subprocess.run(made, cwd=folder, capture_output=True, check=True, **who)
    serve = [str(binaries / "postgres"), "-D", str(data), "-h", "127.0.0.1", "-p", str(port), "-k", str(folder)]
    ready = [str(binaries / "pg_isready"), "-h", "127.0.0.1", "-p", str(port)]
    try:
        with process([*serve, "-F"], folder / "log", cwd=folder, **who) as server:
            wait_for(
                "PostgreSQL",
                lambda: (
                    server.poll() is None and not subprocess.run(ready, check=False, capture_output=True).returncode
                ),
            )
            yield f"postgresql+asyncpg://graft:a-password@127.0.0.1:{port}/postgres"
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """A bucket of its own; the environment of this process, and of those started from it, leads there."""
    boto3 = pytest.importorskip("boto3")
    pytest.importorskip("dvc_s3")
    moto = pytest.importorskip("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    settings = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{moto.get_host_and_port()[1]}", "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(tmp_path / "none"), "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
    }  # fmt: skip
    for key, value in settings.items():
        monkeypatch.setenv(key, value)
    boto3.client("s3").create_bucket(Bucket="team")
    yield "team"
    moto.stop()


@pytest.fixture
def server(database: str, bucket: str, tmp_path: Path) -> Iterator[dict[str, str]]:
    """A Prefect server on that database that asks for a string; gives the environment of who knows it."""
    port = free_port()
    plain = {key: value for key, value in environment().items() if not key.startswith("PREFECT_")}
    plain |= {
        "PREFECT_HOME": str(tmp_path / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "OMP_NUM_THREADS": "1",
    }
    own = plain | {"PREFECT_API_DATABASE_CONNECTION_URL": database, "PREFECT_SERVER_API_AUTH_STRING": STRING}
    command = ["prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port), "--no-ui"]

    def healthy() -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/api/health")
            return connection.getresponse().status == HTTPStatus.OK
        except OSError:
            return False

    with process(command, tmp_path / "server.log", env=own):
        wait_for("the Prefect server", healthy)
        yield plain | {"PREFECT_API_URL": f"http://127.0.0.1:{port}/api", "PREFECT_API_AUTH_STRING": STRING}


@pytest.fixture
def clones(bucket: str, tmp_path: Path) -> tuple[Workspace, Workspace]:
    """Two clones of a workspace whose ledger and models lie in the bucket. The second has a key of its own, and the dataset."""
    first = make_workspace(tmp_path / "one", "tiny")
    dvc(first.root, "remote", "add", "--default", "store", f"s3://{bucket}/models")
    dvc(first.root, "remote", "modify", "store", "endpointurl", os.environ["AWS_ENDPOINT_URL"])
    with (first.root / "params.yaml").open("a") as params:
        params.write(f"ledger: s3://{bucket}/ledger\n")
    commit(first.root, "shared", [".dvc/config", "params.yaml"])
    dvc(first.root, "push", "data/datasets/tiny.dvc")
    git(tmp_path, "clone", "--quiet", "--bare", str(first.root), "origin")
    git(first.root, "remote", "add", "origin", str(tmp_path / "origin"))
    git(first.root, "fetch", "--quiet", "origin")
    git(first.root, "branch", "--quiet", "--set-upstream-to", "origin/main")
    git(tmp_path, "clone", "--quiet", "origin", "two")
    second = Workspace(tmp_path / "two")
    graft(second, environment(), "init", ".")
    graft(second, environment(), "fetch", "tiny")
    return first, second


def graft(workspace: Workspace, variables: dict[str, str], *arguments: str) -> str:
    """Run a command that must succeed, and return what it printed."""
    return run(["graft", *arguments], workspace.root, variables)


def run(command: list[str], folder: Path, variables: dict[str, str]) -> str:
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def worker(workspace: Workspace, variables: dict[str, str], *, once: bool) -> tuple[list[str], dict[str, Any]]:
    command = ["prefect", "--no-prompt", "worker", "start", "--pool", "graft"]
    return [*command, *(["--run-once"] if once else [])], {"cwd": workspace.root, "env": variables}


def runs(variables: dict[str, str]) -> list[dict[str, Any]]:
    """Return the flow runs, the newest first."""
    address = variables["PREFECT_API_URL"].removeprefix("http://").split("/")[0]
    header = {"Content-Type": "application/json"}
    header |= {"Authorization": f"Basic {base64.b64encode(STRING.encode()).decode()}"}
    connection = http.client.HTTPConnection(address, timeout=60)
    query = {"sort": "START_TIME_DESC", "flow_runs": {"state": {"type": {"not_any_": ["SCHEDULED"]}}}}
    connection.request("POST", "/api/flow_runs/filter", json.dumps(query), header)
    found: list[dict[str, Any]] = json.loads(connection.getresponse().read())
    return found


def kill_all_below(pid: int) -> None:
    """Kill a process and all that it started, as a machine that loses its power would."""
    children = [
        int(one)
        for one in subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False).stdout.split()
    ]
    os.kill(pid, signal.SIGKILL)
    for child in children:
        kill_all_below(child)


def test_two_clones_two_workers_one_workspace(
    clones: tuple[Workspace, Workspace], server: dict[str, str], tmp_path: Path, bucket: str
) -> None:
    """Deployed in one clone, run in the other: its champion is in force with its bytes on the remote, and audits in the first.

    A worker that is killed leaves no run that is running for ever. The worker of the first clone brings that forward by itself.
    """
    first, second = clones
    there = json.loads(graft(first, server, "deploy", "--cron", "0 5 * * 1", "--timezone", "Europe/Berlin", "--json"))
    assert there["deployments"] == [{"name": "retrain/tiny", "is_new": True, "schedules": ["0 5 * * 1 Europe/Berlin"]}]
    again = json.loads(graft(second, server, "deploy", "tiny", "--json"))
    assert again["deployments"] == [{**there["deployments"][0], "is_new": False}]
    assert not again["pool"]["is_new"]
    assert not again["crash_rule"]["is_new"]
    stranger = {key: value for key, value in server.items() if key != "PREFECT_API_AUTH_STRING"}
    said = subprocess.run(
        ["graft", "deploy"], cwd=first.root, env=stranger, capture_output=True, text=True, check=False
    )
    assert said.returncode == 1
    assert "error: The Prefect server refuses this run." in said.stderr

    run(["prefect", "--no-prompt", "deployment", "run", "retrain/tiny"], tmp_path, server)
    command, how = worker(second, server, once=False)
    with process(command, tmp_path / "killed.log", **how) as killed:
        wait_for("a step of the run", lambda: second.recipe("tiny").record("ingest").is_file())
        kill_all_below(killed.pid)
    wait_for("the rule", lambda: [one["state_type"] for one in runs(server)] == ["CRASHED"])

    run(["prefect", "--no-prompt", "deployment", "run", "retrain/tiny"], tmp_path, server)
    command, how = worker(second, server, once=True)
    with process(command, tmp_path / "second.log", **how) as ends:
        ends.wait(timeout=600)
    newest = runs(server)[0]
    log = (tmp_path / "second.log").read_text()
    assert newest["state_type"] == "COMPLETED", log
    assert newest["tags"] == [f"{socket.gethostname()}:{second.root}"]
    champion = second.ledger().champion("tiny")
    assert champion is not None, log
    assert (second.recipe("tiny").registry / "0001").is_dir()
    assert not first.recipe("tiny").registry.exists()
    import boto3

    md5 = champion.predicate.folder_md5
    boto3.client("s3").head_object(Bucket=bucket, Key=f"models/files/md5/{md5[:2]}/{md5[2:]}")
    assert git(second.root, "status", "--porcelain") == ""
    assert git(second.root, "rev-parse", "main") == git(tmp_path / "origin", "rev-parse", "main")

    run(["prefect", "--no-prompt", "deployment", "run", "retrain/tiny"], tmp_path, server)
    command, how = worker(first, server, once=True)
    with process(command, tmp_path / "first.log", **how) as ends:
        ends.wait(timeout=600)
    newest = runs(server)[0]
    assert newest["state_type"] == "COMPLETED", (tmp_path / "first.log").read_text()
    assert newest["state"]["message"].startswith("The same recipe, data and base were run")
    assert newest["tags"] == [f"{socket.gethostname()}:{first.root}"]
    assert [one["state_type"] for one in runs(server)] == ["COMPLETED", "COMPLETED", "CRASHED"]
    assert first.ledger().champion("tiny") == champion  # whose key came with the commits
    graft(first, server, "fetch", "tiny")
    assert json.loads(graft(first, server, "audit", "tiny", "--json"))["verdict"] == "intact"
