"""The models without pretraining: at the candidate's budget, trained once, and counted as looks only once."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

from graft.model.budget import TERA, forward_flops
from graft.model.folder import load_model
from graft.records import EvaluationRecord, ModelRecord
from graft_tasks.registry.pin import pin
from graft_tasks.registry.promote import enact, promote_by_hand
from graft_tasks.steps.context import STEPS, run_step
from graft_tasks.steps.rows import PREDICTIONS, ROWS
from graft_tasks.workspace import Workspace

Make = Callable[..., Workspace]


def evaluate(workspace: Workspace) -> EvaluationRecord:
    record = run_step(workspace.recipe("tiny"), "evaluate")
    assert isinstance(record, EvaluationRecord)
    return record


@pytest.mark.parametrize(("strategy", "n_epochs"), [("head", 1), ("full", 7), ("contrastive", 4)])
def test_the_network_from_scratch_has_the_candidates_budget(tiny_workspace: Make, strategy: str, n_epochs: int) -> None:
    """As many operations as the candidate took, up to half an epoch; beside a head on frozen features, one on random ones."""
    workspace = tiny_workspace(finetune__strategy=strategy, finetune__n_epochs=n_epochs, evaluate__from_scratch=True)
    records = {step: run_step(workspace.recipe("tiny"), step) for step in STEPS[: STEPS.index("evaluate") + 1]}
    model, evaluation = records["finetune"], records["evaluate"]
    assert isinstance(model, ModelRecord)
    assert isinstance(evaluation, EvaluationRecord)
    rows = pd.read_parquet(workspace.recipe("tiny").files("ingest") / ROWS, filters=[("side", "==", "train")])
    forward = forward_flops(load_model(workspace.recipe("tiny").model).encoder, rows["content"].tolist()) / TERA
    given = evaluation.tflops["scratch_network"]
    assert model.tflops == evaluation.tflops["candidate"] > 0
    assert abs(given - model.tflops) <= 1.5 * len(rows) * forward + 1e-6
    if strategy == "head":
        assert given == pytest.approx(len(rows) * forward, abs=1e-6)
    assert {"scratch", "scratch_network"} <= set(evaluation.differences)


def test_what_it_said_is_kept(tiny_workspace: Make) -> None:
    """Another bound evaluates again and trains nothing; other rows or another seed train again. Same rows, same words."""
    workspace = tiny_workspace(evaluate__from_scratch=True)
    for step in STEPS[: STEPS.index("evaluate")]:
        run_step(workspace.recipe("tiny"), step)
    first = evaluate(workspace)
    kept = workspace.root / ".graft" / "cache" / "untaught" / "tiny" / "scratch.safetensors"
    written = kept.stat().st_mtime_ns
    path = workspace.recipe("tiny").path
    path.write_text(path.read_text().replace("rope: 0.01", "rope: 0.3"))
    pin(workspace.recipe("tiny"))
    assert evaluate(workspace).accuracy == first.accuracy
    assert kept.stat().st_mtime_ns == written
    kept.unlink()
    said = pd.read_parquet(workspace.recipe("tiny").files("evaluate") / PREDICTIONS)
    assert evaluate(workspace).predictions_sha256 == first.predictions_sha256
    pd.testing.assert_frame_equal(said, pd.read_parquet(workspace.recipe("tiny").files("evaluate") / PREDICTIONS))


def test_nothing_is_trained_from_scratch_unless_a_recipe_asks_for_it(
    tiny_workspace: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By default no network from random weights is made, and record and verdict know just the arms that were measured."""
    workspace = tiny_workspace(finetune__strategy="head")
    for step in STEPS[: STEPS.index("evaluate")]:
        run_step(workspace.recipe("tiny"), step)
    monkeypatch.setattr("graft_tasks.steps.baselines.predict_from_scratch", None)
    found = evaluate(workspace)
    assert set(found.accuracy) == {"candidate", "frozen_probe", "scratch"}
    assert set(found.differences) == {"frozen_probe", "scratch"}
    assert set(found.tflops) == {"candidate"}
    assert found.transfer in {"positive", "none", "negative", "undecided"}
    assert not [check for check in found.checks if "network" in check.id]
    assert not (workspace.root / ".graft" / "cache" / "untaught").exists()
    assert "scratch_network" not in pd.read_parquet(workspace.recipe("tiny").files("evaluate") / PREDICTIONS)


@pytest.mark.slow
def test_every_other_model_is_a_look(tiny_workspace: Make) -> None:
    """The first model has none before it, nor has it when it comes again; the third has two, and wider intervals."""
    workspace = tiny_workspace(finetune__strategy="head")

    def run() -> EvaluationRecord:
        pin(workspace.recipe("tiny"))
        records = {step: run_step(workspace.recipe("tiny"), step) for step in STEPS}
        if enact(workspace.recipe("tiny")).promotion is None and workspace.ledger().champion("tiny") is None:
            promote_by_hand(workspace.recipe("tiny"), "for the test")
        evaluation = records["evaluate"]
        assert isinstance(evaluation, EvaluationRecord)
        return evaluation

    def change(before: str, after: str) -> None:
        path = workspace.recipe("tiny").path
        text = path.read_text()
        assert before in text
        path.write_text(text.replace(before, after))

    first = run()
    assert (first.n_looks, first.level) == (0, 0.95)
    change("max_gap: 0.15", "max_gap: 0.2")
    assert run().n_looks == 0
    change("strategy: head", "strategy: full")
    second = run()
    assert (second.n_looks, second.level) == (1, 0.95)
    change("seed: 17", "seed: 18")
    third = run()
    assert (third.n_looks, third.level, third.looked_at) == (2, 0.975, first.looked_at)
    assert {one.level for one in third.differences.values()} == {0.975}
