"""A disk that is as small as a test wants it, and what is said when it is full."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from graft_tasks.processes.disk import from_disk
from graft_tasks.workspace import Workspace

MakeSmallDisk = Callable[[Path, int], Workspace]
FULL = ("The disk is full.", "No space left on device", "No possible cache link types")
"""How Graft, git and DVC say it."""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[MakeSmallDisk]:
    """Copy a workspace to a disk of its own with so many bytes of room besides."""
    mounted = []

    def make(source: Path, n_free: int) -> Workspace:
        place = tmp_path / f"disk-{len(mounted)}"
        place.mkdir()
        size = sum(4096 + path.lstat().st_size for path in source.rglob("*")) + n_free
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
        if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("no tmpfs can be mounted here")
        mounted.append(place)
        shutil.copytree(source, place / "workspace", symlinks=True)
        return Workspace(place / "workspace")

    yield make
    for place in mounted:
        subprocess.run(["umount", str(place)], check=True)


class DiskFiller:
    """A file that leaves so many bytes of a workspace's disk."""

    def __init__(self, workspace: Workspace, n_free: int) -> None:
        self.path = workspace.root.parent / "ballast"
        free = shutil.disk_usage(workspace.root).free
        self.path.write_bytes(bytes(max(0, free - n_free)))

    def remove(self) -> None:
        self.path.unlink()


def error_message(error: BaseException) -> str:
    """Return the sentence that the command line would print."""
    return str((isinstance(error, OSError) and from_disk(error)) or error)
