"""A workspace in which all is done that comes before training: a tiny base, 120 messages of two classes, 40 steps to take."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd

from graft.recipe.text import recipe_text
from graft.records import digest_folder, sha256_file
from graft_tasks.commands.adopt import adopt
from graft_tasks.commands.init import init
from graft_tasks.registry.pin import pin
from graft_tasks.steps.context import run_step
from graft_tasks.workspace import Workspace
from tests.steps.conftest import ROOT, TINY

KEYS = {**TINY, "finetune.strategy": "full", "finetune.batch_size": 4, "finetune.learning_rate": 1e-3}
N_STEPS = 40


def make_training_workspace(folder: Path, base: Path) -> Workspace:
    """Make the workspace in a folder, with the recipe ``tiny``."""
    workspace, _ = init(folder / "workspace")
    table = pd.read_csv(ROOT / "data/datasets/support/messages.csv", dtype=str, keep_default_na=False)
    rows = table[table["intent"].isin(["cancel", "delivery"])].groupby("intent").head(60)
    rows.to_csv(folder / "rows.csv", index=False)
    shutil.copytree(base, workspace.root / "base")
    adopt(workspace.recipe("tiny"), {"rows.csv": folder / "rows.csv"}, recipe_text("tiny", KEYS))
    pin(workspace.recipe("tiny"))
    for step in ("ingest", "validate", "embed", "choose_base"):
        run_step(workspace.recipe("tiny"), step)
    return workspace


def checkpoints(workspace: Workspace) -> Path:
    """Return the folder of the recipe's checkpoint."""
    return workspace.root / ".graft" / "checkpoints" / "tiny"


def finetune_digests(workspace: Workspace) -> tuple[str, object]:
    """Return the digests of the record of finetune and of every file it wrote."""
    return sha256_file(workspace.recipe("tiny").record("finetune")), digest_folder(
        workspace.recipe("tiny").files("finetune")
    )
