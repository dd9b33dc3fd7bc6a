"""finetune interrupted, and run again: the same record and files, and the work that was done is not done again."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from safetensors import SafetensorError

import graft.model.checkpoint
import graft_tasks.steps.checkpoints
import graft_tasks.steps.context
from graft.recipe.text import recipe_text
from graft_tasks.dvc.repro import git
from graft_tasks.processes.disk import Writing
from graft_tasks.registry.pin import pin
from graft_tasks.steps.context import run_step
from graft_tasks.workspace import Workspace
from tests.support.training_workspace import KEYS, checkpoints, finetune_digests, make_training_workspace


class Interrupted(BaseException):
    """What ends a step from outside."""


class Screen:
    """What a person would see, until the step is interrupted."""

    def __init__(self, at: int | None = None) -> None:
        self.at, self.lines = at, []

    def __call__(self, done: int, total: int, note: str) -> None:
        self.lines.append((done, note))
        if done == self.at and note.startswith("epoch"):
            raise Interrupted

    @property
    def notes(self) -> list[tuple[int, str]]:
        return [(done, note) for done, note in self.lines if not note.startswith("epoch")]


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Workspace:
    """A workspace whose finetune has run. Never changed: copy it with ``trained``."""
    workspace = make_training_workspace(tmp_path_factory.mktemp("once"), tiny_base)
    run_step(workspace.recipe("tiny"), "finetune")
    return workspace


@pytest.fixture
def trained(trained_once: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A copy of the trained workspace, in which a checkpoint is written at every step."""
    monkeypatch.setattr(graft_tasks.steps.checkpoints, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(graft.model.checkpoint, "MAX_SHARE", float("inf"))
    shutil.copytree(trained_once.root, tmp_path / "workspace")
    return Workspace(tmp_path / "workspace")


def finetune(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, at: int | None = None) -> Screen:
    """Run the step, interrupted at a step of the training if one is named, and return what was shown."""
    screen = Screen(at)
    with monkeypatch.context() as patched:
        patched.setattr(graft_tasks.steps.context, "report_progress", screen)
        try:
            run_step(workspace.recipe("tiny"), "finetune")
        except Interrupted:
            assert at is not None
    return screen


def remove_output(workspace: Workspace) -> None:
    """Take away what the step wrote, as DVC does before a stage runs."""
    shutil.rmtree(workspace.recipe("tiny").step("finetune"))


def test_an_interrupted_step_goes_on(trained: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupted twice, finetune goes on where it stood each time, and writes the same record and the same files."""
    before = finetune_digests(trained)
    remove_output(trained)
    shutil.rmtree(checkpoints(trained))
    first = finetune(trained, monkeypatch, at=3)
    assert first.notes == []
    assert not trained.recipe("tiny").record("finetune").exists()
    assert finetune(trained, monkeypatch, at=9).notes == [(3, "goes on after step 3")]
    again = finetune(trained, monkeypatch)
    assert again.notes == [(9, "goes on after step 9")]
    assert again.lines[1][0] == 10
    assert finetune_digests(trained) == before


def test_a_finished_step_whose_files_are_lost_takes_no_training(
    trained: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DVC may throw a finished step away: its model is written again without training, from where neither git nor DVC looks."""
    before = finetune_digests(trained)
    status = git(trained.root, "status", "--porcelain", "-uall")
    assert "?? base/model.safetensors" in status
    assert "checkpoints" not in status
    assert ".graft" in (trained.root / ".dvcignore").read_text().split()
    remove_output(trained)
    again = finetune(trained, monkeypatch)
    assert [note for _, note in again.lines] == [f"goes on after step {again.lines[0][0]}"]
    assert finetune_digests(trained) == before


def test_another_recipe_another_base_or_another_code_starts_anew(
    trained: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkpoint of other settings, of a base with another file, or of another version of the step is never gone on from."""
    anew = [(0, "starts anew, the checkpoint is of another training")]
    trained.recipe("tiny").path.write_text(recipe_text("tiny", {**KEYS, "finetune.seed": 9}))
    pin(trained.recipe("tiny"))
    assert finetune(trained, monkeypatch).notes == anew
    tokenizer = trained.root / "base" / "tokenizer_config.json"
    tokenizer.write_text(json.dumps({**json.loads(tokenizer.read_text()), "do_lower_case": False}))
    pin(trained.recipe("tiny"))
    assert finetune(trained, monkeypatch).notes == anew
    monkeypatch.setitem(graft_tasks.steps.context.VERSIONS, "finetune", 99)
    assert finetune(trained, monkeypatch).notes == anew
    assert [path.name for path in checkpoints(trained).iterdir()] == ["finetune.safetensors"]


def test_a_damaged_checkpoint_costs_time_and_nothing_else(trained: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a byte of its weights turned over, training starts anew, says so, and ends with the same bytes."""
    before = finetune_digests(trained)
    remove_output(trained)
    path = checkpoints(trained) / "finetune.safetensors"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    assert finetune(trained, monkeypatch).notes == [(0, "starts anew, the checkpoint is damaged")]
    assert finetune_digests(trained) == before


Mount = Callable[[Path, int], None]


@pytest.fixture
def small_disk(trained: Workspace) -> Iterator[Mount]:
    """Give a folder a disk of its own with so many KiB of room; again, and the disk is an empty one of another size."""
    mounted: list[Path] = []

    def mount(folder: Path, size: int) -> None:
        unmount(mounted)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", str(folder)]
        if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("no tmpfs can be mounted here")
        mounted.append(folder)

    yield mount
    unmount(mounted)


def unmount(mounted: list[Path]) -> None:
    while mounted:
        subprocess.run(["umount", str(mounted.pop())], check=True)


def test_no_room_for_a_checkpoint(trained: Workspace, small_disk: Mount, monkeypatch: pytest.MonkeyPatch) -> None:
    """Training stops with what the system said and where, leaves no half file, and goes through once there is room."""
    before = finetune_digests(trained)
    remove_output(trained)
    small_disk(checkpoints(trained), 64)
    with pytest.raises(OSError, match="No space left on device") as refused:
        finetune(trained, monkeypatch)
    assert refused.value.filename == str(checkpoints(trained) / "finetune.safetensors")
    assert list(checkpoints(trained).iterdir()) == []
    subprocess.run(["mount", "-o", "remount,size=64M", str(checkpoints(trained))], check=True)
    finetune(trained, monkeypatch)
    assert finetune_digests(trained) == before


def test_no_room_for_the_model(trained: Workspace, small_disk: Mount, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever file of the model finds no room, the system's word for it arrives; then the model is written without training."""
    before = finetune_digests(trained)
    for size in (16, 124, 128, 132, 136, 144):
        small_disk(trained.recipe("tiny").step("finetune"), size)
        with pytest.raises(OSError, match="No space left on device"):
            finetune(trained, monkeypatch)
    small_disk(trained.recipe("tiny").step("finetune"), 10_000)
    assert len(finetune(trained, monkeypatch).lines) == 1
    assert finetune_digests(trained) == before


def test_other_errors_are_left_alone(tmp_path: Path) -> None:
    """Only an error that carries the system's code becomes an OSError; a damaged file stays what it is."""
    with pytest.raises(SafetensorError, match="header"), Writing(tmp_path):
        raise SafetensorError("invalid header")
    with pytest.raises(ValueError, match="os error 28"), Writing(tmp_path):
        raise ValueError("(os error 28)")
    with pytest.raises(PermissionError) as refused, Writing(tmp_path):
        raise SafetensorError("I/O error: Permission denied (os error 13)")
    assert refused.value.filename == str(tmp_path)
