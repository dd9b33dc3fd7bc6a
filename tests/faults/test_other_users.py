"""Other users of the machine reach loopback too: a run's own Prefect server tells them nothing and does nothing for them."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import websockets
from prefect import flow, get_client
from prefect.blocks.system import Secret
from prefect.runtime import flow_run
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings
from prefect.states import Running
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from graft.errors import StepError
from graft_flows.server import answering, prefect_server
from tests.support.refusals import refused

pytestmark = pytest.mark.slow

OPEN = {"/api/health", "/api/ready"}
NOBODY = 65534
WITHIN_S = 120
CODE = """
import http.client, json, os, sys
port, run, pid, home = sys.argv[1:]
def ask(method, path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=120)
    connection.request(method, path, body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    return answer.status, answer.read().decode()
def read(path):
    try:
        return open(path, "rb").read().decode(errors="replace")
    except OSError as error:
        return type(error).__name__
blocks = json.dumps({"include_secrets": True})
print(json.dumps({
    "uid": os.getuid(),
    "blocks": ask("POST", "/api/block_documents/filter", blocks),
    "delete": ask("DELETE", f"/api/flow_runs/{run}"),
    "database": read(f"{home}/prefect.db"),
    "environment": read(f"/proc/{pid}/environ"),
    "command": read(f"/proc/{pid}/cmdline"),
}))
"""


@flow
def delete_own_run() -> None:
    """Do what another user did to a run."""
    with get_client(sync_client=True) as client:
        client.delete_flow_run(flow_run.id)


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A run's own server, which holds a secret; gives its home."""
    home = tmp_path_factory.mktemp("workspace") / ".graft" / "prefect"
    with temporary_settings({PREFECT_API_URL: None}), prefect_server(home):
        Secret(value="hunter2").save("other-project")  # type: ignore[call-arg, unused-ignore]
        yield home


def api() -> str:
    return str(PREFECT_API_URL.value())


def test_nothing_but_health_is_answered_without_the_string(own_server: Path) -> None:
    """Every route that the server says it has, and paths that only look like its health."""
    string = str(PREFECT_API_AUTH_STRING.value())
    root, login = api().removesuffix("/api"), tuple(string.split(":", 1))
    assert httpx.get(f"{api()}/openapi.json", timeout=WITHIN_S).status_code == 401
    known = httpx.get(f"{api()}/openapi.json", auth=login, timeout=WITHIN_S).json()["paths"]  # type: ignore[arg-type, unused-ignore]
    assert len(known) > 100
    routes = [(method, f"/api{path.removeprefix('/api')}") for path, methods in known.items() for method in methods]
    odd = ("/variables/name/x-health", "/health/x", "/flow_runs/../health/../flow_runs/count", "//health", "/x/ready")
    routes += [(method, f"/api{path}") for path in odd for method in ("get", "post", "delete")]
    with httpx.Client(base_url=root, timeout=WITHIN_S) as client:
        answers = {(method, path): client.request(method, path).status_code for method, path in routes}
        for wrong in ("graft:", f"{string} ", "graft:x"):
            header = {"Authorization": f"Basic {base64.b64encode(wrong.encode()).decode()}"}
            assert client.post("/api/flow_runs/count", headers=header).status_code == 401
        assert client.get("/api/flow_runs/count", headers={"Authorization": f"Bearer {string}"}).status_code == 401
    let_in = {place for place, code in answers.items() if code not in (401, 404, 405)}
    assert {path for _, path in let_in} == OPEN
    assert sum(code == 401 for code in answers.values()) > len(known)
    assert {method for method, _ in let_in} <= {"get"}


async def _told(token: str, path: str) -> str:
    """Return what a socket says to who comes with a token."""
    address = f"{api().replace('http', 'ws', 1)}/{path}"
    async with websockets.connect(address, subprotocols=[Subprotocol("prefect")], open_timeout=WITHIN_S) as socket:
        await socket.send(json.dumps({"type": "auth", "token": token}))
        return str(json.loads(await socket.recv())["type"])


@pytest.mark.parametrize("path", ["events/in", "events/out", "logs/out"])
def test_the_sockets_ask_too(own_server: Path, path: str) -> None:
    """Events and logs are neither taken from nor shown to somebody who has not the string: the socket is closed."""
    assert asyncio.run(_told(str(PREFECT_API_AUTH_STRING.value()), path)) == "auth_success"
    for wrong in ("graft:wrong", ""):
        with pytest.raises(ConnectionClosed):
            asyncio.run(_told(wrong, path))


def test_a_run_that_somebody_deleted_is_one_sentence(own_server: Path) -> None:
    """Its own server lets nobody do so; one that is set may: no traceback, and how to go on."""
    with pytest.raises(StepError, match="somebody has deleted it") as caught, answering(api()):
        delete_own_run()
    assert caught.value.where == api()
    with (
        temporary_settings({PREFECT_API_AUTH_STRING: "graft:wrong"}),
        refused("server-refuses") as caught,
        answering(api()),
        get_client(sync_client=True) as client,
    ):
        client.read_flow_runs()
    assert "PREFECT_API_AUTH_STRING" in caught.value.do


def _server() -> int:
    """Return the process that serves: the child of this one whose command line names uvicorn."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = (folder / "stat").read_text().rsplit(")", 1)[1].split()[1]
            command = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if int(parent) == os.getpid() and b"uvicorn" in command:
            return int(folder.name)
    raise AssertionError("no server runs")


def test_the_string_is_on_no_command_line_and_the_home_is_its_owners(own_server: Path) -> None:
    """Command lines are for everybody to read; the environment is not. The user's own settings are not the server's."""
    string, pid = str(PREFECT_API_AUTH_STRING.value()), _server()
    assert len(string) > 40
    assert string.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
    settings = dict(line.split("=", 1) for line in Path(f"/proc/{pid}/environ").read_text().split("\0") if "=" in line)
    assert settings["PREFECT_SERVER_API_AUTH_STRING"] == string
    assert settings["PREFECT_HOME"] == str(own_server)
    assert "PREFECT_API_DATABASE_CONNECTION_URL" not in settings
    assert stat.S_IMODE(own_server.stat().st_mode) == 0o700
    assert (own_server / "prefect.db").is_file()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
def test_another_user_reads_nothing_and_deletes_nothing(own_server: Path) -> None:
    """As uid nobody: no block, no run, no database, no environment; the run goes on."""
    with get_client(sync_client=True) as client:
        run = client.create_flow_run(delete_own_run, state=Running())
        asked = [str(urlsplit(api()).port), str(run.id), str(_server()), str(own_server)]
        python = Path(sys.base_prefix) / "bin" / "python3"
        done = subprocess.run(
            [str(python) if _may_run(python) else "/usr/bin/python3", "-I", "-c", CODE, *asked],
            user=NOBODY,
            group=NOBODY,
            extra_groups=[],
            cwd="/",
            env={},
            capture_output=True,
            text=True,
            check=True,
        )
        found: dict[str, Any] = json.loads(done.stdout)
        assert found["uid"] == NOBODY
        assert found["blocks"][0] == 401
        assert "hunter2" not in done.stdout
        assert found["delete"][0] == 401
        assert found["database"] == found["environment"] == "PermissionError"
        assert str(PREFECT_API_AUTH_STRING.value()) not in found["command"]
        assert client.read_flow_run(run.id).state_name == "Running"


def _may_run(python: Path) -> bool:
    """Return whether everybody may run this Python: root's own lies where nobody else may look."""
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in (python.resolve(), *python.resolve().parents))
