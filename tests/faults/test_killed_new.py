"""``graft new`` killed at any moment: the same command finishes it, and leads to what an undisturbed one leads to."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from graft.errors import InputError
from graft.records import sweep
from graft_tasks.commands.adopt import adopt
from graft_tasks.dvc.repro import commit, dvc, git
from graft_tasks.workspace import Workspace
from tests.support.cli_runner import MESSAGES, CommandLine, FolderContents, check_unchanged, csv_bytes, folder_contents
from tests.support.kill_points import environment_for, killed_at
from tests.support.refusals import refused

pytestmark = pytest.mark.slow

WINDOW_S = 9.0
"""A kill comes at any moment up to here, by when the command has come to its end, or nearly."""


@pytest.fixture
def workspace(known_workspace: Path, tmp_path: Path) -> Workspace:
    """A workspace to which a recipe can be added, with rows beside it; copied, never changed."""
    shutil.copytree(known_workspace, tmp_path / "once" / "workspace", symlinks=True)
    (tmp_path / "once" / "rows.csv").write_bytes(csv_bytes(MESSAGES))
    return Workspace(tmp_path / "once" / "workspace")


def copy_workspace(workspace: Workspace, name: object) -> Workspace:
    folder = shutil.copytree(workspace.root.parent, workspace.root.parents[1] / f"{name}", symlinks=True)
    return Workspace(folder / "workspace")


def new_command(name: str, base: Path) -> tuple[str, ...]:
    return ("new", name, "--data", "../rows.csv", "--text", "text", "--label", "label", "--base", str(base))


def start_graft(workspace: Workspace, *arguments: str, path: str = "") -> subprocess.Popen[str]:
    """Start ``graft`` in a process of its own, with a folder in which programs are looked for first."""
    plain = environment_for(workspace.root.parent)
    return subprocess.Popen(
        [sys.executable, "-c", "from graft_cli.main import main; main()", *arguments],
        cwd=workspace.root,
        env=plain | {"PATH": f"{path}{os.pathsep}{plain['PATH']}", "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def new_files(workspace: Workspace) -> FolderContents:
    """Return every file but git's own, after checking that git and DVC are content and nothing is left over."""
    assert git(workspace.root, "status", "--porcelain") == ""
    assert "up to date" in dvc(workspace.root, "status", "data/datasets/fresh.dvc")
    assert sweep(workspace.root) == []
    return {name: found for name, found in folder_contents(workspace.root).items() if not name.startswith(".git/")}


def is_same(found: FolderContents, undisturbed: FolderContents) -> bool:
    return [name for name in found | undisturbed if found.get(name) != undisturbed.get(name)] == []


def adopt_fresh(workspace: Workspace) -> None:
    adopt(workspace.recipe("fresh"), {"rows.csv": workspace.root.parent / "rows.csv"}, "# a recipe\n")


@pytest.mark.long
@pytest.mark.parametrize("step", [1])
def test_killed_before_any_change_of_the_disk(workspace: Workspace, step: int) -> None:
    """Before each file that is opened, renamed or taken away, and before each command of DVC's or git's."""
    calm = copy_workspace(workspace, "calm")
    adopt_fresh(calm)
    undisturbed, point = new_files(calm), 0
    while killed_at(partial(adopt_fresh, again := copy_workspace(workspace, point)), point):
        adopt_fresh(again)
        assert is_same(new_files(again), undisturbed), point
        shutil.rmtree(again.root.parent)
        point += step
    assert point > 30
    assert is_same(new_files(again), undisturbed)


@pytest.mark.parametrize("at", ["add", "commit"])
def test_killed_while_git_works_on(
    workspace: Workspace, tiny_base: Path, at: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A real ``graft new`` that is killed by the git that it has called, which stages or commits all the same."""
    programs = workspace.root.parents[1] / "programs"
    programs.mkdir()
    real = shutil.which("git")
    script = f'#!/bin/sh\ncase " $* " in *" {at} "*) kill -9 $PPID;; esac\nexec {real} "$@"\n'
    (programs / "git").write_text(script)
    (programs / "git").chmod(0o755)
    calm, killed = copy_workspace(workspace, "calm"), copy_workspace(workspace, "killed")
    CommandLine(calm.root, capsys).succeeds(*new_command("fresh", tiny_base))
    with start_graft(killed, *new_command("fresh", tiny_base), path=str(programs)) as process:
        process.communicate()  # up to the end of git, which holds the pipe too
    assert process.returncode == -signal.SIGKILL
    CommandLine(killed.root, capsys).succeeds(*new_command("fresh", tiny_base))
    assert is_same(new_files(killed), new_files(calm))
    assert git(killed.root, "log", "--format=%s").splitlines().count("fresh: a recipe") == 1


@pytest.mark.parametrize("n_kills", [10, pytest.param(30, marks=pytest.mark.long)])
def test_killed_at_random_moments(
    workspace: Workspace, tiny_base: Path, capsys: pytest.CaptureFixture[str], n_kills: int
) -> None:
    """Whatever part of it, DVC's too: after some kills, one on what the other left, the same command leads to the same."""
    rng = random.Random(5)  # noqa: S311 - which moments is no secret
    calm, killed = copy_workspace(workspace, "calm"), copy_workspace(workspace, "killed")
    CommandLine(calm.root, capsys).succeeds(*new_command("fresh", tiny_base))
    undisturbed = new_files(calm)
    for _ in range(n_kills):
        with start_graft(killed, *new_command("fresh", tiny_base)) as process:
            with suppress(subprocess.TimeoutExpired):
                process.wait(rng.uniform(0, WINDOW_S))
            process.kill()
            said, _ = process.communicate()
        assert "error: " not in said.replace("error: There is a recipe fresh already.", ""), said
        if process.returncode != -signal.SIGKILL:
            assert is_same(new_files(killed), undisturbed)
            killed = copy_workspace(workspace, f"killed-{process.pid}")
    CommandLine(killed.root, capsys).succeeds(*new_command("fresh", tiny_base))
    assert is_same(new_files(killed), undisturbed)


def test_a_run_between_the_kill_and_the_same_call(workspace: Workspace) -> None:
    """A run commits the recipe that it ran, and nothing else of what was cut off: the same call commits the rest."""
    calm, killed = copy_workspace(workspace, "calm"), copy_workspace(workspace, "killed")
    adopt_fresh(calm)
    adopt_fresh(killed)
    git(killed.root, "reset", "--quiet", "HEAD~1")  # as if it had been killed before its commit
    (killed.root / ".graft" / "fresh.new").touch()
    commit(killed.root, "fresh: hold", ["recipes/fresh.yaml"])
    adopt_fresh(killed)
    assert is_same(new_files(killed), new_files(calm))


def test_two_at_once_lose_nothing(workspace: Workspace, tiny_base: Path) -> None:
    """Two processes, two recipes: both stand in params.yaml and are committed, each with its own."""
    names, before = ("fresh", "other"), workspace.params()["recipes"]
    running = [start_graft(workspace, *new_command(name, tiny_base)) for name in names]
    for process in running:
        said, _ = process.communicate()
        assert process.returncode == 0, said
    assert workspace.params()["recipes"] == before | {name: {"dataset": name} for name in names}
    new_files(workspace)
    for name in names:
        listed = git(workspace.root, "ls-files", f"recipes/{name}.yaml", f"data/datasets/{name}.dvc").split()
        assert len(listed) == 2, listed


def test_one_that_fails_takes_away_its_own_and_no_more(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is refused by git leaves nothing; an entry that another process made meanwhile, and what a person wrote, stay."""
    other, before = workspace.root.parent / "other.csv", set(workspace.params()["recipes"])
    shutil.copyfile(workspace.root.parent / "rows.csv", other)

    def refused(_root: Path, _path: str) -> None:
        monkeypatch.undo()
        adopt(workspace.recipe("other"), {"rows.csv": other}, "# another\n")
        raise InputError("DVC refuses.")

    monkeypatch.setattr("graft_tasks.commands.adopt.keep", refused)
    with pytest.raises(InputError, match="DVC refuses"):
        adopt_fresh(workspace)
    assert set(workspace.params()["recipes"]) == before | {"other"}
    assert not workspace.recipe("fresh").path.exists()
    assert git(workspace.root, "status", "--porcelain") == ""


def test_what_a_person_wrote_is_never_taken_away(workspace: Workspace) -> None:
    """A recipe by hand that git does not know is refused again and again, and stays."""
    workspace.recipe("fresh").path.write_text("# by hand\n")
    for _ in range(2):
        with check_unchanged(workspace.root), refused("recipe-exists"):
            adopt_fresh(workspace)
