"""What every past version wrote must load and verify, for ever. A folder here is one version; none is ever written again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from graft.model.classifier import predict
from graft.model.folder import load_model
from graft.presentation.page import render_report
from graft.records import Inputs, MonitorRecord, load_record
from graft.records.report import Report
from graft_tasks.dvc.repro import commit, git
from graft_tasks.registry.audit import audit
from graft_tasks.steps.context import STEPS
from graft_tasks.workspace import Workspace

VERSIONS = sorted(path for path in Path(__file__).parent.iterdir() if (path / "ledger").is_dir())


def test_there_is_something_to_keep() -> None:
    """At least one version is kept."""
    assert VERSIONS


@pytest.fixture(params=VERSIONS, ids=lambda path: path.name)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Workspace:
    """A workspace as an old version left it, in a git repository."""
    root = tmp_path / "workspace"
    shutil.copytree(request.param, root)
    (root / "dvc.yaml").write_text("stages: {}\n")
    git(root, "init", "--quiet")
    commit(root, "as it was", ["."])
    return Workspace(root)


def test_old_chains_verify(old: Workspace) -> None:
    """Entries, signatures, records, pointers, models and data of an old version are intact, hop by hop."""
    for name, n_hops in (("tiny", 2), ("grown", 3)):
        result = audit(old.recipe(name))
        assert (result.verdict, len(result.hops)) == ("intact", n_hops), result.broken_at
    assert [p.predicate.action for p in old.ledger().promotions("tiny")] == ["promote", "promote", "rollback"]


def test_old_files_load(old: Workspace) -> None:
    """Recipes, pins, records, reports and monitored batches of an old version are read, and its reports are drawn."""
    for name in old.recipes():
        recipe, _ = old.recipe(name).load()
        assert recipe.name == name
        assert Inputs.model_validate_json(old.recipe(name).inputs.read_bytes()).recipe == name
        for step in STEPS:
            assert load_record(old.recipe(name).record(step), step).step == step
        report = Report.model_validate_json((old.recipe(name).step("report") / "report.json").read_bytes())
        assert name in render_report(report, costs={}, links={})
    (batch,) = old.recipe("grown").monitor.glob("*/record.json")
    assert MonitorRecord.model_validate_json(batch.read_bytes()).champion == "0001"


def test_old_models_score_as_they_did(old: Workspace) -> None:
    """A model folder of an old version gives the probabilities it gave then, to a thousandth."""
    kept = json.loads((old.root / "predictions.json").read_text())
    scores = predict(load_model(old.recipe("grown").registry / "0001"), kept["texts"])
    assert np.abs(scores - np.array(kept["scores"])).max() < 1e-3
