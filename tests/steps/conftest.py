"""A small workspace on a tiny random base, for steps that are run one by one in this process."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from graft.recipe.text import recipe_text
from graft.records import Record
from graft_tasks.commands.adopt import adopt
from graft_tasks.commands.init import init
from graft_tasks.dvc.repro import commit
from graft_tasks.registry.pin import pin
from graft_tasks.steps.context import STEPS, run_step
from graft_tasks.workspace import Workspace

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


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> tuple[Workspace, Workspace]:
    """Two workspaces that are copied and never changed: with the base alone, and with the recipe ``tiny`` too."""
    folder = tmp_path_factory.mktemp("ready")
    empty, _ = init(folder / "empty")
    shutil.copytree(tiny_base, empty.root / "base")
    whole = Workspace(Path(shutil.copytree(empty.root, folder / "whole", symlinks=True)))
    table = pd.read_csv(ROOT / "data/datasets/support/messages.csv", dtype=str, keep_default_na=False)
    small = table[table["intent"].isin(["cancel", "delivery", "fault", "refund"])].groupby("intent").head(40)
    small.to_csv(folder / "rows.csv", index=False)
    adopt(whole.recipe("tiny"), {"rows.csv": folder / "rows.csv"}, recipe_text("tiny", TINY))
    return empty, whole


@pytest.fixture
def tiny_workspace(tmp_path: Path, templates: tuple[Workspace, Workspace]) -> Callable[..., Workspace]:
    """Make a pinned workspace ``tiny`` on 4 classes of the bundled messages; keywords are recipe keys with ``__`` for the dot."""

    def make(rows: pd.DataFrame | None = None, **values: object) -> Workspace:
        empty, whole = templates
        keys = {key.replace("__", "."): value for key, value in values.items()}
        text = recipe_text("tiny", {**TINY, **keys})
        made = shutil.copytree((whole if rows is None else empty).root, tmp_path / "workspace", symlinks=True)
        workspace = Workspace(Path(made))
        if rows is None:
            workspace.recipe("tiny").path.write_text(text)
            commit(workspace.root, "other keys", ["recipes"])
        else:
            rows.to_csv(tmp_path / "rows.csv", index=False)
            adopt(workspace.recipe("tiny"), {"rows.csv": tmp_path / "rows.csv"}, text)
        pin(workspace.recipe("tiny"))
        return workspace

    return make


@pytest.fixture
def run_all() -> Callable[[Workspace], dict[str, Record]]:
    """Run every step in order, in this process."""
    return lambda workspace: {step: run_step(workspace.recipe("tiny"), step) for step in STEPS}
