"""How commands look: at most 80 columns, ASCII, words before symbols."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console

    from graft.records import Check
    from graft_tasks.commands.run import Comparison, RunResult

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
_MAX_CHECKS = 6


def console() -> Console:
    """Return a console that is plain off a terminal, whatever the environment forces."""
    from graft_cli.plain_console import PlainConsole

    live = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    return PlainConsole(
        file=sys.stdout,
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


def check_lines(check: Check) -> list[Text]:
    """Return a check that did not pass: outcome, what was seen, the bound, and why."""
    from graft.evaluation.wording import bound, estimate_text
    from graft.presentation.titles import title

    word = "failed" if check.outcome == "failed" else "cannot tell"
    note = f" {check.note[0].upper()}{check.note[1:]}." if check.note else ""
    held = "" if check.holds else ", noted by policy"
    body = f"{title(check)}: {estimate_text(check.observed)}, bound {bound(check)}{held}.{note}"
    wrapped = textwrap.wrap(shorten(body, 400), WIDTH - 15) or [""]
    first = Text("  ").append(f"{word:<13}", style=STYLES.get(word, "yellow")).append(wrapped[0])
    return [first, *(Text(" " * 15 + line) for line in wrapped[1:])]


def verdict_lines(result: RunResult) -> list[Text]:
    """Return the verdict and the fact that decided, what the candidate reached, what to do, and the checks that did not pass."""
    lines = [Text(""), *headline_lines(result.verdict.upper(), result.headline)]
    if result.comparison or result.do:
        lines += [Text(""), *(_comparison_lines(result.comparison) if result.comparison else [])]
    if result.do:
        lines += _named("do", textwrap.wrap(shorten(result.do, 400), WIDTH - 15))
    failed, open_ = ([check for check in result.checks if check.outcome == word] for word in ("failed", "cannot_tell"))
    lines += [Text("")] if failed or open_ else []
    for check in (*failed, *open_)[:_MAX_CHECKS]:
        lines += check_lines(check)
    if (more := len(failed) + len(open_) - _MAX_CHECKS) > 0:
        lines.append(Text(f"  and {more} more, in the report"))
    return lines


def _comparison_lines(found: Comparison) -> list[Text]:
    """Return the candidate's accuracy beside that of the best model that costs next to nothing, and their difference."""
    from graft.evaluation.wording import estimate_text

    f1 = found.macro_f1
    lines = _named("accuracy", [estimate_text(found.accuracy) + (f"; macro F1 {f1.value:.3f}" if f1 else "")])
    if found.rival_accuracy and found.difference:
        is_cheap = found.rival == "scratch"
        name = (found.cheap_model or "training from scratch") if is_cheap else "the base without tuning"
        lines += _named("best rival", textwrap.wrap(f"{estimate_text(found.rival_accuracy)}; {name}", WIDTH - 15))
        lines += _named("difference", [estimate_text(found.difference)])
    return lines


def show(lines: Iterable[Text | str]) -> None:
    """Print lines."""
    out = console()
    for line in lines:
        out.print(line)


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
