"""Commits go to git's remote on top of what came there meanwhile; what is being worked on here is not touched."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from graft.errors import BusyError, StepError
from graft_tasks.dvc.repro import git
from graft_tasks.dvc.upstream import _remotely, n_unpushed, push_commits
from tests.support.cli_runner import check_unchanged
from tests.support.refusals import refused


@pytest.fixture
def clones(tmp_path: Path) -> tuple[Path, Path]:
    """Two clones of one repository, with a recipe that was run."""
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch", "main", "origin")
    found = []
    for name in ("first", "second"):
        git(tmp_path, "clone", "--quiet", "origin", name)
        root = tmp_path / name
        (root / ".graft").mkdir()
        git(root, "config", "user.name", name)
        git(root, "config", "user.email", f"{name}@example.org")
        (root / ".git" / "info" / "exclude").write_text("/.graft/\n/.dvc/\n")
        found.append(root)
        if name == "first":
            git(root, "checkout", "--quiet", "-B", "main")
            commit_run(root, "base")
            git(root, "push", "--quiet", "--set-upstream", "origin", "main")
    return found[0], found[1]


def commit_run(root: Path, recipe: str, by: str = "") -> None:
    """Commit what a run of a recipe would: a record and the recipe's lock file."""
    folder = root / "data" / recipe
    folder.mkdir(parents=True, exist_ok=True)
    entry = {"cmd": f"graft step ingest {recipe}", "md5": by or recipe}
    (folder / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": {"ingest": entry}}, sort_keys=False))
    (folder / "record.json").write_text(f"{recipe} {by}")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", f"{recipe}: promote")


def test_two_clones_that_ran_two_recipes_both_end_upstream(clones: tuple[Path, Path]) -> None:
    """Each recipe has a lock file of its own, so nothing conflicts; what was open and staged stays so."""
    first, second = clones
    commit_run(first, "one")
    commit_run(second, "two")
    push_commits(second)
    (first / "notes.txt").write_text("a person's")
    (first / "staged.txt").write_text("theirs too")
    git(first, "add", "staged.txt")
    assert n_unpushed(first) == 1
    push_commits(first)
    assert n_unpushed(first) == 0
    assert git(first, "status", "--porcelain").split("\n")[:2] == ["A  staged.txt", "?? notes.txt"]
    git(second, "pull", "--quiet", "--ff-only")
    assert (first / "data/two/record.json").read_text() == "two "
    assert (first / ".graft/dvc/two.lock").read_bytes() == (first / "data/two/dvc.lock").read_bytes()
    assert len(git(first, "worktree", "list").splitlines()) == 1


def test_two_clones_that_ran_one_recipe_are_not_merged(clones: tuple[Path, Path]) -> None:
    """Both made the same stage otherwise: one sentence with the files, and this clone is as it was."""
    first, second = clones
    commit_run(first, "base", "first")
    commit_run(second, "base", "second")
    push_commits(second)
    git(first, "fetch", "--quiet")
    with (
        check_unchanged(first / "data"),
        pytest.raises(StepError, match="other changes of what was made here") as caught,
    ):
        push_commits(first)
    assert caught.value.where == "data/base/dvc.lock, data/base/record.json"
    assert git(first, "status", "--porcelain") == ""
    assert git(first, "log", "-1", "--format=%an") == "first\n"
    assert len(git(first, "worktree", "list").splitlines()) == 1


def test_a_file_that_another_run_is_changing_is_not_overwritten(clones: tuple[Path, Path]) -> None:
    """What came changes a file that is open here: others are waited for, and nothing is lost."""
    first, second = clones
    commit_run(second, "base", "second")
    push_commits(second)
    commit_run(first, "one")
    (first / "data/base/record.json").write_text("half done")
    with pytest.raises(BusyError, match="being changed here"):
        push_commits(first)
    assert (first / "data/base/record.json").read_text() == "half done"
    git(first, "checkout", "--quiet", "--", "data/base/record.json")
    push_commits(first)
    assert n_unpushed(first) == 0


def test_a_push_that_somebody_overtook_is_told_from_one_that_is_refused(clones: tuple[Path, Path]) -> None:
    """By its code: the sentence, for a person, is the same, and what git says stands in where."""
    first, second = clones
    commit_run(second, "two")
    push_commits(second)
    commit_run(first, "one")
    with refused("git-push-overtaken") as error:
        _remotely(first, "push", "--porcelain", "origin", "HEAD:refs/heads/main")
    assert "[rejected]" in error.value.where
    push_commits(first)
    assert n_unpushed(first) == 0


def test_no_upstream_is_no_error_and_one_that_refuses_is_a_sentence(clones: tuple[Path, Path]) -> None:
    """A branch without an upstream is not pushed; a remote that is gone, or says no, is named."""
    first, second = clones
    git(second, "branch", "--unset-upstream")
    commit_run(second, "two")
    push_commits(second)
    assert n_unpushed(second) == 0
    hook = first.parent / "origin" / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho not today\nexit 1\n")
    hook.chmod(0o755)
    commit_run(first, "one")
    with pytest.raises(StepError, match="git push failed; all is committed here") as caught:
        push_commits(first)
    assert "pre-receive hook declined" in caught.value.where
    (first.parent / "origin").rename(first.parent / "away")
    with refused("git-remote-failed"):
        push_commits(first)
