"""Production batches: the ordinary one passes, the broken one is refused, the shifted one is found."""

from __future__ import annotations

import json
import re
import subprocess

import pytest

from graft.errors import InputError
from tasks.monitor import monitor
from tasks.status import status
from tasks.versions import environment, git
from tasks.workspace import Workspace
from tests.flows.conftest import MESSAGES


def quiet(done: int, total: int, note: str) -> None:
    pass


def test_an_ordinary_week_is_like_the_training_rows(promoted: Workspace) -> None:
    """Neither damaged nor shifted."""
    record = monitor(promoted, "support", MESSAGES.with_name("batch_usual.csv"), progress=quiet)
    assert record.passed
    assert [c.shifted for c in record.comparisons] == [False]


def test_the_broken_batch_is_refused_with_its_reasons_and_nothing_is_embedded(promoted: Workspace) -> None:
    """Encoding damage, repeats, missing and unknown labels are each named; no shift is claimed about damaged rows."""
    record = monitor(promoted, "support", MESSAGES.with_name("batch_broken.csv"), progress=quiet)
    failed = {check.name for check in record.checks if check.outcome == "failed"}
    assert {
        "Texts with encoding damage",
        "Rows that repeat another",
        "Rows without a label",
        "Labels that are unknown",
    } <= failed
    assert record.comparisons == ()


def test_the_shifted_batch_is_found_becomes_an_alarm_and_is_committed(promoted: Workspace) -> None:
    """A new product and another mix of channels: shifted, with the rows that show it; status then shows the alarm."""
    record = monitor(promoted, "support", MESSAGES.with_name("batch_shifted.csv"), progress=quiet)
    (comparison,) = record.comparisons
    assert comparison.shifted
    assert len(comparison.most_shifted) == 5
    assert "product = home_alarm" in {sign.name for sign in comparison.signs}
    assert {kind.name: kind.found for kind in comparison.kinds}["label"]
    assert re.fullmatch(r"shifted: AUC 0\.\d\d, (contents, )?mix of classes", record.summary)
    assert len(status(promoted, "support").alarms) == 1
    assert git(promoted.root, "status", "--porcelain") == ""


def test_the_command_prints_facts_as_json(promoted: Workspace) -> None:
    """One JSON object on stdout and nothing else."""
    batch = MESSAGES.with_name("batch_broken.csv")
    done = subprocess.run(
        ["graft", "monitor", "support", str(batch), "--json"],
        cwd=promoted.root,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["batch"] == "batch_broken.csv"


def test_a_batch_without_a_champion_is_a_users_error(promoted: Workspace) -> None:
    """There is nothing to compare with before the first champion."""
    for path in (promoted.root / "ledger" / "promotions" / "support").glob("*.json"):
        path.unlink()
    with pytest.raises(InputError, match="has no champion"):
        monitor(promoted, "support", MESSAGES.with_name("batch_usual.csv"), progress=quiet)
