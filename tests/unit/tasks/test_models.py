"""A promoted model is opened as it was promoted, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from graft.errors import InputError, TamperError
from graft.model.bases import WEIGHTS
from graft.model.settings import SETTINGS
from graft.records import digest_folder
from graft_tasks.registry.models import model_folder, open_model
from graft_tasks.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A workspace with one promoted model of two files."""
    folder = tmp_path / "registry" / "support" / "0001"
    folder.mkdir(parents=True)
    (folder / WEIGHTS).write_bytes(b"weights")
    (folder / SETTINGS).write_text("{}")
    return Workspace(tmp_path)


def test_what_was_promoted_is_opened(workspace: Workspace) -> None:
    """The folder of the number."""
    folder = workspace.recipe("support").registry / "0001"
    assert open_model(workspace.recipe("support"), "0001", digest_folder(folder)[1]) == folder


@pytest.mark.parametrize("name", [WEIGHTS, SETTINGS, "one_more.json"])
def test_another_file_is_found(workspace: Workspace, name: str) -> None:
    """Whichever file is another, absent or too many; only without its settings the model is not here."""
    folder = workspace.recipe("support").registry / "0001"
    model_id = digest_folder(folder)[1]
    (folder / name).write_text("others")
    with pytest.raises(TamperError, match="support 0001 is not the one that was promoted"):
        open_model(workspace.recipe("support"), "0001", model_id)
    (folder / name).unlink()
    if name != "one_more.json":
        with pytest.raises(InputError if name == SETTINGS else TamperError):
            open_model(workspace.recipe("support"), "0001", model_id)


def test_a_model_of_another_clone_is_asked_for(workspace: Workspace) -> None:
    """Absent is not altered: the sentence says what fetches it."""
    with pytest.raises(InputError, match="not on this machine") as caught:
        model_folder(workspace.recipe("support"), "0002")
    assert "graft fetch support" in caught.value.do
