"""What a chain of four hops keeps of each of its models, and what is said where that cannot be measured."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from graft.errors import TamperError
from graft.model.classifier import predict
from graft.model.folder import load_model
from graft.model.reference import load_trained_on
from graft.recipe.text import recipe_text
from graft.records import EvaluationRecord, load_record
from graft.rows import TEST
from graft_tasks.commands.adopt import adopt
from graft_tasks.commands.init import init
from graft_tasks.registry.pin import pin
from graft_tasks.steps.context import run_step
from graft_tasks.steps.rows import ROWS
from graft_tasks.workspace import Workspace
from tests.steps.conftest import ROOT, TINY
from tests.support.lineage_workspace import run_and_promote

pytestmark = pytest.mark.slow  # a chain of four models has to be made
PAIRS = (("cancel", "delivery"), ("fault", "refund"), ("cancel", "refund"), ("delivery", "fault"))
NAMES = ("one", "two", "three", "four")


@pytest.fixture(scope="module")
def four_hops(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Workspace:
    """A workspace with four recipes of two classes each; the base of each but the first is the champion of the one before."""
    folder = tmp_path_factory.mktemp("chain")
    workspace, _ = init(folder / "workspace")
    table = pd.read_csv(ROOT / "data/datasets/support/messages.csv", dtype=str, keep_default_na=False)
    shutil.copytree(tiny_base, workspace.root / "base")
    base = "base"
    for name, pair in zip(NAMES, PAIRS, strict=True):
        rows = folder / "rows.csv"
        table[table["intent"].isin(pair)].groupby("intent").head(60).to_csv(rows, index=False)
        how = {"finetune.strategy": "full", "finetune.n_epochs": 3, "finetune.learning_rate": 2e-3}
        keys = {**TINY, **how, "data.dataset": name, "choose_base.bases": [base], "finetune.batch_size": 8}
        adopt(workspace.recipe(name), {"rows.csv": rows}, recipe_text(name, keys))
        run_and_promote(workspace, name, "a hop")
        base = f"graft:{name}@champion"
    return workspace


def evaluation(workspace: Workspace, name: str) -> EvaluationRecord:
    record = load_record(workspace.recipe(name).record("evaluate"), "evaluate")
    assert isinstance(record, EvaluationRecord)
    return record


def test_every_ancestor_of_a_chain_is_measured(four_hops: Workspace) -> None:
    """The fourth model names three ancestors, nearest first, each with both differences; the mean is that of their heads."""
    record = evaluation(four_hops, "four")
    assert [one.ancestor for one in record.retention] == ["three 0001", "two 0001", "one 0001"]
    heads = [one.own_head for one in record.retention]
    assert all(one.probe and one.n >= 10 and (one.weight_change or 0) > 0 for one in record.retention)
    assert record.forgotten is not None
    assert record.forgotten.value == pytest.approx(np.mean([one.value for one in heads if one]))
    kept = [check.measurement.against for check in record.checks if check.kind == "evaluate.retention"]
    assert kept == ["three 0001", "two 0001", "one 0001"]
    moved = [one.weight_change or 0 for one in record.retention]
    assert moved == sorted(moved)  # the further back, the further away


def test_own_heads_are_tried_on_rows_that_no_model_learned_from(four_hops: Workspace) -> None:
    """The difference with the ancestor's own head is that of its predictions and those of its head on the candidate's encoder."""
    rows = pd.read_parquet(four_hops.recipe("one").files("ingest") / ROWS)
    folders = [four_hops.recipe(name).registry / "0001" for name in NAMES]
    seen = set().union(*(load_trained_on(folder) for folder in folders))
    test = rows[(rows["side"] == TEST) & ~rows["key"].isin(seen)]
    ancestor, candidate = load_model(folders[0]), load_model(folders[3])
    texts, truth = test["content"].tolist(), test["label"].to_numpy(dtype=str)
    before = predict(ancestor, texts).argmax(axis=1)
    ancestor.encoder = ancestor.encoder.with_network(candidate.encoder.network)
    after = predict(ancestor, texts).argmax(axis=1)
    labels = np.array(ancestor.labels)
    lost = (labels[after] == truth).mean() - (labels[before] == truth).mean()
    (found,) = (one for one in evaluation(four_hops, "four").retention if one.ancestor == "one 0001")
    assert found.n == len(test)
    assert found.own_head is not None
    assert found.own_head.value == pytest.approx(lost)


def test_the_first_hop_says_that_a_bases_task_is_not_known(four_hops: Workspace) -> None:
    """Of a base there are likeness and distance alone, and no check: what it was pretrained on is not here."""
    record = evaluation(four_hops, "one")
    (only,) = record.retention
    assert (only.ancestor, only.is_promoted, only.own_head, only.probe) == ("base", False, None, None)
    assert only.because == "what it was pretrained on is outside this ledger"
    assert 0 < (only.cka or 0) < 1
    assert record.forgotten is None
    assert not [check for check in record.checks if check.kind == "evaluate.retention"]


def test_an_ancestor_whose_data_is_gone_cannot_be_told(four_hops: Workspace, tmp_path: Path) -> None:
    """Without its rows, its model or one between, an ancestor's check cannot tell; rows that change under a run are an error."""
    root = tmp_path / "copy"
    shutil.copytree(four_hops.root, root, symlinks=True)
    workspace = Workspace.find(root)

    def told() -> dict[str, str]:
        pin(workspace.recipe("four"))
        record = run_step(workspace.recipe("four"), "evaluate")
        assert isinstance(record, EvaluationRecord)
        outcomes = {check.id: check.outcome for check in record.checks}
        because = {one.ancestor: one.because for one in record.retention}
        assert {outcomes[f"evaluate.retention[{name}]"] for name, why in because.items() if why} == {"cannot_tell"}
        return because

    model = workspace.recipe("two").registry / "0001"
    model.rename(tmp_path / "two")
    assert told() == {
        "three 0001": "",
        "two 0001": "its model is not here: dvc pull registry/two",
        "one 0001": "which rows two 0001 was trained on is not known here",
    }
    (tmp_path / "two").rename(model)
    workspace.recipe("one").rows.unlink()
    assert told() == {
        "three 0001": "",
        "two 0001": "",
        "one 0001": "its rows are not here: graft fetch one",
    }

    rows = workspace.recipe("three").files("ingest") / ROWS
    content = pd.read_parquet(rows)
    rows.unlink()  # it is a link into the cache
    content.iloc[::-1].to_parquet(rows)
    with pytest.raises(TamperError, match="The rows of three changed while this run went on"):
        run_step(workspace.recipe("four"), "evaluate")
