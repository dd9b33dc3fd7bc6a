"""A curve killed with SIGKILL, again and again: at the end the same record as if nothing had happened."""

from __future__ import annotations

import multiprocessing
import random
import shutil
import signal
import time
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from graft.records import sha256_file
from graft_tasks.learning_curve.claims import conclude
from graft_tasks.learning_curve.measure import Wanted, measure
from graft_tasks.workspace import Workspace
from tests.support.training_workspace import make_training_workspace

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["graft_tasks.learning_curve.claims", "transformers.models.bert.modeling_bert"])
WANTED = Wanted(arms=("transfer", "frozen_probe", "scratch", "shuffled_labels"), sizes=(1, 4), draws=2, costly_draws=2)
N_CELLS = 16


def curve(root: Path, screen: Connection) -> None:
    """What the process does: measure, telling of each step of progress, and write the record."""
    workspace = Workspace(root)
    measured = measure(workspace.recipe("tiny"), WANTED, progress=lambda done, _total, _note: screen.send(done))
    conclude(workspace.recipe("tiny"), measured)


def run(workspace: Workspace, *, lines: int | None = None, delay: float = 0.0) -> int | None:
    """Measure in a process of its own, and kill it a while after so many lines; return how it ended."""
    here, there = PROCESSES.Pipe(duplex=False)
    process = PROCESSES.Process(target=curve, args=(workspace.root, there))
    process.start()
    there.close()
    try:
        n_heard = 0
        while lines is None or n_heard < lines:
            here.recv()
            n_heard += 1
        time.sleep(delay)  # a moment of the next cell: while it learns, or while it is written
    except EOFError:
        pass
    if lines is not None:
        process.kill()
    process.join()
    return process.exitcode


@pytest.mark.slow
@pytest.mark.parametrize("n_kills", [60])
def test_a_curve_killed_again_and_again(tmp_path: Path, tiny_base: Path, n_kills: int) -> None:
    """Killed at random moments, a curve keeps every whole cell and ends with the record of an undisturbed one."""
    ready = make_training_workspace(tmp_path, tiny_base)
    assert run(ready) == 0
    undisturbed = sha256_file(ready.recipe("tiny").record("curve"))
    rng, n_killed = random.Random(n_kills), 0  # noqa: S311 - moments, not secrets
    for _ in range(n_kills):
        if len(list(ready.recipe("tiny").cells.glob("*.json"))) == N_CELLS:
            shutil.rmtree(ready.recipe("tiny").cells)
            ready.recipe("tiny").record("curve").unlink(missing_ok=True)
        kept = {path: path.stat().st_mtime_ns for path in ready.recipe("tiny").cells.glob("*.json")}
        ended = run(ready, lines=rng.choice([0, 1, 2, 4, 8]), delay=rng.uniform(0, 0.1))
        assert ended in (0, -signal.SIGKILL)
        n_killed += ended != 0
        assert {path: path.stat().st_mtime_ns for path in kept} == kept, "a cell that was kept was measured again"
    assert n_killed > n_kills / 2
    assert run(ready) == 0
    assert sha256_file(ready.recipe("tiny").record("curve")) == undisturbed
    assert len(list(ready.recipe("tiny").cells.iterdir())) == N_CELLS, "and no half-written file"
