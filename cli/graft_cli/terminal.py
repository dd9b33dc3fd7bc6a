"""How commands look: at most 80 columns, ASCII, words before symbols; a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
import textwrap
import time
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.text import Text

from graft.evaluation.wording import bound, said
from graft.presentation.formatting import outcome
from graft.records import Check, DecisionRecord, EvaluationRecord, Record
from graft_flows.progress import Sparse, how_far
from graft_tasks.steps.cost import Rates

STYLES = {
    "passed": "blue",
    "PROMOTE": "bold blue",
    "champion": "blue",
    "intact": "blue",
    "INTACT": "bold blue",
    "FAILED": "bold red",
    "failed": "bold red",
    "broken": "bold red",
    "BROKEN": "bold red",
    "ALARM": "bold red",
    "REFUSED": "bold red",
    "REJECT": "bold red",
    "HOLD": "bold yellow",
    "FORCED": "bold yellow",
    "open": "yellow",
    "skipped": "dim",
    "not run": "dim",
}
WIDTH = 80
OF_A_CHECKPOINT = ("goes on after", "starts anew")
"""How a note of progress begins that a person should not miss: it stands alone, in a line that stays."""


class _Plain(Console):
    """A console that prints what it is given as text: names and cells in it come from files, and may hold anything."""

    def print(self, *objects: Any, **options: Any) -> None:
        super().print(*map(_plain, objects), **options)


def _plain(shown: Any) -> Any:
    """Return a text whose control characters are blanks; line breaks stay, and so does what is no text."""
    if isinstance(shown, Text):
        shown.plain = _plain(shown.plain)
    elif isinstance(shown, str):
        return "".join(c if c.isprintable() or c == "\n" else " " for c in shown)
    return shown


def console(*, stderr: bool = False) -> Console:
    """Return a console that is plain off a terminal, whatever the environment forces."""
    stream = sys.stderr if stderr else sys.stdout
    live = stream.isatty() and os.environ.get("TERM") != "dumb"
    return _Plain(
        file=stream,
        width=WIDTH,
        force_terminal=live,
        force_interactive=live,
        highlight=False,
        soft_wrap=not live,
        emoji=False,
        markup=False,
    )


def row(word: str, outcome_: str, detail: str, took: str = "") -> Text:
    """Return one line: what, outcome, detail, and how long it took at the right edge."""
    room = WIDTH - 2 - 14 - 10 - (len(took) + 1 if took else 0)
    text = Text("  ")
    text.append(f"{word:<14}")
    text.append(f"{outcome_:<10}", style=STYLES.get(outcome_, ""))
    text.append(shorten(detail, room).ljust(room) if took else shorten(detail, room))
    if took:
        text.append(f" {took}", style="dim")
    return text


def shorten(text: str, width: int) -> str:
    """Return a text cut to a width, marked where it was cut; line breaks and control characters become blanks."""
    plain = "".join(c if c.isprintable() else " " for c in text)
    return plain if len(plain) <= width else plain[: width - 3].rstrip() + "..."


def human(seconds: float) -> str:
    """Return a duration as people say it."""
    if seconds < 90:
        return f"{seconds:.0f}s"
    minutes = round(seconds / 60)
    return f"{minutes}m" if minutes < 90 else f"{minutes // 60}h {minutes % 60:02d}m"


def outlook(pace: float, n_left: int, spent: float, rates: Rates) -> str:
    """Return the time that a step still takes and, where a price is known, the money that it takes so far and in all.

    Args:
        pace: seconds for each of its parts.
        n_left: parts to do.
        spent: seconds since it began.
    """
    left = pace * n_left
    so_far, in_all = rates.price(spent), rates.price(spent + left)
    money = "" if so_far is None or in_all is None else f", {so_far:,.2f} of {in_all:,.2f} {rates.currency}"
    return f"{human(left)} left{money}"


def check_lines(check: Check) -> list[Text]:
    """Return a check that did not pass: outcome, what was seen, the bound, and why."""
    word = "failed" if check.outcome == "failed" else "cannot tell"
    note = f" {check.note[0].upper()}{check.note[1:]}." if check.note else ""
    held = "" if check.holds else ", noted by policy"
    body = f"{check.name}: {said(check.observed)}, bound {bound(check)}{held}.{note}"
    wrapped = textwrap.wrap(shorten(body, 400), WIDTH - 15) or [""]
    first = Text("  ").append(f"{word:<13}", style=STYLES.get(word, "yellow")).append(wrapped[0])
    return [first, *(Text(" " * 15 + line) for line in wrapped[1:])]


class Watcher:
    """Shows a flow's steps as they run: a bar and a line each on a terminal, dated plain lines elsewhere."""

    def __init__(self, rates: Rates | None = None) -> None:
        self.rates = rates or Rates()
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
            self.bar = Progress(
                TextColumn("  {task.fields[step]:<14}"),
                BarColumn(bar_width=20 if self.rates.price_per_hour is None else 4),
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
        self._stop()
        took = "as before" if reused else human(time.monotonic() - self.began)
        detail = "" if record.status == "skipped" else record.summary
        self.line(step, outcome(record), "" if detail == "written" else detail, took)

    def effect(self, name: str, outcome_: str, detail: str) -> None:
        self.line(name, outcome_, detail, "")

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


def verdict_lines(decision: DecisionRecord, results: list[Text] | None = None) -> list[Text]:
    """Return the verdict with the fact that decided, results if there are any, what to do, and every check that did not pass."""
    lines = [Text(""), *headline_lines(decision.verdict.upper(), decision.headline)]
    if results or decision.do:
        lines += [Text(""), *(results or [])]
    if decision.do:
        lines += _named("do", textwrap.wrap(shorten(decision.do, 400), WIDTH - 15))
    odd = [c for c in decision.checks if c.outcome == "failed"] + [
        c for c in decision.checks if c.outcome == "cannot_tell"
    ]
    if odd:
        lines.append(Text(""))
    for check in odd[:6]:
        lines += check_lines(check)
    if len(odd) > 6:
        lines.append(Text(f"  and {len(odd) - 6} more, in the report"))
    return lines


def result_lines(evaluation: EvaluationRecord, strategy: str) -> list[Text]:
    """Return the candidate's accuracy beside that of the best model that costs next to nothing, and their difference."""
    right, rival = evaluation.accuracy.get("candidate"), evaluation.rival(strategy)
    if right is None:
        return []
    f1 = evaluation.macro_f1.get("candidate")
    lines = _named("accuracy", [said(right) + (f"; macro F1 {f1.value:.3f}" if f1 else "")])
    if rival:
        name = (evaluation.cheap_model or "training from scratch") if rival == "scratch" else "the base without tuning"
        lines += _named("best rival", textwrap.wrap(f"{said(evaluation.accuracy[rival])}; {name}", WIDTH - 15))
        lines += _named("difference", [said(evaluation.differences[rival])])
    return lines


def _named(name: str, wrapped: list[str]) -> list[Text]:
    """Return a fact under its name, wrapped."""
    return [Text(f"  {name if k == 0 else '':<13}{line}") for k, line in enumerate(wrapped)]


def headline_lines(word: str, sentence: str) -> list[Text]:
    """Return a verdict in its colour and its sentence, wrapped."""
    wrapped = textwrap.wrap(shorten(sentence, 1000), WIDTH - len(word) - 2) or [""]
    first = Text(word, style=STYLES.get(word, "bold")).append(f"  {wrapped[0]}", style="not bold default")
    return [first, *(Text(" " * (len(word) + 2) + line) for line in wrapped[1:])]


def next_lines(*pairs: tuple[str, str]) -> list[Text]:
    """Return the commands that come next, each with what it does."""
    width = max(len(command) for command, _ in pairs) + 4
    lines = [Text(""), Text("Next", style="bold")]
    for command, what in pairs:
        lines.append(Text(f"  {command:<{width}}").append(what, style="dim"))
    return lines
