"""One workspace for every mistake: as nothing may change it, none sees what another did. And what other modules offer."""

from __future__ import annotations

from pathlib import Path

import pytest

from graft.recipe.text import recipe_text
from graft_tasks.commands.adopt import adopt
from graft_tasks.commands.init import init
from tests.support.cli_runner import MESSAGES, CommandLine, csv_bytes
from tests.support.registry_workspace import many_models, many_models_once, promoted, promoted_once
from tests.support.small_disk import small_disk

__all__ = ["many_models", "many_models_once", "promoted", "promoted_once", "small_disk"]


@pytest.fixture(scope="session")
def known_workspace(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Path:
    """A workspace with the recipe ``known``, whose rows have an id."""
    folder = tmp_path_factory.mktemp("faults")
    workspace, _ = init(folder / "workspace")
    (folder / "rows.csv").write_bytes(csv_bytes(MESSAGES))
    values = {
        "data.dataset": "known", "data.train": "rows.csv", "data.text": "text", "data.label": "label", "data.id": "id",
        "choose_base.bases": [str(tiny_base)],
    }  # fmt: skip
    adopt(workspace.recipe("known"), {"rows.csv": folder / "rows.csv"}, recipe_text("known", values))
    return workspace.root


@pytest.fixture
def cli(known_workspace: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """The command line in the workspace ``known``."""
    return CommandLine(known_workspace, capsys)
