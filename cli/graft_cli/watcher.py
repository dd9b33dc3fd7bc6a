"""Work that is watched: a bar on a terminal, dated plain lines elsewhere, nothing with ``--json``."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.text import Text

from graft_cli.terminal import console, human, row, shorten
from graft_tasks.processes.listener import NOBODY, Listener
from graft_tasks.processes.progress import Sparse, how_far

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from graft.records import Record
    from graft_tasks.steps.cost import Rates

OF_A_CHECKPOINT = ("goes on after", "starts anew")
"""How a note of progress begins that a person should not miss: it stands alone, in a line that stays."""


class Watcher(Listener):
    """Shows a run's steps: a bar and a line each on a terminal, dated plain lines elsewhere.

    Args:
        rates: what this machine costs; where a price is known, the bar shows the money too.
    """

    def __init__(self, rates: Rates | None = None) -> None:
        self.rates = rates
        self.out = console()
        self.live = self.out.is_terminal
        self.bar: Progress | None = None
        self.task: TaskID | None = None
        self.began = time.monotonic()
        self.pace = Sparse()
        self.since = (0.0, 0, 0)

    def started(self, step: str) -> None:
        self.began, self.pace = time.monotonic(), Sparse()
        self.since = (self.began, 0, 0)
        if self.live:
            from rich.progress import BarColumn, Progress, TextColumn

            is_priced = self.rates is not None and self.rates.price_per_hour is not None
            self.bar = Progress(
                TextColumn("  {task.fields[step]:<14}"),
                BarColumn(bar_width=4 if is_priced else 20),
                TextColumn("{task.fields[note]}"),
                TextColumn("{task.fields[left]}", style="cyan"),
                console=self.out,
                transient=True,
            )
            self.task = self.bar.add_task("", total=None, step=step, note="", left="")
            self.bar.start()

    def progress(self, step: str, done: int, total: int, note: str) -> None:
        now = time.monotonic()
        if note.startswith(OF_A_CHECKPOINT):
            self.line(step, "running", note, "")
        since, done_then, total_then = self.since
        if total != total_then or done <= done_then:  # what was done by now, an earlier run may have done: no pace yet
            self.since, left = (now, done, total), ""
        else:
            left = outlook((now - since) / (done - done_then), total - done, now - self.began, self.rates)
        if self.bar is not None and self.task is not None:
            self.bar.update(self.task, completed=done, total=total, note=shorten(note, 28), left=left)
        elif self.pace.is_due():
            self._plain(step, "running", how_far(done, total, note, left))

    def finished(self, step: str, record: Record, *, reused: bool) -> None:
        from graft.presentation.formatting import outcome

        self._stop()
        took = "as before" if reused else human(time.monotonic() - self.began)
        detail = "" if record.status == "skipped" else record.summary
        self.line(step, outcome(record), "" if detail == "written" else detail, took)

    def effect(self, name: str, outcome: str, detail: str) -> None:
        self.line(name, outcome, detail, "")

    def line(self, word: str, outcome_: str, detail: str, took: str) -> None:
        if self.live:
            self.out.print(row(word, outcome_, detail, took))
        else:
            self._plain(word, outcome_, f"{detail} ({took})" if took else detail)

    def close(self) -> None:
        self._stop()

    def _stop(self) -> None:
        if self.bar is not None:
            self.bar.stop()
            self.bar = None

    def _plain(self, word: str, outcome_: str, detail: str) -> None:
        now = datetime.now(UTC).strftime("%H:%M:%SZ")
        self.out.print(Text(f"{now} {word:<13} {outcome_:<9} {shorten(detail, 400)}".rstrip()))


@contextmanager
def watched(listener: Listener) -> Iterator[Listener]:
    """Have a listener hear of what the block does; whatever ends the block, no bar is left on the terminal."""
    try:
        yield listener
    finally:
        listener.close()


@contextmanager
def progress_of(step: str, *, silent: bool) -> Iterator[Callable[[int, int, str], None]]:
    """Show how far one piece of work is while the block does it; yield what takes its progress.

    Args:
        silent: show nothing, as with ``--json``.
    """
    with watched(NOBODY if silent else Watcher()) as listener:
        listener.started(step)
        yield lambda done, total, note: listener.progress(step, done, total, note)


def outlook(pace: float, n_left: int, spent: float, rates: Rates | None) -> str:
    """Return the time that a step still takes and, where a price is known, the money that it takes so far and in all.

    Args:
        pace: seconds for each of its parts.
        n_left: parts to do.
        spent: seconds since it began.
    """
    left, money = pace * n_left, ""
    if rates is not None:
        so_far, in_all = rates.price(spent), rates.price(spent + left)
        money = "" if so_far is None or in_all is None else f", {so_far:,.2f} of {in_all:,.2f} {rates.currency}"
    return f"{human(left)} left{money}"
