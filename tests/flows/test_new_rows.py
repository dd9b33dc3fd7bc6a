"""A champion, then a week of new rows: the next run compares the two on rows that neither was trained on."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from graft.model.reference import load_trained_on
from graft.records import EvaluationRecord, load_record
from graft_cli.commands.run import run_recipe
from graft_tasks.datasets.add import add
from graft_tasks.workspace import Workspace
from tests.flows.conftest import MESSAGES


@pytest.mark.slow
def test_new_rows_are_compared_fairly(promoted: Workspace, messages: pd.DataFrame, tmp_path: Path) -> None:
    """After an addition the candidate has seen more rows, no test row was trained on by either, and a run is made again."""
    table = pd.read_csv(MESSAGES, dtype=str, keep_default_na=False)
    week = table[~table["message_id"].isin(messages["message_id"])].groupby("intent").head(8)
    week.to_csv(tmp_path / "week.csv", index=False)
    before = pd.read_parquet(promoted.recipe("support").files("ingest") / "rows.parquet").set_index("row")["side"]
    assert add(promoted.recipe("support"), tmp_path / "week.csv").is_new
    result = run_recipe(promoted.recipe("support"))
    assert result.ran
    rows = pd.read_parquet(promoted.recipe("support").files("ingest") / "rows.parquet").set_index("row")
    pd.testing.assert_series_equal(before, rows.loc[before.index, "side"])
    test = set(rows[rows["side"] == "test"]["key"])
    champion = load_trained_on(promoted.recipe("support").registry / "0001")
    candidate = load_trained_on(promoted.recipe("support").model)
    assert champion < candidate
    assert not test & (champion | candidate)
    record = load_record(promoted.recipe("support").record("evaluate"), "evaluate")
    assert isinstance(record, EvaluationRecord)
    assert record.differences["champion"].n == len(test) > (before == "test").sum()
    assert not run_recipe(promoted.recipe("support")).ran
