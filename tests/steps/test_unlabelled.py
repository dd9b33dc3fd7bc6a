"""Rows without a label that are learned from: every figure says so, and none is tested on, held out or called a defect."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

import graft_tasks.steps.finetune
from graft.model.classifier import Classifier
from graft.model.examples import Examples
from graft.model.reference import load_reference, load_trained_on
from graft.presentation.page import render_report
from graft.records import DatasetRecord, ModelRecord, Record, ValidationRecord
from graft.records.report import Report
from graft.rows import NO_LABEL
from graft_tasks.steps.context import Context, load_inputs, run_step
from graft_tasks.steps.rows import read_features
from graft_tasks.workspace import Workspace
from tests.steps.conftest import ROOT

Make = Callable[..., Workspace]
RunAll = Callable[[Workspace], dict[str, Record]]


@pytest.fixture
def half_labelled() -> pd.DataFrame:
    """160 messages of four classes, every third without a label."""
    table = pd.read_csv(ROOT / "data/datasets/support/messages.csv", dtype=str, keep_default_na=False)
    rows = table[table["intent"].isin(["cancel", "delivery", "fault", "refund"])].groupby("intent").head(40)
    return rows.assign(intent=rows["intent"].where(np.arange(len(rows)) % 3 > 0, ""))


def rows_of(workspace: Workspace) -> pd.DataFrame:
    return pd.read_parquet(workspace.recipe("tiny").files("ingest") / "rows.parquet")


def test_a_run_that_learns_from_them(
    tiny_workspace: Make, run_all: RunAll, half_labelled: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are counted, embedded, trained on without their labels and named as trained on; all else is of labelled rows."""
    learned: list[Examples] = []
    really = graft_tasks.steps.finetune.finetune

    def finetune(folder: Path, rows: Examples, *settings: Any, **facts: Any) -> Classifier:
        learned.append(rows)
        return really(folder, rows, *settings, **facts)

    monkeypatch.setattr(graft_tasks.steps.finetune, "finetune", finetune)
    workspace = tiny_workspace(half_labelled, data__unlabelled=True, data__rows_per_class=8)
    records = run_all(workspace)
    rows = rows_of(workspace)
    train, test, pool = (rows[rows["side"] == side] for side in ("train", "test", "unlabelled"))
    data, model = records["ingest"], records["finetune"]
    assert isinstance(data, DatasetRecord)
    assert isinstance(model, ModelRecord)
    assert set(pool["because"]) == {"no label", "beyond the rows per class"}
    assert data.n_train == len(train) == 32
    assert data.n_unlabelled == len(pool) > 50
    assert data.n_rows == 160 == data.n_train + data.n_test + data.n_unlabelled + data.n_dropped
    assert data.summary == f"32 train, {len(test)} test, {len(pool)} unlabelled rows, 4 classes"
    found = {finding.name: (finding.n_rows, finding.done) for finding in data.findings}
    assert found["rows that are learned from without a label"] == (len(pool), "kept")
    assert found["rows without a label"] == (
        int(((rows["side"] == "dropped") & (rows["label"] == "")).sum()),
        "dropped",
    )

    (examples,) = learned
    both = rows[rows["side"].isin(["train", "unlabelled"])]
    assert list(examples.names) == both["row"].tolist()
    assert examples.labels.tolist() == both["label"].where(both["side"] == "train", NO_LABEL).tolist()
    assert (model.n_train, model.n_unlabelled) == (32, len(pool))
    assert load_trained_on(workspace.recipe("tiny").model) == set(both["key"])
    assert (
        f"on 32 labelled and {len(pool)} unlabelled rows of"
        in (workspace.recipe("tiny").model / "README.md").read_text()
    )
    features = load_file(workspace.recipe("tiny").files("embed") / "features.safetensors")["base"]
    embedded = rows[rows["side"] != "dropped"]
    expected = features[(embedded["side"] == "train").to_numpy()]
    assert np.abs(load_reference(workspace.recipe("tiny").model)[0] - expected).max() < 1e-3
    assert not set(both["key"]) & set(test["key"])
    assert not set(both["group"]) & set(test["group"]) - {""}

    report = Report.model_validate_json((workspace.recipe("tiny").step("report") / "report.json").read_bytes())
    page = render_report(report, costs={}, links={})
    assert "learned from without a label" in page
    assert "without a label, grown from" in page


def test_features_stand_beside_their_rows(tiny_workspace: Make, half_labelled: pd.DataFrame) -> None:
    """Whichever sides are asked for, a row's features stand where ``read_rows`` puts the row."""
    workspace = tiny_workspace(half_labelled, data__unlabelled=True)
    for step in ("ingest", "validate", "embed"):
        run_step(workspace.recipe("tiny"), step)
    rows, recipe = rows_of(workspace), workspace.recipe("tiny").load()[0]
    context = Context(
        workspace.recipe("tiny"), recipe, load_inputs(workspace.recipe("tiny")), "finetune", lambda *_: None
    )
    everything = load_file(workspace.recipe("tiny").files("embed") / "features.safetensors")["base"]
    embedded = rows[rows["side"] != "dropped"]
    assert len(everything) == len(embedded)
    for sides in (("train", "test"), ("train", "unlabelled"), ("unlabelled",), ("test", "train")):
        expected = everything[embedded["side"].isin(sides).to_numpy()]
        assert (read_features(context, "base", *sides) == expected).all()


def test_they_are_no_defect_where_the_recipe_asks_for_them(tiny_workspace: Make, half_labelled: pd.DataFrame) -> None:
    """The bound on rows without a label, 0 by default, closes the gate of a recipe that does not learn from them, no other's."""
    for asked, root in ((False, "without"), (True, "with")):
        workspace = tiny_workspace(half_labelled, data__unlabelled=asked)
        run_step(workspace.recipe("tiny"), "ingest")
        record = run_step(workspace.recipe("tiny"), "validate")
        assert isinstance(record, ValidationRecord)
        failed = [check.id for check in record.checks if check.outcome == "failed"]
        assert failed == ([] if asked else ["validate.unlabelled"])
        assert sum(record.class_counts.values()) == (rows_of(workspace)["side"] == "train").sum()
        workspace.root.rename(workspace.root.with_name(root))


def test_a_recipe_without_the_key_is_as_before(tiny_workspace: Make, half_labelled: pd.DataFrame) -> None:
    """Where they are not asked for they are dropped, and a recipe of before, which lacks the key, says the same."""
    workspace = tiny_workspace(half_labelled)
    run_step(workspace.recipe("tiny"), "ingest")
    before = rows_of(workspace)
    assert set(before["side"]) == {"train", "test", "dropped"}
    path = workspace.recipe("tiny").path
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if not line.startswith("  unlabelled:")))
    assert len(path.read_text().splitlines()) == len(lines) - 1
    run_step(workspace.recipe("tiny"), "ingest")
    pd.testing.assert_frame_equal(rows_of(workspace), before)
