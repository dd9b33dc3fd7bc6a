"""Every row of every finding is kept, and shown with its text; a record names twenty."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

from graft.errors import InputError
from graft.records import DatasetRecord, Finding, ValidationRecord, sha256_file
from graft_cli.commands.validate import show_rows
from graft_tasks.commands.validate import ValidationRows
from graft_tasks.datasets.findings import Row, find_finding, path_of, rows_of, with_contents
from graft_tasks.registry.pin import pin
from graft_tasks.steps.context import run_step
from graft_tasks.workspace import Workspace
from tests.steps.conftest import ROOT

Make = Callable[..., Workspace]


def rows_of_finding(
    workspace: Workspace, dataset: DatasetRecord, record: ValidationRecord, wanted: str
) -> tuple[Finding, tuple[Row, ...]]:
    """Return the finding that is named, and all its rows with their texts."""
    source, finding = find_finding((dataset, record), wanted)
    return finding, with_contents(workspace.recipe("tiny"), rows_of(workspace, source, finding.name))


@pytest.fixture
def damaged(tiny_workspace: Make) -> tuple[Workspace, DatasetRecord, ValidationRecord]:
    """A workspace of 160 rows: 30 hold a tag and an escape sequence, 25 have no label."""
    rows = pd.read_csv(ROOT / "data/datasets/support/messages.csv", dtype=str, keep_default_na=False)
    rows = rows[rows["intent"].isin(["cancel", "delivery", "fault", "refund"])].groupby("intent").head(40)
    rows = rows.reset_index(drop=True)
    rows.loc[:29, "text"] = rows.loc[:29, "text"] + " <b>now</b> \x1b[31mred"
    rows.loc[30:54, "intent"] = ""
    workspace = tiny_workspace(rows)
    pin(workspace.recipe("tiny"))
    dataset, record = (run_step(workspace.recipe("tiny"), step) for step in ("ingest", "validate"))
    assert isinstance(dataset, DatasetRecord)
    assert isinstance(record, ValidationRecord)
    return workspace, dataset, record


def test_all_rows_of_a_finding_come_with_their_texts(
    damaged: tuple[Workspace, DatasetRecord, ValidationRecord],
) -> None:
    """Thirty of validate's and 25 of ingest's, where the records name twenty; a part of the name is enough."""
    workspace, dataset, record = damaged
    tagged = next(finding for finding in record.findings if "HTML" in finding.name)
    assert (tagged.n_rows, len(tagged.rows)) == (30, 20)
    found, rows = rows_of_finding(workspace, dataset, record, "html")
    assert [one.row for one in rows] == [f"rows.csv row {k}" for k in range(1, 31)]
    assert all("<b>now</b>" in one.content and one.label for one in rows)
    assert found.rows == tuple(one.row for one in rows[:20])
    _, unlabelled = rows_of_finding(workspace, dataset, record, "rows without a label")
    assert [one.row for one in unlabelled] == [f"rows.csv row {k}" for k in range(31, 56)]


def test_every_finding_is_kept_whole(damaged: tuple[Workspace, DatasetRecord, ValidationRecord]) -> None:
    """For each finding of both steps there are as many rows as it counts, the named ones first; none of it is in git."""
    workspace, dataset, record = damaged
    for finding in (*dataset.findings, *record.findings):
        rows = [one.row for one in rows_of_finding(workspace, dataset, record, finding.name)[1]]
        assert len(rows) == finding.n_rows, finding.name
        assert tuple(rows[:20]) == finding.rows
    assert path_of(workspace.recipe("tiny").findings, record).is_relative_to(workspace.root / ".graft")


def test_where_the_file_is_not_here_the_step_is_run_again(
    damaged: tuple[Workspace, DatasetRecord, ValidationRecord],
) -> None:
    """As in a second clone: the same record, byte for byte, and the rows."""
    workspace, dataset, record = damaged
    before = sha256_file(workspace.recipe("tiny").record("validate"))
    path_of(workspace.recipe("tiny").findings, record).unlink()
    assert len(rows_of_finding(workspace, dataset, record, "html")[1]) == 30
    assert sha256_file(workspace.recipe("tiny").record("validate")) == before


def test_a_finding_that_is_not_there_is_named(damaged: tuple[Workspace, DatasetRecord, ValidationRecord]) -> None:
    """With those that are."""
    with pytest.raises(InputError) as caught:
        rows_of_finding(*damaged, "labels that wait")
    assert caught.value.what == "No finding is called 'labels that wait'."
    assert "rows without a label" in caught.value.where


def test_texts_cannot_move_the_terminal(
    damaged: tuple[Workspace, DatasetRecord, ValidationRecord], capsys: pytest.CaptureFixture[str]
) -> None:
    """An escape sequence in a row is shown as blanks; the row's name and label stand above its text."""
    finding, rows = rows_of_finding(*damaged, "html")
    one = ValidationRows(
        recipe="tiny", n_rows=160, passed=True, mended=None, checks=(), findings=(), hint="",
        finding=finding.name, rows=rows[:1],
    )  # fmt: skip
    show_rows(one)
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "[31mred" in shown
    assert f"rows.csv row 1  {rows[0].label}" in shown
