"""Lines for a terminal: they fit, and text from data can neither colour nor move anything."""

from __future__ import annotations

import re
from contextlib import nullcontext
from io import StringIO

import pytest
from rich.console import Console

from graft.errors import InputError
from graft.evaluation.wording import estimate_text
from graft.records import Check, Estimate, exact
from graft_cli.terminal import WIDTH, check_lines, headline_lines, human, next_lines, row, shorten
from graft_cli.watcher import Watcher, outlook, watched
from graft_tasks.processes.listener import Listener
from graft_tasks.steps.cost import Rates
from tests.support.checks import called

HOSTILE = "\x1b[31mred\x1b]0;title\x07 \r overwritten\n second line " + "long " * 60


def estimate(value: float) -> Estimate:
    return Estimate(value=value, ci_low=value - 0.1, ci_high=value + 0.1, n=1234, method="m", unit="points")


def a_check(name: str, note: str) -> Check:
    return called(name, "s", "accuracy_gap", estimate(-0.15), -0.03, note=note)


def test_lines_fit_a_terminal_and_hold_no_control_characters() -> None:
    """Names of groups, labels and batches come from data; an escape sequence in one must stay text."""
    lines = [
        row("measure_bias", "FAILED", HOSTILE, "41m"),
        *check_lines(a_check(HOSTILE, HOSTILE)),
        *headline_lines("HOLD", HOSTILE),
        *next_lines(("graft status support", "what is in force")),
    ]
    assert len(lines) > 10
    for line in lines:
        assert len(line.plain) <= WIDTH
        assert line.plain.isprintable()


def test_an_estimate_is_said_with_interval_and_n() -> None:
    """Points with a sign, counted shares without an interval of their own, and no negative zero."""
    assert estimate_text(estimate(-0.053)) == "-5.3 points [-15.3, +4.7], n 1,234"
    assert estimate_text(estimate(-0.0001)).startswith("+0.0 points")
    assert estimate_text(exact(0.25, 108, unit="fraction")) == "25.0% of 108"


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0s"), (64, "64s"), (2460, "41m"), (5400, "1h 30m"), (90_000, "25h 00m")]
)
def test_durations_are_said_as_people_say_them(seconds: float, words: str) -> None:
    """Seconds below a minute and a half, then minutes, then hours and minutes."""
    assert human(seconds) == words


def test_what_remains_is_said_in_time_and_money() -> None:
    """Time from the pace; money, where a price is known, as spent and in all. Without one no money is shown."""
    assert outlook(2.0, 45, 30.0, Rates()) == "90s left".replace("90s", human(90))
    assert outlook(2.0, 45, 30.0, Rates(price_per_hour=36, currency="EUR")) == "2m left, 0.30 of 1.20 EUR"


@pytest.mark.parametrize("rates", [Rates(), Rates(price_per_hour=36_000, currency="EUR")])
def test_a_bar_fits_and_counts_only_what_this_run_did(rates: Rates, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that goes on after step 500 has no pace yet; then its own steps alone say what remains."""
    screen = StringIO()
    made = Console(file=screen, width=WIDTH, force_terminal=True, color_system=None)
    monkeypatch.setattr("graft_cli.watcher.console", lambda: made)
    watcher = Watcher(rates)
    watcher.started("measure_bias")
    watcher.progress("measure_bias", 500, 861, "goes on after step 500")
    began, *parts = watcher.since
    assert parts == [500, 861]
    watcher.since = (began - 10.0, 500, 861)
    watcher.progress("measure_bias", 501, 861, "epoch 100 of 200, loss 0.123")
    watcher.close()
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue()).replace("\r", "\n").splitlines()
    assert max(map(len, shown)) <= WIDTH
    assert "  measure_bias  running   goes on after step 500" in [line.rstrip() for line in shown]
    (last,) = {line for line in shown if "loss 0.123" in line}
    assert ("60m left" in last, " of 36," in last) == (True, rates.price_per_hour is not None)
    watcher.progress("measure_bias", 1, 4, "another part of the step")
    assert watcher.since[1:] == (1, 4)


def test_what_is_cut_is_marked() -> None:
    """A text that does not fit ends in dots."""
    assert shorten("abcdefghij", 10) == "abcdefghij"
    assert shorten("abcdefghijk", 10) == "abcdefg..."


def test_a_log_is_told_how_far_a_step_is_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no bar can be shown there is a line every thirty seconds, with what is done, of how much, and what is left."""
    screen, clock = StringIO(), [1000.0]
    monkeypatch.setattr("graft_cli.watcher.console", lambda: Console(file=screen, width=WIDTH, force_terminal=False))
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    watcher = Watcher()
    watcher.started("embed")
    for done in range(32, 3201, 32):
        clock[0] += 1.0
        watcher.progress("embed", done, 3200, "texts")
    lines = [line.split(" ", 1)[1] for line in screen.getvalue().splitlines()]
    assert [" ".join(line.split()[:6]) for line in lines] == [
        "embed running 960 of 3,200, texts,",
        "embed running 1,920 of 3,200, texts,",
        "embed running 2,880 of 3,200, texts,",
    ]
    assert all(line.endswith("left") for line in lines)


@pytest.mark.parametrize("error", [None, InputError("no rows"), KeyboardInterrupt()])
def test_whatever_ends_the_work_its_bar_is_taken_away(error: BaseException | None) -> None:
    """A listener hears that the work has ended, also where an error or a person ended it."""
    closed = []

    class Bar(Listener):
        def close(self) -> None:
            closed.append(True)

    with pytest.raises(type(error)) if error else nullcontext(), watched(Bar()):
        if error:
            raise error
    assert closed == [True]
