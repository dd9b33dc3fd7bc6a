"""Tests that share a workspace stay in one process: else it is made twice, and nothing says so."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import SHARED_WORKSPACES

ROOT = Path(__file__).parents[2]
PASSED = re.compile(r"\[(gw\d)\] .* PASSED (\S+)::")
ROWS = "import pytest\n@pytest.mark.parametrize('k', range(8))\ndef test(k): pass\n"


@pytest.mark.slow
def test_a_file_and_all_flows_stay_in_one_process(tmp_path: Path) -> None:
    """Of four files by two processes, each is run by one, and the two of flows by the same."""
    (tmp_path / "tests" / "flows").mkdir(parents=True)
    for name in ("test_a", "flows/test_b", "flows/test_c", "test_d"):
        (tmp_path / "tests" / f"{name}.py").write_text(ROWS)
    command = [sys.executable, "-m", "pytest", "-v", "-n", "2", "-p", "tests.conftest", "--rootdir", str(tmp_path)]
    said = subprocess.run(
        [*command, "-c", os.devnull, "tests"], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    seen = set(PASSED.findall(said))
    assert len(seen) == 4, said
    assert len({process for process, _ in seen}) == 2, said
    assert len({process for process, file in seen if "flows" in file}) == 1, said


def test_files_that_share_a_workspace_are_there() -> None:
    """Each place that the scheduler names exists: else its tests would be spread, and nothing would say so."""
    assert [place for place in SHARED_WORKSPACES if not (ROOT / place).exists()] == []
