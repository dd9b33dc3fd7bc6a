"""A small workspace with a history: two champions and a rollback, and a chain that grew from it. No server, no stages."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd

from graft.recipe.text import recipe_text
from graft_tasks.commands.adopt import adopt
from graft_tasks.commands.init import init
from graft_tasks.dvc.repro import dvc
from graft_tasks.registry.pin import pin
from graft_tasks.registry.promote import enact, promote_by_hand, roll_back
from graft_tasks.steps.context import STEPS, run_step
from graft_tasks.workspace import Workspace
from tests.steps.conftest import ROOT, TINY


def make_lineage(folder: Path, base: Path, *, ledger: str = "ledger") -> Workspace:
    """Make a workspace with the recipe ``tiny``, promoted twice and rolled back, and ``grown``, whose base is its champion."""
    workspace, _ = init(folder / "workspace")
    with (workspace.root / "params.yaml").open("a") as params:
        params.write(f"ledger: {ledger}\n")
    if ledger != "ledger":  # shared: then models are sent to where others reach them
        (folder / "remote").mkdir()
        dvc(workspace.root, "remote", "add", "--default", "store", str(folder / "remote"))
    table = pd.read_csv(ROOT / "data/datasets/support/messages.csv", dtype=str, keep_default_na=False)
    rows = folder / "rows.csv"
    table[table["intent"].isin(["cancel", "delivery"])].groupby("intent").head(40).to_csv(rows, index=False)
    shutil.copytree(base, workspace.root / "base")
    quick = {**TINY, "finetune.strategy": "head"}
    adopt(workspace.recipe("tiny"), {"rows.csv": rows}, recipe_text("tiny", quick))
    run_and_promote(workspace, "tiny", "the first")
    workspace.recipe("tiny").path.write_text(recipe_text("tiny", {**quick, "embed.max_tokens": 16}))
    run_and_promote(workspace, "tiny", "the second")
    roll_back(workspace.recipe("tiny"), "the second is worse")
    grown = {**quick, "choose_base.bases": ["graft:tiny@champion"], "data.dataset": "grown"}
    adopt(workspace.recipe("grown"), {"rows.csv": rows}, recipe_text("grown", grown))
    run_and_promote(workspace, "grown", "a hop")
    return workspace


def run_and_promote(workspace: Workspace, name: str, reason: str) -> None:
    """Run a recipe's steps in this process, enact the decision, and promote whatever came out."""
    pin(workspace.recipe(name))
    for step in STEPS:
        run_step(workspace.recipe(name), step)
    if enact(workspace.recipe(name)).promotion is None:
        promote_by_hand(workspace.recipe(name), reason)
