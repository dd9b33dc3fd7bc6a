"""finetune in two processes under torchrun, over loopback: what one process makes, and all end when one does."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.numpy import load_file

import graft_tasks.steps.distributed
from graft.errors import StepError
from graft.model.bases import WEIGHTS
from graft.recipe.text import recipe_text
from graft.records import ModelRecord
from graft_tasks.registry.pin import pin
from graft_tasks.steps.context import run_step
from graft_tasks.workspace import Workspace
from tests.support.refusals import refused
from tests.support.tiny_models import without_dropout, write_tiny_base
from tests.support.training_workspace import KEYS, checkpoints, make_training_workspace

pytestmark = pytest.mark.slow

Progress = Callable[[int, int, str], None]
QUICK = {
    **KEYS,
    "finetune.n_epochs": 2,
    "finetune.held_out": 0.2,
    "finetune.patience": 1,
    "finetune.class_weights": "balanced",
    "finetune.batch_size": 7,  # one row left for two processes at the end
}


@pytest.fixture(scope="module")
def training_workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace that is ready to train, with a base without dropout. Never changed: copy it with ``workspace``."""
    folder = tmp_path_factory.mktemp("together")
    return make_training_workspace(folder, without_dropout(write_tiny_base(folder / "tiny")))


@pytest.fixture
def workspace(training_workspace: Workspace, tmp_path: Path) -> Workspace:
    shutil.copytree(training_workspace.root, tmp_path / "workspace")
    return Workspace(tmp_path / "workspace")


def train(workspace: Workspace, **changed: object) -> ModelRecord:
    keys = {**QUICK, **{f"finetune.{key}": value for key, value in changed.items()}}
    workspace.recipe("tiny").path.write_text(recipe_text("tiny", keys))
    pin(workspace.recipe("tiny"))
    record = run_step(workspace.recipe("tiny"), "finetune")
    assert isinstance(record, ModelRecord)
    return record


def watch(monkeypatch: pytest.MonkeyPatch, seen: Progress) -> None:
    monkeypatch.setattr("graft_tasks.steps.context.report_progress", seen)


@pytest.mark.parametrize("strategy", ["full", "auto"])
def test_two_processes_make_what_one_makes(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, strategy: str
) -> None:
    """Two processes arrive at the weights, losses, measurements and choices of one, within rounding, and one tells of them."""
    keys = {"strategy": strategy, "n_layers": 1, "n_epochs": 1 if strategy == "auto" else 2, "budget": 0.02}
    one = train(workspace, **keys)
    alone = {name: load_file(workspace.recipe("tiny").model / name) for name in (WEIGHTS, "head.safetensors")}
    lines: list[tuple[int, int, str]] = []
    watch(monkeypatch, lambda *line: lines.append(line))
    two = train(workspace, **keys, n_processes=2)
    assert two.strategy == one.strategy
    assert two.loss == pytest.approx(one.loss, abs=1e-5)
    assert [value for pair in two.held_out for value in pair] == pytest.approx(
        [value for pair in one.held_out for value in pair], abs=1e-5
    )
    assert [trial.name for trial in two.trials] == [trial.name for trial in one.trials if trial.name != "contrastive"]
    for name, tensors in alone.items():
        for key, tensor in load_file(workspace.recipe("tiny").model / name).items():
            assert tensor == pytest.approx(tensors[key], abs=1e-4), key
    steps = [line for line in lines if "epoch" in line[2]]
    assert steps, "nothing was shown"
    assert len(set(steps)) == len(steps), "the step itself trained again"
    assert two.strategy == "head" or "goes on after step" in lines[-1][2]


def test_when_one_process_is_killed_all_end(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first process killed, the step ends with a sentence, nothing of the others is left, and it can be run again."""
    import graft_tasks.steps.checkpoints

    monkeypatch.setattr(graft_tasks.steps.checkpoints, "CHECKPOINT_SECONDS", 0.0)
    started = started_by(monkeypatch)

    def kill(_done: int, _total: int, note: str) -> None:
        if note.startswith("epoch 1"):
            os.kill(children(started[-1])[-1], signal.SIGKILL)

    others = children(os.getpid())
    watch(monkeypatch, kill)
    with pytest.raises(StepError, match="ended before its time, and all others with it") as said:
        train(workspace, n_epochs=50, patience=None, n_processes=2)
    assert "SIGKILL" in said.value.where
    assert children(os.getpid()) == others


def test_what_a_process_raises_arrives(workspace: Workspace) -> None:
    """A loss that is no number, in two processes, is the sentence that it is in one."""
    with refused("loss-not-finite") as said:
        train(workspace, learning_rate=1e30, n_processes=2)
    assert "row" in said.value.where
    assert "learning_rate" in said.value.do


def test_ctrl_c_is_passed_on(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped by Ctrl-C, the first process writes a checkpoint, and the training goes on from there."""
    lines: list[tuple[int, str]] = []

    def press(done: int, _total: int, note: str) -> None:
        lines.append((done, note))
        if note.startswith("epoch") and len(lines) == 1:
            os.kill(os.getpid(), signal.SIGINT)

    watch(monkeypatch, press)
    with pytest.raises(KeyboardInterrupt):
        train(workspace, patience=None, n_processes=2)
    assert (checkpoints(workspace) / "finetune.safetensors").is_file()
    lines.append((0, "again"))
    train(workspace, patience=None, n_processes=2)
    assert lines[lines.index((0, "again")) + 1][1].startswith("goes on after step")


def started_by(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that gets the process that is started for the training."""
    started: list[int] = []
    popen = graft_tasks.steps.distributed.subprocess.Popen

    def start(*args: object, **kwargs: object) -> object:
        process = popen(*args, **kwargs)
        started.append(process.pid)
        return process

    monkeypatch.setattr(graft_tasks.steps.distributed.subprocess, "Popen", start)
    return started


def children(pid: int) -> list[int]:
    """Return the processes that one has started and that still run."""
    running = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if int(parent) == pid and state != "Z" and b"tasks." in (folder / "cmdline").read_bytes():
            running.append(int(folder.name))
    return sorted(running)
