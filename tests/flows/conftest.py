"""Workspaces with a real base, real stages and a real flow; each made once and copied for every test that changes it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest

from graft.recipe.text import recipe_text
from graft_cli.commands.run import run_recipe
from graft_tasks.commands.adopt import adopt
from graft_tasks.commands.init import init
from graft_tasks.workspace import Workspace

ROOT = Path(__file__).parents[2]
MESSAGES = ROOT / "data" / "datasets" / "support" / "messages.csv"
QUICK = {
    "data.dataset": "support",
    "data.train": "messages.csv",
    "data.text": "text",
    "data.label": "intent",
    "data.group": "customer_id",
    "data.sensitive": ["variety"],
    "finetune.strategy": "head",
    "detect_shift.n_permutations": 199,
    "choose_base.n_folds": 3,
    "evaluate.n_bootstrap": 1000,
}


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    """An ephemeral Prefect server with a database of its own, shared by every flow of the session."""
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=120):
        yield


@pytest.fixture(scope="session")
def messages() -> pd.DataFrame:
    """A third of the bundled messages: enough for a clear transfer, few enough for seconds."""
    table = pd.read_csv(MESSAGES, dtype=str, keep_default_na=False)
    return table.groupby("intent").head(32).reset_index(drop=True)


def make_workspace(folder: Path, messages: pd.DataFrame, **values: object) -> Workspace:
    """Make a workspace with one recipe, ``support``, on these messages."""
    workspace, _ = init(folder)
    data = folder.parent / f"{folder.name}-messages.csv"
    messages.to_csv(data, index=False)
    adopt(workspace.recipe("support"), {"messages.csv": data}, recipe_text("support", {**QUICK, **values}))
    return workspace


@pytest.fixture(scope="session")
def promoted_once(
    tmp_path_factory: pytest.TempPathFactory, messages: pd.DataFrame, prefect_server: None, minilm: Path
) -> Workspace:
    """A workspace whose recipe was run once and has its first champion. Never changed: copy it with ``promoted``."""
    workspace = make_workspace(tmp_path_factory.mktemp("once") / "workspace", messages)
    result = run_recipe(workspace.recipe("support"))
    assert result.verdict == "promote", result.headline
    return workspace


@pytest.fixture
def promoted(promoted_once: Workspace, tmp_path: Path) -> Workspace:
    """A copy of the promoted workspace that a test may change."""
    shutil.copytree(promoted_once.root, tmp_path / "workspace", symlinks=True)
    return Workspace(tmp_path / "workspace")


@pytest.fixture
def edit_recipe() -> Callable[[Workspace, str, object], None]:
    """Change one key of the recipe, as a person would in the file."""

    def edit(workspace: Workspace, key: str, value: object) -> None:
        workspace.recipe("support").path.write_text(recipe_text("support", {**QUICK, key: value}))

    return edit
