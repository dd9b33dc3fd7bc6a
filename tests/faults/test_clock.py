"""A clock that jumps back a day: order comes from numbers and from what names what, and nothing raises a false alarm."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from graft.errors import InputError
from graft.records import DecisionRecord
from graft_tasks.commands.audit import audit_recipe
from graft_tasks.commands.monitor import monitor
from graft_tasks.commands.status import status
from graft_tasks.commands.up_to_date import nothing_to_do
from graft_tasks.datasets.add import add
from graft_tasks.registry.audit import audit
from graft_tasks.registry.pin import pin
from graft_tasks.registry.promote import promote_by_hand, roll_back
from graft_tasks.workspace import Workspace
from tests.support.cli_runner import CommandLine
from tests.support.registry_workspace import learnable_rows, run_all_steps

pytestmark = pytest.mark.slow

READERS = (
    "graft_tasks.registry.promote",
    "graft_tasks.steps.cost",
    "graft_tasks.processes.locks",
    "graft_cli.commands.status",
    "graft_cli.watcher",
)


class Clock:
    """A clock that a test sets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        clock = self
        self.now = datetime.now(UTC).replace(microsecond=0)

        class Set(datetime):
            @classmethod
            def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
                return clock.now

        for module in READERS:
            monkeypatch.setattr(f"{module}.datetime", Set)

    def jump(self, **by: int) -> None:
        self.now += timedelta(**by)


def test_after_a_jump_back_champions_runs_and_batches_stand_in_their_order(
    promoted: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Run, promote, roll back and look at a batch a day before the first champion was made: all is as in a clock that goes on."""
    clock = Clock(monkeypatch)
    first = promoted.ledger().champion("known")
    assert first is not None
    entries = []
    for seed, hours in ((1, -24), (2, -1)):
        clock.jump(hours=hours)
        (tmp_path / "more.csv").write_bytes(learnable_rows(40, seed))
        add(promoted.recipe("known"), tmp_path / "more.csv")
        decision = run_all_steps(promoted, "known")
        entries.append(promote_by_hand(promoted.recipe("known"), f"more rows, {seed}").entry)
        state = status(promoted.recipe("known"))
        assert state.champion == f"{seed + 1:04d}"
        assert isinstance(decision, DecisionRecord)
        assert state.last_headline == decision.headline
        pin(promoted.recipe("known"))
        assert "were run on" in nothing_to_do(promoted.recipe("known"))
    clock.jump(hours=-1)
    assert roll_back(promoted.recipe("known"), "it was better").predicate.model_number == "0002"

    promotions = promoted.ledger().promotions("known")
    assert [p.predicate.number for p in promotions] == ["0001", "0002", "0003", "0004"]
    assert [p.entry for p in promotions[1:3]] == entries
    times = [p.predicate.at for p in promotions]
    assert times == sorted(times)
    assert times[0] == first.predicate.at, "no promotion before the clock jumped may have changed"

    (tmp_path / "batch.csv").write_bytes(learnable_rows(60, 9))
    assert monitor(promoted.recipe("known"), tmp_path / "batch.csv").champion == "0004"
    assert audit(promoted.recipe("known")).verdict == "intact"
    assert audit(promoted.recipe("known"), at=times[-1]).number == "0004"
    day_before = f"{datetime.fromisoformat(times[0]) - timedelta(days=1):%Y-%m-%d}"
    with pytest.raises(InputError, match="had no champion"):
        audit_recipe(promoted.recipe("known"), at=day_before)
    said = CommandLine(promoted.root, capsys).succeeds("status")
    assert "0004" in said


def test_the_run_shown_last_is_the_one_that_names_the_others(
    promoted: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With five runs of one second, as after a jump back, status shows each time the one that was made last."""
    Clock(monkeypatch).jump(days=-1)
    recipe = promoted.recipe("known").path
    open_gate = recipe.read_text()
    closed_gate = open_gate.replace("min_rows_per_class: 5", "min_rows_per_class: 5000")
    for k in range(4):
        recipe.write_text(f"{open_gate if k % 2 else closed_gate}# {k}\n")
        decision = run_all_steps(promoted, "known")
        assert isinstance(decision, DecisionRecord)
        assert ("Nothing was trained" in decision.headline) == (k % 2 == 0)
        assert status(promoted.recipe("known")).last_headline == decision.headline
    assert len({run.predicate.finished_at for run in promoted.ledger().runs("known")}) == 1
