"""Several runs in one workspace at the same time: each leads where it would have led alone."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from graft_tasks.dvc.repro import commit, dvc
from graft_tasks.processes.locks import hold
from graft_tasks.workspace import Workspace
from tests.support.kill_points import (
    check_intact,
    copy_workspace,
    environment_for,
    make_workspace,
    outcome_of,
    start_graft,
    undisturbed_outcome,
)

pytestmark = pytest.mark.slow

NAMES = ("north", "east", "south", "west")
PAUSE_S = 4.0
"""Between two pushes, so that the runs have the machine too."""


@pytest.fixture(scope="module")
def fresh_workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with four recipes and a remote in a folder, in which nothing has run yet; copied, never changed."""
    folder = tmp_path_factory.mktemp("at-once")
    workspace = make_workspace(folder, *NAMES)
    dvc(workspace.root, "remote", "add", "--default", "store", str(folder / "store"))
    commit(workspace.root, "a remote", [".dvc/config"])
    return workspace


@pytest.fixture(scope="module")
def expected(fresh_workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, object]]:
    """What each recipe leads to when they run one after the other."""
    workspace = copy_workspace(fresh_workspace, tmp_path_factory.mktemp("in-sequence"))
    return {name: undisturbed_outcome(workspace, tmp_path_factory.mktemp("prefect"), name) for name in NAMES}


@pytest.mark.parametrize(
    ("names", "rounds"),
    [
        pytest.param(NAMES, 1, id="4x1"),
        pytest.param(NAMES, 10, id="4x10", marks=pytest.mark.long),
    ],
)
def test_recipes_run_at_once_and_are_pushed_meanwhile(
    fresh_workspace: Workspace,
    expected: dict[str, dict[str, object]],
    tmp_path: Path,
    names: tuple[str, ...],
    rounds: int,
) -> None:
    """Four processes, one workspace, ``dvc push`` again and again: the same records, one promotion each, every step run once."""
    for k in range(rounds):
        workspace = copy_workspace(fresh_workspace, tmp_path / f"{k}")
        runs = {name: start_graft(workspace, tmp_path / "prefect", "run", name) for name in names}
        while any(run.poll() is None for run in runs.values()):
            command = ["dvc", "--wait-for-lock", "push"]
            pushed = subprocess.run(
                command, cwd=workspace.root, env=environment_for(tmp_path), capture_output=True, text=True, check=False
            )
            assert pushed.returncode == 0, pushed.stderr
            with suppress(subprocess.TimeoutExpired):
                next(iter(runs.values())).wait(PAUSE_S)
        for name, run in runs.items():
            said, _ = run.communicate()
            assert run.returncode == 0, said
            assert "as before" not in said, "a step was made twice"
            assert outcome_of(workspace, name) == expected[name]
        check_intact(workspace, *names)


def test_the_same_recipe_twice_leaves_or_waits(fresh_workspace: Workspace, tmp_path: Path) -> None:
    """While a process holds a recipe, a second run says which, since when, and leaves; with --wait it waits and then runs."""
    workspace = copy_workspace(fresh_workspace, tmp_path / "twice")
    with hold(workspace.recipe("north").lock("run"), "north"):
        leaves = start_graft(workspace, tmp_path / "prefect", "run", "north")
        said, _ = leaves.communicate()
        assert leaves.returncode == 1
        assert "error: Another process holds north." in said
        assert f"where  process {os.getpid()}, since 20" in said
        assert "graft run north --wait" in said
        waits = start_graft(workspace, tmp_path / "prefect", "run", "north", "--wait")
        assert waits.stdout is not None
        assert waits.stdout.readline().startswith(f"waiting for process {os.getpid()}, since 20")
    assert waits.stdout.readline().startswith("north  20")
    waits.send_signal(signal.SIGKILL)
    waits.communicate()
