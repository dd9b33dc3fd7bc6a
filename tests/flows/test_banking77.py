"""Rows that nobody here wrote: banking77, all rows and ten per class, beside the bundled messages in one workspace."""

from __future__ import annotations

from pathlib import Path

import pytest

from graft.recipe.text import recipe_text
from graft.records import DatasetRecord, EvaluationRecord, ValidationRecord, load_record
from graft_cli.commands.run import run_recipe
from graft_tasks.commands.adopt import adopt
from graft_tasks.commands.init import init
from graft_tasks.commands.new import new
from graft_tasks.commands.status import status
from graft_tasks.dvc.repro import dvc
from graft_tasks.workspace import Workspace
from tests.flows.conftest import MESSAGES, QUICK

pytestmark = [pytest.mark.long, pytest.mark.realdata]


@pytest.fixture(scope="module")
def banking_workspace(
    tmp_path_factory: pytest.TempPathFactory, shared_data: Path, minilm: Path, prefect_server: None
) -> Workspace:
    """A workspace in which three recipes were run to their verdicts."""
    source = shared_data / "text" / "banking77"
    if not source.is_dir():
        pytest.skip(f"shared data absent: {source}")
    workspace, _ = init(tmp_path_factory.mktemp("bank") / "workspace")
    files = {"train": source / "train.csv", "test": source / "test.csv"}
    values = {"data.text": "text", "data.label": "category", "finetune.strategy": "head", "data.min_similarity": 1.0}
    new(workspace.recipe("banking77"), files, values)
    new(workspace.recipe("banking77-10"), files, {**values, "data.rows_per_class": 10})
    adopt(workspace.recipe("support"), {"messages.csv": MESSAGES}, recipe_text("support", QUICK))
    for name in ("banking77", "banking77-10", "support"):
        run_recipe(workspace.recipe(name))
    return workspace


@pytest.mark.parametrize(
    ("name", "n_train", "low", "high"), [("banking77", 9_948, 0.92, 0.94), ("banking77-10", 770, 0.82, 0.86)]
)
def test_each_recipe_reaches_its_verdict_near_the_known_accuracy(
    banking_workspace: Workspace, name: str, n_train: int, low: float, high: float
) -> None:
    """A frozen probe is known to give .930 on all rows and .857 (mean of ten draws) on ten per class; alike rows kept."""
    rows = load_record(banking_workspace.recipe(name).record("ingest"), "ingest")
    measured = load_record(banking_workspace.recipe(name).record("evaluate"), "evaluate")
    assert isinstance(rows, DatasetRecord)
    assert isinstance(measured, EvaluationRecord)
    assert (rows.n_train, rows.n_test) == (n_train, 3_080)
    assert low <= measured.accuracy["candidate"].value <= high
    assert measured.transfer == "positive"
    champion = banking_workspace.ledger().champion(name)
    assert champion is not None
    assert champion.predicate.number == "0001"


def test_what_is_odd_in_it_is_found_and_named(banking_workspace: Workspace) -> None:
    """31 repeats in train (one with another label), 25 test texts there too, 10 texts with line breaks, two with two labels."""
    rows = load_record(banking_workspace.recipe("banking77").record("ingest"), "ingest")
    valid = load_record(banking_workspace.recipe("banking77").record("validate"), "validate")
    assert isinstance(rows, DatasetRecord)
    assert isinstance(valid, ValidationRecord)
    found = {finding.name: finding for finding in (*rows.findings, *valid.findings)}
    assert found["training rows that repeat another"].n_rows == 30
    assert found["rows that also stand on the other side"].n_rows == 25
    assert found["Texts with two labels"].n_rows == 4
    assert found["Test texts that also stand in train"].n_rows == 25
    assert found["Test texts that also stand in train"].done == "their twins were dropped from train"
    breaks = found["Texts with line breaks"]
    assert sum(row.startswith("train.csv") for row in breaks.rows) == 10
    assert all(row.startswith("train.csv row ") for row in found["rows that also stand on the other side"].rows)
    assert all(row.startswith("test.csv row ") for row in found["Test texts that also stand in train"].rows)


def test_recipes_live_side_by_side_with_verdicts_of_their_own(banking_workspace: Workspace) -> None:
    """Three recipes, three champions of other models, one clean workspace."""
    found = [status(banking_workspace.recipe(name)) for name in banking_workspace.recipes()]
    assert [one.recipe for one in found] == ["banking77", "banking77-10", "support"]
    assert [one.champion for one in found] == ["0001"] * 3
    assert len({one.model_id for one in found}) == 3
    assert dvc(banking_workspace.root, "status", "--json").strip() == "{}"
