"""A dataset that grows: new versions by one more file each, and nothing that was there is touched."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from graft.records import DatasetRecord, digest_folder, sha256_file
from graft_tasks.datasets.add import add
from graft_tasks.datasets.repair import repair
from graft_tasks.dvc.repro import dvc, git
from graft_tasks.registry.pin import pin
from graft_tasks.steps.context import run_step
from graft_tasks.workspace import Workspace
from tests.support.refusals import refused

Make = Callable[..., Workspace]
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    rows = pd.read_csv(ROOT / "data/datasets/support/messages.csv", dtype=str, keep_default_na=False)
    return rows[rows["intent"].isin(["cancel", "delivery", "fault", "refund"])].reset_index(drop=True)


@pytest.fixture
def first_half(table: pd.DataFrame) -> pd.DataFrame:
    return table.iloc[::2].reset_index(drop=True)


@pytest.fixture
def next_week(table: pd.DataFrame, tmp_path: Path) -> Path:
    """Next week's rows, as a file of a team's own."""
    table.iloc[1:60:2].to_csv(tmp_path / "week.csv", index=False)
    return tmp_path / "week.csv"


def ingest(workspace: Workspace) -> tuple[DatasetRecord, pd.DataFrame]:
    pin(workspace.recipe("tiny"))
    record = run_step(workspace.recipe("tiny"), "ingest")
    assert isinstance(record, DatasetRecord)
    return record, pd.read_parquet(workspace.recipe("tiny").files("ingest") / "rows.parquet").set_index("row")


def state(workspace: Workspace) -> tuple[str, str, str]:
    """Return what an addition that does nothing must leave alone."""
    return (
        digest_folder(workspace.dataset("tiny"))[1],
        git(workspace.root, "rev-parse", "HEAD"),
        git(workspace.root, "status", "--porcelain"),
    )


def test_new_rows_make_a_version_and_move_no_row(
    tiny_workspace: Make, first_half: pd.DataFrame, next_week: Path
) -> None:
    """The version is the one before it and one more file, committed; every row that was there keeps its side."""
    workspace = tiny_workspace(first_half)
    before, rows = ingest(workspace)
    files = dict.fromkeys(digest_folder(workspace.dataset("tiny"))[0])
    added = add(workspace.recipe("tiny"), next_week)
    assert (added.file, added.holds, added.n_rows, added.is_new, added.drift) == (
        "added-0001.csv",
        "rows",
        30,
        True,
        [],
    )
    now, version = digest_folder(workspace.dataset("tiny"))
    assert version == added.version
    assert [file for file in now if file not in files] == [now[0]]
    assert sha256_file(workspace.dataset("tiny") / "added-0001.csv") == sha256_file(next_week)
    assert "added-0001.csv, 30 rows" in git(workspace.root, "log", "-1", "--format=%s")
    assert git(workspace.root, "status", "--porcelain", "data/datasets") == ""
    after, grown = ingest(workspace)
    assert after.n_rows == before.n_rows + 30
    pd.testing.assert_series_equal(rows["side"], grown.loc[rows.index, "side"])


def test_the_same_file_twice_changes_nothing(tiny_workspace: Make, first_half: pd.DataFrame, next_week: Path) -> None:
    """Under another name too; and rows that are there are known by their file."""
    workspace = tiny_workspace(first_half)
    add(workspace.recipe("tiny"), next_week)
    before = state(workspace)
    again = shutil.copy(next_week, next_week.with_name("other.csv"))
    added = add(workspace.recipe("tiny"), Path(again))
    assert (added.is_new, added.file) == (False, "added-0001.csv")
    assert state(workspace) == before


def test_a_killed_addition_is_finished_by_the_same_command(
    tiny_workspace: Make, first_half: pd.DataFrame, next_week: Path
) -> None:
    """Killed after the file came and before DVC and git knew of it, the next try brings them there."""
    workspace = tiny_workspace(first_half)
    shutil.copy(next_week, workspace.dataset("tiny") / "added-0001.csv")
    added = add(workspace.recipe("tiny"), next_week)
    assert (added.is_new, added.file) == (False, "added-0001.csv")
    assert git(workspace.root, "status", "--porcelain", "data/datasets") == ""
    assert json.loads(dvc(workspace.root, "status", "--json", "data/datasets/tiny.dvc")) == {}


def test_late_labels_are_joined_by_id(
    tiny_workspace: Make, first_half: pd.DataFrame, next_week: Path, tmp_path: Path
) -> None:
    """Rows come without labels and wait; labels come by id in another form; a correction after that counts."""
    workspace = tiny_workspace(first_half, data__id="message_id")
    scored = pd.read_csv(next_week, dtype=str, keep_default_na=False)
    scored.drop(columns="intent").to_csv(tmp_path / "scored.csv", index=False)
    assert add(workspace.recipe("tiny"), tmp_path / "scored.csv").drift == ["column 'intent' is no longer there"]
    waiting, _ = ingest(workspace)
    assert {f.name: f.n_rows for f in waiting.findings}["rows that wait for their label"] == 30
    labels = scored[["message_id", "intent"]]
    labels.to_csv(tmp_path / "labels.txt", index=False, sep=";")
    added = add(workspace.recipe("tiny"), tmp_path / "labels.txt")
    assert (added.holds, added.file) == ("labels", "added-0002.parquet")
    labelled, rows = ingest(workspace)
    assert {f.name: f.n_rows for f in labelled.findings}["labels that came late"] == 30
    pairs = rows.set_index("id")["label"]
    assert pairs[labels["message_id"]].tolist() == labels["intent"].tolist()
    first = labels["message_id"].iloc[0]
    (tmp_path / "right.csv").write_text(
        f"message_id,intent\n{first},{'fault' if pairs[first] != 'fault' else 'refund'}\n"
    )
    add(workspace.recipe("tiny"), tmp_path / "right.csv")
    corrected, rows = ingest(workspace)
    assert {f.name: f.rows for f in corrected.findings}["labels that were corrected"] == ("added-0003.csv row 1",)
    assert rows.set_index("id").loc[first, "label"] != pairs[first]


def test_labels_for_rows_that_are_not_here_are_refused(
    tiny_workspace: Make, first_half: pd.DataFrame, tmp_path: Path
) -> None:
    """The sentence counts them, and nothing is written."""
    workspace = tiny_workspace(first_half, data__id="message_id")
    before = state(workspace)
    (tmp_path / "labels.csv").write_text("message_id,intent\nX1,fault\nX2,fault\n")
    with refused("ids-unknown") as error:
        add(workspace.recipe("tiny"), tmp_path / "labels.csv")
    assert "2 of 2 " in error.value.what
    assert state(workspace) == before
    assert not list((workspace.root / ".graft").glob("adding-*"))


def test_repairs_are_a_further_file(tiny_workspace: Make, first_half: pd.DataFrame) -> None:
    """What can be mended is mended in what is trained on; the file that came is byte for byte as it was; twice is once."""
    damaged = first_half.copy()
    damaged.loc[0, "text"] = damaged.loc[0, "text"] + " caf\u00c3\u00a9 &amp; more"
    damaged.loc[3, "text"] = damaged.loc[2, "text"]
    damaged.loc[3, ["intent", "customer_id"]] = damaged.loc[2, ["intent", "customer_id"]]
    workspace = tiny_workspace(damaged)
    _, rows = ingest(workspace)
    original = sha256_file(workspace.dataset("tiny") / "rows.csv")
    mended = repair(workspace.recipe("tiny"))
    assert (mended.file, mended.n_changed, mended.n_dropped) == ("repair-0001.jsonl", 1, 1)
    assert sha256_file(workspace.dataset("tiny") / "rows.csv") == original
    record, after = ingest(workspace)
    assert after.loc["rows.csv row 1", "content"].endswith("caf\u00e9 & more")
    assert after["side"].drop("rows.csv row 4").equals(rows["side"].drop("rows.csv row 4"))
    assert {f.name for f in record.findings} >= {"rows that a repair mended", "rows that a repair took out"}
    assert repair(workspace.recipe("tiny")).file == ""
