"""A workspace with promotions that takes seconds to make: a tiny base, and the steps in this process."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from graft.recipe.text import recipe_text
from graft.records import Record
from graft_tasks.commands.adopt import adopt
from graft_tasks.commands.init import init
from graft_tasks.datasets.add import add
from graft_tasks.dvc.pipeline import bring_forward
from graft_tasks.dvc.repro import commit, dvc, git, stage
from graft_tasks.registry.pin import pin
from graft_tasks.registry.promote import enact, promote_by_hand, roll_back
from graft_tasks.steps.context import STEPS, run_step
from graft_tasks.workspace import Workspace
from tests.support.cli_runner import csv_bytes

QUICK = {
    "data.train": "rows.csv",
    "data.text": "text",
    "data.label": "label",
    "data.id": "id",
    "finetune.strategy": "head",
    "detect_shift.n_permutations": 199,
    "choose_base.n_folds": 3,
    "evaluate.n_bootstrap": 1000,
}
WORDS = {"card": "money card bill pay refund account", "parcel": "parcel late house move engineer broken"}


def learnable_rows(n: int, seed: int) -> bytes:
    """Return a table of so many rows that can be learned from; each seed gives others."""
    rng = np.random.default_rng(seed)
    drawn = []
    for k in range(n):
        label = "card" if k % 2 else "parcel"
        drawn.append((f"s{seed}n{k}", f"{' '.join(rng.choice(WORDS[label].split(), 6))} s{seed}n{k}", label))
    return csv_bytes(drawn)


def run_all_steps(workspace: Workspace, name: str) -> Record:
    """Run every step here and let DVC keep what they made; return the decision. What is promoted is left to the caller."""
    bring_forward(workspace.recipe(name))
    pin(workspace.recipe(name))
    records = {step: run_step(workspace.recipe(name), step) for step in STEPS}
    dvc(workspace.root, "commit", "--force", *(stage(workspace.root, name, step) for step in STEPS))
    enact(workspace.recipe(name))
    return records["decide"]


def adopt_recipe(workspace: Workspace, name: str, source: Path, base: str) -> None:
    """Make a recipe on these rows."""
    values = {**QUICK, "data.dataset": name, "choose_base.bases": [base]}
    adopt(workspace.recipe(name), {"rows.csv": source}, recipe_text(name, values))


def push_and_clone(folder: Path, address: str, *options: tuple[str, str]) -> Workspace:
    """Push the workspace ``first`` to a remote, and return a second clone of it."""
    first = folder / "first"
    dvc(first, "remote", "add", "--default", "store", address)
    for option in options:
        dvc(first, "remote", "modify", "store", *option)
    commit(first, "a remote", [".dvc/config"])
    dvc(first, "push")
    git(folder, "clone", "--quiet", "first", "second")
    (folder / "second" / ".graft").mkdir()
    return Workspace(folder / "second")


@pytest.fixture(scope="session")
def promoted_once(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Path:
    """A workspace whose recipe ``known`` has one champion; read only."""
    folder = tmp_path_factory.mktemp("promoted")
    workspace, _ = init(folder / "workspace")
    git(workspace.root, "config", "user.name", "Ada")
    git(workspace.root, "config", "user.email", "ada@example.org")
    (folder / "rows.csv").write_bytes(learnable_rows(160, 0))
    adopt_recipe(workspace, "known", folder / "rows.csv", str(tiny_base))
    run_all_steps(workspace, "known")
    promote_by_hand(workspace.recipe("known"), "the first")
    return workspace.root


@pytest.fixture(scope="session")
def many_models_once(tmp_path_factory: pytest.TempPathFactory, promoted_once: Path) -> Path:
    """Three models of ``known`` and a rollback, ``grown`` on one of them, and a candidate; read only."""
    folder = tmp_path_factory.mktemp("many-models")
    shutil.copytree(promoted_once, folder / "workspace", symlinks=True)
    workspace = Workspace(folder / "workspace")
    (folder / "rows.csv").write_bytes(learnable_rows(160, 0))
    for seed in (1, 2):
        (folder / "more.csv").write_bytes(learnable_rows(40, seed))
        add(workspace.recipe("known"), folder / "more.csv")
        run_all_steps(workspace, "known")
        promote_by_hand(workspace.recipe("known"), f"with more rows, {seed}")
    roll_back(workspace.recipe("known"), "the one before was better")
    adopt_recipe(workspace, "grown", folder / "rows.csv", "graft:known@champion")
    run_all_steps(workspace, "grown")
    promote_by_hand(workspace.recipe("grown"), "a second hop")
    (folder / "more.csv").write_bytes(learnable_rows(40, 3))
    add(workspace.recipe("grown"), folder / "more.csv")
    run_all_steps(workspace, "grown")
    return workspace.root


@pytest.fixture
def promoted(promoted_once: Path, tmp_path: Path) -> Workspace:
    """A copy of the promoted workspace that a test may change."""
    shutil.copytree(promoted_once, tmp_path / "workspace", symlinks=True)
    return Workspace(tmp_path / "workspace")


@pytest.fixture
def many_models(many_models_once: Path, tmp_path: Path) -> Workspace:
    """A copy of the workspace with many models that a test may change."""
    shutil.copytree(many_models_once, tmp_path / "workspace", symlinks=True)
    return Workspace(tmp_path / "workspace")
