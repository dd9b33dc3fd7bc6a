"""A training killed with SIGKILL, again and again: at the end the same files as if nothing had happened."""

from __future__ import annotations

import multiprocessing
import random
import shutil
import signal
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from graft_tasks.steps.context import run_step
from graft_tasks.workspace import Workspace
from tests.support.training_workspace import N_STEPS, checkpoints, finetune_digests, make_training_workspace

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["graft_tasks.steps.finetune", "transformers.models.bert.modeling_bert"])
"""Each training is a process of its own, forked from one that has loaded torch, which takes seconds."""


def training(root: Path, screen: Connection) -> None:
    """What the process does: finetune, with a checkpoint at every step, telling what it shows."""
    import graft.model.checkpoint
    import graft_tasks.steps.checkpoints
    import graft_tasks.steps.context

    graft_tasks.steps.checkpoints.CHECKPOINT_SECONDS, graft.model.checkpoint.MAX_SHARE = 0.0, float("inf")
    graft_tasks.steps.context.report_progress = lambda done, total, note: screen.send((done, note))
    run_step(Workspace(root).recipe("tiny"), "finetune")


@dataclass
class TrainingEnd:
    """How a training ended: how its process did, what it showed first, and the last step it told of."""

    exit_code: int | None
    note: str
    last: int


def train(workspace: Workspace, *, lines: int | None = None, delay: float = 0.0) -> TrainingEnd:
    """Run a training, and kill it a while after so many lines, if it has not ended by then."""
    here, there = PROCESSES.Pipe(duplex=False)
    process = PROCESSES.Process(target=training, args=(workspace.root, there))
    process.start()
    there.close()
    heard: list[tuple[int, str]] = []
    try:
        while lines is None or len(heard) < lines:
            heard.append(here.recv())
        time.sleep(delay)  # a moment of the next step: while it computes, or while its checkpoint is written
    except EOFError:
        pass
    if lines is not None:
        process.kill()
    process.join()
    while here.poll():
        try:
            heard.append(here.recv())
        except EOFError:
            break
    return TrainingEnd(process.exitcode, heard[0][1] if heard else "", heard[-1][0] if heard else 0)


@pytest.fixture(scope="module")
def training_workspace(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Workspace:
    """A workspace that is ready to train, and trained in by one process after the other."""
    return make_training_workspace(tmp_path_factory.mktemp("training"), tiny_base)


@pytest.fixture(scope="module")
def undisturbed(training_workspace: Workspace) -> tuple[str, object]:
    """What finetune writes when nobody kills it."""
    ended = train(training_workspace)
    assert (ended.exit_code, ended.last) == (0, N_STEPS)
    return finetune_digests(training_workspace)


@pytest.mark.parametrize(
    "n_kills", [pytest.param(20, marks=pytest.mark.slow), pytest.param(300, marks=pytest.mark.long)]
)
def test_a_training_killed_again_and_again(
    training_workspace: Workspace, undisturbed: tuple[str, object], n_kills: int
) -> None:
    """Killed at random moments, a training goes on each time from its last whole checkpoint, and ends with the same files.

    Some are killed before their first step, some between two, some while they write. A training that ends all the same is
    compared, and the next one starts anew. What is left at the end is the checkpoint, and no half-written file.
    """
    rng = random.Random(n_kills)  # noqa: S311 - moments, not secrets
    shutil.rmtree(checkpoints(training_workspace))
    reached, n_gone_on = 0, 0
    for _ in range(n_kills):
        ended = train(training_workspace, lines=rng.choice([0, 1, 1, 2, 3]), delay=rng.uniform(0, 0.05))
        if ended.note.startswith("goes on after step"):
            n_gone_on += 1
            assert reached <= int(ended.note.split()[-1]) <= reached + 1, "a step that had a checkpoint was done again"
        else:
            assert reached == 0 or not ended.note, ended.note
        reached = max(reached, ended.last)
        if ended.exit_code == 0:
            assert finetune_digests(training_workspace) == undisturbed
            shutil.rmtree(checkpoints(training_workspace))
            reached = 0
        else:
            assert ended.exit_code == -signal.SIGKILL
    assert n_gone_on > n_kills / 3
    assert train(training_workspace).exit_code == 0
    assert finetune_digests(training_workspace) == undisturbed
    assert [path.name for path in checkpoints(training_workspace).iterdir()] == ["finetune.safetensors"]
