"""docs/library.md: its lines run as they stand, in a workspace with a champion."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import graft
from graft.errors import TamperError
from graft_tasks.workspace import Workspace

PAGE = Path(__file__).parents[2] / "docs" / "library.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def test_each_job_takes_five_lines_or_fewer() -> None:
    """Use a champion, detect shift, judge a candidate, verify a ledger."""
    calls = ("graft.load_model", "graft.detect_shift", "graft.judge", "graft.verify_ledger")
    assert [call for call, code in zip(calls, BLOCKS, strict=True) if call not in code] == []
    assert max(len([line for line in code.splitlines() if line.strip()]) for code in BLOCKS) <= 5


@pytest.mark.slow
def test_the_page_runs(promoted_once: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader who pastes one block after the other gets labels, no shift between halves, a verdict and a count of entries."""
    monkeypatch.chdir(promoted_once.root)
    names: dict[str, Any] = {}
    for code in BLOCKS:
        exec(compile(code, str(PAGE), "exec"), names)  # noqa: S102 - the page's own lines
    assert set(names["labels"]) <= set(names["model"].classes_)
    assert names["probabilities"].sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert names["found"].shifted is False
    assert names["judgement"].verdict == "inferior"
    assert (names["tally"].n_runs, names["tally"].n_promotions) == (1, 1)


def test_a_ledger_without_trusted_keys_is_refused(promoted_once: Workspace, tmp_path: Path) -> None:
    """Signatures by keys that nobody named are worth nothing."""
    with pytest.raises(TamperError):
        graft.verify_ledger(promoted_once.root / "ledger", keys=tmp_path)
