"""``kill -9`` at random moments, of every process of a run: the same command goes on to the same end.

A round is one kill. The rerun of a round is what the next round kills, up to ten times; then one run goes to its end and all is
compared, so that a round costs seconds. Waiting for a random moment is the point here; nothing else waits for a time.
"""

from __future__ import annotations

import itertools
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from graft_tasks.workspace import Workspace
from tests.support.kill_points import (
    check_intact,
    copy_workspace,
    make_workspace,
    outcome_of,
    processes_in,
    start_graft,
    undisturbed_outcome,
)

pytestmark = pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="finds its victims in /proc")
VICTIMS = {
    "flow": ("graft run",),
    "dvc": ("graft_tasks.processes.child_process", " graft_tasks.dvc.child "),
    "step": ("graft step",),
    "server": ("uvicorn",),
    "warm": ("graft_tasks.processes.warm",),
    "child": ("graft_tasks.processes.warm",),  # DVC or a step
}
WINDOW_S = 14.0
"""A kill comes at any moment up to here. A run that has nothing left to make takes about as long, so every part of one is hit."""
KILLS = 10


@pytest.fixture(scope="module")
def fresh_workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace in which nothing has run yet; copied, never changed."""
    return make_workspace(tmp_path_factory.mktemp("killed"), "tiny")


@pytest.fixture(scope="module")
def expected(fresh_workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What a run leads to that nobody disturbs."""
    return undisturbed_outcome(
        copy_workspace(fresh_workspace, tmp_path_factory.mktemp("undisturbed")),
        tmp_path_factory.mktemp("prefect"),
        "tiny",
    )


def wait_for_victim(workspace: Workspace, victim: str, run: subprocess.Popen[str]) -> int | None:
    """Wait until the victim lives, and return its number; None if the run ended before."""
    while run.poll() is None:
        if found := processes_in(workspace, *VICTIMS[victim]):
            return max(found) if victim == "child" else min(found)
        time.sleep(0.005)
    return None


def run_and_kill(workspace: Workspace, home: Path, rng: random.Random, victims: Iterator[str], most: int) -> int:
    """Run and kill, again and again, until a run came to its end or enough kills hit; return how many did."""
    hits = 0
    while hits < most:
        run = start_graft(workspace, home, "run", "tiny")
        victim = ""
        while hits < most and victim in {"", "server"} and _still_runs_after(run, rng.uniform(0, WINDOW_S)):
            victim = next(victims)
            pid = wait_for_victim(workspace, victim, run)
            if pid is None:
                break
            os.kill(pid, signal.SIGKILL)
            hits += 1
        said, _ = run.communicate(timeout=300)
        assert "Traceback" not in said, said
        if run.returncode == 0:
            break
        assert run.returncode == -signal.SIGKILL or "was killed by SIGKILL" in said, said
        _wait_for_processes_to_end(workspace)
    return hits


def _still_runs_after(run: subprocess.Popen[str], seconds: float) -> bool:
    try:
        run.wait(seconds)
    except subprocess.TimeoutExpired:
        return True
    return False


def _wait_for_processes_to_end(workspace: Workspace) -> None:
    """The kernel ends a dead parent's children after it, not with it."""
    deadline = time.monotonic() + 20
    while processes_in(workspace):
        assert time.monotonic() < deadline, "a process outlives its run"
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("rounds", "seed"),
    [
        pytest.param(len(VICTIMS), 3, id="each", marks=pytest.mark.slow),
        pytest.param(20, 3, id="20", marks=pytest.mark.long),
        pytest.param(100, 2, id="100", marks=pytest.mark.long),
    ],
)
def test_whatever_is_killed_the_rerun_leads_to_the_same(
    fresh_workspace: Workspace, expected: dict[str, object], tmp_path: Path, rounds: int, seed: int
) -> None:
    """The same records and model, one run and one promotion, and nothing half-written, locked, alive or open is left."""
    rng = random.Random(seed)  # noqa: S311 - which moments is no secret
    victims = itertools.chain.from_iterable(rng.sample(sorted(VICTIMS), len(VICTIMS)) for _ in itertools.count())
    hits = 0
    for k in itertools.count():
        if hits >= rounds:
            break
        workspace, home = copy_workspace(fresh_workspace, tmp_path / f"{k}"), tmp_path / "prefect"
        hits += run_and_kill(workspace, home, rng, victims, min(KILLS, rounds - hits))
        last = start_graft(workspace, home, "run", "tiny")
        said, _ = last.communicate(timeout=300)
        assert last.returncode == 0, said
        assert outcome_of(workspace, "tiny") == expected
        check_intact(workspace, "tiny")
        shutil.rmtree(workspace.root)
