"""Ctrl-C while a base is trained: the step it is in ends whole, and the next run goes on after it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

import graft_tasks.steps.context
from graft_tasks.steps.context import run_step
from graft_tasks.workspace import Workspace
from tests.support.training_workspace import N_STEPS, checkpoints, finetune_digests, make_training_workspace


class InterruptingScreen:
    """What a person sees, who presses Ctrl-C where these steps of the training are shown."""

    def __init__(self, *at: int, sends: signal.Signals = signal.SIGINT) -> None:
        self.at, self.sends, self.lines = at, sends, list[tuple[int, str]]()

    def __call__(self, done: int, total: int, note: str) -> None:
        self.lines.append((done, note))
        if done in self.at and note.startswith("epoch"):
            for _ in range(self.at.count(done)):
                os.kill(os.getpid(), self.sends)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Workspace:
    """A workspace that is ready to train."""
    return make_training_workspace(tmp_path_factory.mktemp("training"), tiny_base)


@pytest.fixture(scope="module")
def undisturbed(workspace: Workspace) -> tuple[str, object]:
    """What finetune writes when nobody stops it; its checkpoint is taken away."""
    run_step(workspace.recipe("tiny"), "finetune")
    (checkpoints(workspace) / "finetune.safetensors").unlink()
    return finetune_digests(workspace)


def test_the_step_ends_and_the_next_run_goes_on_after_it(
    workspace: Workspace, undisturbed: tuple[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped twice, and each time long before a checkpoint is due: the same bits in the end, and no step is done twice."""
    seen, before = [], signal.getsignal(signal.SIGINT)
    for keyboard in (InterruptingScreen(7), InterruptingScreen(20)):
        monkeypatch.setattr(graft_tasks.steps.context, "report_progress", keyboard)
        with pytest.raises(KeyboardInterrupt):
            run_step(workspace.recipe("tiny"), "finetune")
        seen.append(keyboard.lines)
        assert not workspace.recipe("tiny").files("finetune").exists(), "something half-written was left"
        assert [path.name for path in checkpoints(workspace).iterdir()] == ["finetune.safetensors"]
        assert signal.getsignal(signal.SIGINT) is before
    assert [lines[0][1] for lines in seen] == [
        "epoch 1 of 2, loss " + seen[0][0][1].split()[-1],
        "goes on after step 8",
    ]
    assert (seen[0][-1][0], seen[1][1][0], seen[1][-1][0]) == (7, 9, 20)
    last = InterruptingScreen()
    monkeypatch.setattr(graft_tasks.steps.context, "report_progress", last)
    run_step(workspace.recipe("tiny"), "finetune")
    assert last.lines[0] == (21, "goes on after step 21")
    assert last.lines[-1][0] == N_STEPS
    assert finetune_digests(workspace) == undisturbed


def test_sigterm_stops_as_ctrl_c_does_however_often_it_is_sent(
    workspace: Workspace, undisturbed: tuple[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service manager may send it to each process of a run, and each passes it on: the checkpoint is written all the same."""
    (checkpoints(workspace) / "finetune.safetensors").unlink(missing_ok=True)
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(graft_tasks.steps.context, "report_progress", InterruptingScreen(7, 7, sends=signal.SIGTERM))
    with pytest.raises(KeyboardInterrupt):
        run_step(workspace.recipe("tiny"), "finetune")
    assert [path.name for path in checkpoints(workspace).iterdir()] == ["finetune.safetensors"]
    assert signal.getsignal(signal.SIGTERM) is before
    last = InterruptingScreen()
    monkeypatch.setattr(graft_tasks.steps.context, "report_progress", last)
    run_step(workspace.recipe("tiny"), "finetune")
    assert last.lines[0] == (8, "goes on after step 8")
    assert finetune_digests(workspace) == undisturbed


def test_a_second_ctrl_c_does_not_wait(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stops at once, where it is, and what was kept before is still there."""
    (checkpoints(workspace) / "finetune.safetensors").unlink(missing_ok=True)
    monkeypatch.setattr(graft_tasks.steps.context, "report_progress", InterruptingScreen(7, 7))
    with pytest.raises(KeyboardInterrupt):
        run_step(workspace.recipe("tiny"), "finetune")
    assert list(checkpoints(workspace).glob("*")) == []
    assert not workspace.recipe("tiny").files("finetune").exists()
