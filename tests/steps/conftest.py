"""A small workspace on a tiny random base, for steps that are run one by one in this process."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from graft.recipe_text import recipe_text
from graft.records import Record
from tasks.init import adopt, init
from tasks.pin import pin
from tasks.steps import STEPS, run_step
from tasks.workspace import Workspace

ROOT = Path(__file__).parents[2]
TINY = {
    "data.dataset": "tiny",
    "data.train": "rows.csv",
    "data.text": "text",
    "data.label": "intent",
    "data.group": "customer_id",
    "data.sensitive": ["channel"],
    "choose_base.bases": ["base"],
    "choose_base.n_folds": 2,
    "detect_shift.n_permutations": 199,
    "finetune.n_epochs": 2,
    "evaluate.n_bootstrap": 1000,
    "embed.max_tokens": 32,
}


@pytest.fixture
def tiny_workspace(tmp_path: Path, tiny_base: Path) -> Callable[..., Workspace]:
    """Make a pinned workspace ``tiny`` on 4 classes of the bundled messages; keywords are recipe keys with ``__`` for the dot."""

    def make(rows: pd.DataFrame | None = None, **values: object) -> Workspace:
        workspace, _ = init(tmp_path / "workspace")
        table = pd.read_csv(ROOT / "data/datasets/support/messages.csv", dtype=str, keep_default_na=False)
        small = table[table["intent"].isin(["cancel", "delivery", "fault", "refund"])].groupby("intent").head(40)
        data = tmp_path / "rows.csv"
        (small if rows is None else rows).to_csv(data, index=False)
        shutil.copytree(tiny_base, workspace.root / "base")
        keys = {key.replace("__", "."): value for key, value in values.items()}
        adopt(workspace, "tiny", {"rows.csv": data}, recipe_text("tiny", {**TINY, **keys}))
        pin(workspace, "tiny")
        return workspace

    return make


@pytest.fixture
def run_all() -> Callable[[Workspace], dict[str, Record]]:
    """Run every step in order, in this process."""
    return lambda workspace: {step: run_step(workspace, step, "tiny") for step in STEPS}
