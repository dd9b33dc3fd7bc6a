"""The log of a real run: what an operator asks afterwards stands there, and neither a secret nor a row."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from graft.records import sha256_file
from graft_tasks.datasets.add import add
from graft_tasks.dvc.repro import commit, dvc, git
from graft_tasks.steps.context import STEPS
from graft_tasks.workspace import Workspace
from tests.support.kill_points import make_workspace, start_graft, write_rows

pytestmark = pytest.mark.slow
PASSWORD, KEY, ROW = "lovelace-1815", "wJalrXUtnFEMIK7MDENGbPxRfiCY", "my card 4711 was eaten by a marmot"


def run(workspace: Workspace, *options: str) -> tuple[int, str]:
    process = start_graft(workspace, workspace.root.parent / "prefect", "run", "tiny", *options)
    said, _ = process.communicate(timeout=500)
    return process.returncode, said


def logs(workspace: Workspace) -> list[Path]:
    return sorted(workspace.recipe("tiny").logs.glob("*"))


def test_what_stands_in_the_log_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every record is a line of JSON with run, recipe and step; each step began and ended; a dead run, a refused remote and what
    is as before are named. What was planted is not there: a password in an address, a key in the environment, a row."""
    workspace = make_workspace(tmp_path, "tiny")
    write_rows(tmp_path / "more.csv", 5, 8)
    with (tmp_path / "more.csv").open("a") as more:
        more.write(f"{ROW},early\n")
    add(workspace.recipe("tiny"), tmp_path / "more.csv")
    dvc(workspace.root, "remote", "add", "--default", "store", f"http://ada:{PASSWORD}@127.0.0.1:9/{KEY}")
    commit(workspace.root, "a remote", [".dvc/config"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEY)
    workspace.recipe("tiny").lock("run").parent.mkdir(parents=True, exist_ok=True)
    workspace.recipe("tiny").lock("run").write_text(
        "process 4711, since 2026-01-01 00:00 UTC"
    )  # as a killed run leaves it

    code, said = run(workspace)
    assert code == 1, said
    assert "The remote does not answer." in said
    assert PASSWORD not in said
    assert "graft.step" not in said, "a log was shown that nobody asked for"
    (path,) = logs(workspace)
    assert path.stat().st_mode & 0o777 == 0o600
    assert git(workspace.root, "status", "--porcelain", "--ignored", ".graft/logs").split() == ["!!", ".graft/"]
    text = path.read_text()
    assert all(planted not in text for planted in (PASSWORD, KEY, ROW, "marmot", "eaten"))
    records = [json.loads(line) for line in text.splitlines()]
    assert {(one["run"], one["recipe"]) for one in records} == {(path.stem, "tiny")}
    assert {one["step"] for one in records} == {"run", "promote", *STEPS}
    assert all(set(one) == {"time", "level", "logger", "run", "recipe", "step", "message"} for one in records)
    assert [one["time"] for one in records] == sorted(one["time"] for one in records)
    for step in STEPS:
        mine = [one["message"] for one in records if one["step"] == step]
        assert mine[0] == "started"
        assert mine[1].startswith(f"record sha256:{sha256_file(workspace.recipe('tiny').record(step))}, ")
        assert mine[2].startswith("finished in ")
        assert len(mine) == 3
    assert [one["message"] for one in records if one["level"] == "warning"] == [
        "the process that held tiny before was cut off: what it left is put right",
        "refused by store (http://***@127.0.0.1:9/***): The remote does not answer.",
    ]

    dvc(workspace.root, "remote", "remove", "store")
    commit(workspace.root, "no remote", [".dvc/config"])
    code, said = run(workspace, "--verbose")
    assert code == 0, said
    assert f"tiny/{STEPS[0]}: as before: nothing that it depends on has changed" in said
    assert len(logs(workspace)) == 2
    monkeypatch.setenv("GRAFT_LOG_FORMAT", "json")
    code, said = run(workspace)
    assert code == 0, said
    assert "NOTHING TO DO" in said
    assert len(logs(workspace)) == 2, "a run with nothing to do left a log"
