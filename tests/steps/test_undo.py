"""Taking something back: an addition that was wrong, a class that was misspelt, a recipe that nobody needs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import graft_tasks.commands.remove
from graft.errors import InputError, StepError
from graft.recipe.text import recipe_text
from graft.records import DatasetRecord, digest_folder
from graft_tasks.commands.remove import remove
from graft_tasks.commands.status import running
from graft_tasks.datasets.add import add
from graft_tasks.datasets.undo import undo
from graft_tasks.dvc.repro import git
from graft_tasks.processes.locks import hold, holder
from graft_tasks.registry.pin import pin
from graft_tasks.steps.context import run_step
from graft_tasks.workspace import Workspace
from tests.steps.conftest import ROOT, TINY
from tests.support.refusals import refused

Make = Callable[..., Workspace]


@pytest.fixture(scope="module")
def next_week(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Next week's rows, none of which the workspace has."""
    rows = pd.read_csv(ROOT / "data/datasets/support/messages.csv", dtype=str, keep_default_na=False)
    path = tmp_path_factory.mktemp("week") / "week.csv"
    rows[rows["intent"] == "fault"].tail(12).to_csv(path, index=False)
    return path


def ingested(workspace: Workspace) -> DatasetRecord:
    pin(workspace.recipe("tiny"))
    record = run_step(workspace.recipe("tiny"), "ingest")
    assert isinstance(record, DatasetRecord)
    return record


def misspelt(next_week: Path, folder: Path) -> Path:
    """The week's rows, one of them with a typo in its class."""
    rows = pd.read_csv(next_week, dtype=str, keep_default_na=False)
    rows.loc[0, "intent"] = "faullt"
    rows.to_csv(folder / "typo.csv", index=False)
    return folder / "typo.csv"


def test_an_addition_is_taken_back_as_a_new_version(tiny_workspace: Make, next_week: Path) -> None:
    """The rows are those of before, no file is gone, and the history says what happened; added again, it counts again."""
    workspace = tiny_workspace()
    before = ingested(workspace)
    add(workspace.recipe("tiny"), next_week)
    files = {file.path for file in digest_folder(workspace.dataset("tiny"))[0]}
    undone = undo(workspace.recipe("tiny"), "added-0001.csv")
    assert (undone.file, undone.is_new) == ("undo-0002.jsonl", True)
    after = ingested(workspace)
    assert (after.n_rows, after.train_sha256, after.test_sha256) == (
        before.n_rows,
        before.train_sha256,
        before.test_sha256,
    )
    assert files < {file.path for file in digest_folder(workspace.dataset("tiny"))[0]}
    assert "undo-0002.jsonl, added-0001.csv taken back" in git(workspace.root, "log", "-1", "--format=%s")
    assert add(workspace.recipe("tiny"), next_week).file == "added-0003.csv"
    assert ingested(workspace).n_rows == before.n_rows + 12


def test_undo_names_one_file_so_that_twice_is_once(tiny_workspace: Make, next_week: Path, tmp_path: Path) -> None:
    """Without a name the newest is named and nothing done; said again it does nothing; an older one is refused."""
    workspace = tiny_workspace()
    rows = pd.read_csv(next_week, dtype=str, keep_default_na=False)
    rows.head(5).to_csv(tmp_path / "a.csv", index=False)
    rows.tail(5).to_csv(tmp_path / "b.csv", index=False)
    for name in ("a.csv", "b.csv"):
        add(workspace.recipe("tiny"), tmp_path / name)
    with pytest.raises(InputError) as caught:
        undo(workspace.recipe("tiny"), None)
    assert caught.value.do == "graft undo tiny added-0002.csv"
    with pytest.raises(InputError, match=r"added-0001\.csv is not the newest"):
        undo(workspace.recipe("tiny"), "added-0001.csv")
    undo(workspace.recipe("tiny"), "added-0002.csv")
    version, head = digest_folder(workspace.dataset("tiny"))[1], git(workspace.root, "rev-parse", "HEAD")
    again = undo(workspace.recipe("tiny"), "added-0002.csv")
    assert (again.is_new, again.file) == (False, "undo-0003.jsonl")
    assert digest_folder(workspace.dataset("tiny"))[1] == version
    assert git(workspace.root, "rev-parse", "HEAD") == head


def test_a_killed_undo_is_finished_by_the_same_command(
    tiny_workspace: Make, next_week: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after its file came and before DVC and git knew of it."""
    workspace = tiny_workspace()
    add(workspace.recipe("tiny"), next_week)
    (workspace.dataset("tiny") / "undo-0002.jsonl").write_text(json.dumps({"takes_back": "added-0001.csv"}) + "\n")
    assert not undo(workspace.recipe("tiny"), "added-0001.csv").is_new
    assert git(workspace.root, "status", "--porcelain", "data/datasets") == ""
    assert "taken back" in git(workspace.root, "log", "-1", "--format=%s")


def test_a_misspelt_class_is_refused_before_it_is_kept(tiny_workspace: Make, next_week: Path, tmp_path: Path) -> None:
    """One row of a class that nearly has the name of another: the sentence names it, and nothing is written."""
    workspace = tiny_workspace()
    before = digest_folder(workspace.dataset("tiny"))[1]
    with pytest.raises(InputError) as caught:
        add(workspace.recipe("tiny"), misspelt(next_week, tmp_path))
    assert caught.value.what == "Class 'faullt' is new and has 1 row; did you mean 'fault'?"
    assert "--new-class 'faullt'" in caught.value.do
    assert digest_folder(workspace.dataset("tiny"))[1] == before
    added = add(workspace.recipe("tiny"), misspelt(next_week, tmp_path), new_classes=["faullt"])
    assert added.drift == ["class 'faullt' is new (did you mean 'fault'?), 1 row"]


def test_a_bad_time_is_refused_by_add_under_the_owners_name(
    tiny_workspace: Make, next_week: Path, tmp_path: Path
) -> None:
    """Not at the next run, and not under the name of a copy that is gone."""
    workspace = tiny_workspace(data__time="received_at", data__test_from="2026-01-01")
    rows = pd.read_csv(next_week, dtype=str, keep_default_na=False)
    rows.loc[2, "received_at"] = "2/24/2015 11:35"
    rows.to_csv(tmp_path / "mine.csv", index=False)
    with refused("time-unreadable") as caught:
        add(workspace.recipe("tiny"), tmp_path / "mine.csv")
    assert [part in caught.value.what for part in ("Row 3 of mine.csv", "'2/24/2015 11:35'")] == [True, True]
    assert str(tmp_path / "mine.csv") in caught.value.where
    assert ".graft" not in str(caught.value)


def files_of(workspace: Workspace, name: str) -> list[str]:
    """Return what lies anywhere in the workspace under a recipe's name."""
    folders = ("recipes", "data", "pages", ".graft/findings", ".graft/cache", ".graft/checkpoints")
    return [str(path) for folder in folders for path in (workspace.root / folder).glob(f"{name}*")]


def test_a_recipe_that_was_never_run_goes_with_its_dataset(tiny_workspace: Make) -> None:
    """Recipe, entry, pin, step files and dataset are gone in one commit, and the name is free again."""
    workspace = tiny_workspace()
    ingested(workspace)
    removed = remove(workspace.recipe("tiny"))
    assert (removed.dataset, removed.n_runs, removed.champion) == ("tiny", 0, "")
    assert files_of(workspace, "tiny") == []
    assert not list((workspace.root / "data" / "datasets").glob("tiny*"))
    assert "tiny" not in workspace.params()["recipes"]
    assert git(workspace.root, "status", "--porcelain", "--untracked-files=no") == ""
    assert git(workspace.root, "log", "-1", "--format=%s").strip() == "tiny: recipe removed"
    with refused("recipe-unknown"):
        remove(workspace.recipe("tiny"))


@pytest.mark.parametrize("at", ["_folders", "_take_stages", "_strike"])
def test_a_removal_that_was_killed_is_finished(tiny_workspace: Make, monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    """Wherever it was cut off, the same command ends where an undisturbed one does."""
    workspace = tiny_workspace()

    def killed(*_arguments: object, **_options: object) -> None:
        raise StepError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(graft_tasks.commands.remove, at, killed)
        with pytest.raises(StepError, match="killed"):
            remove(workspace.recipe("tiny"))
    remove(workspace.recipe("tiny"))
    assert files_of(workspace, "tiny") == []
    assert "tiny" not in workspace.params()["recipes"]
    assert git(workspace.root, "status", "--porcelain", "--untracked-files=no") == ""


def test_a_recipe_at_work_or_built_upon_is_not_removed(tiny_workspace: Make) -> None:
    """Neither while it is run, nor while another recipe starts from its champion."""
    workspace = tiny_workspace()
    with hold(workspace.recipe("tiny").lock("run"), "tiny"), refused("lock-held"):
        remove(workspace.recipe("tiny"))
    text = recipe_text("other", {**TINY, "choose_base.bases": ["graft:tiny@champion"]})
    workspace.recipe("other").path.write_text(text)
    with pytest.raises(InputError, match="Recipe other is based on a model of tiny"):
        remove(workspace.recipe("tiny"))
    assert workspace.recipe("tiny").path.is_file()


def test_what_is_being_done_is_seen_and_what_is_over_is_not(tiny_workspace: Make) -> None:
    """A held lock is seen with step and process, by the kernel's word; what a dead process left in the file is not."""
    workspace = tiny_workspace()
    assert running(workspace.recipe("tiny")) == ""
    with hold(workspace.recipe("tiny").lock("run"), "tiny"):
        assert running(workspace.recipe("tiny")).startswith("between two steps, process ")
        with hold(workspace.recipe("tiny").lock("embed"), "embed of tiny"):
            assert running(workspace.recipe("tiny")).startswith("embed, process ")
    assert running(workspace.recipe("tiny")) == ""
    workspace.recipe("tiny").lock("run").write_text("process 1, since 2026-01-01 00:00 UTC")
    assert holder(workspace.recipe("tiny").lock("run")) == ""
