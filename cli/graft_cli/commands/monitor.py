"""``graft monitor``: one production batch, shown."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from graft.errors import no_file
from graft_cli.kit import AsJson, Name, here, print_json
from graft_cli.terminal import WIDTH, console, headline_lines, next_lines, row, shorten, show
from graft_cli.watcher import progress_of

if TYPE_CHECKING:
    from graft.records import MonitorRecord, ShiftComparison, ShiftKind
    from graft.records.shift import ShiftName

N_ROWS, N_LETTERS = 5, 100
WORDS: dict[ShiftName, str] = {
    "covariate": "contents",
    "label": "mix",
    "concept": "labels",
    "unknown": "no class",
    "confidence": "confidence",
    "probabilities": "probabilities",
}
"""The kinds of shift in a word that fits the first column."""


def monitor(
    recipe: Name,
    batch: Annotated[Path, typer.Argument(metavar="BATCH", help="one production batch")],
    as_json: AsJson = False,
    strict: Annotated[bool, typer.Option("--strict", help="exit 4 unless the batch passed")] = False,
) -> None:
    """Look at one production batch: may it be used, and has the domain shifted?"""
    handle = here().recipe(recipe)
    if not batch.is_file():  # said before what computes is imported
        raise no_file(batch)
    handle.load()
    with progress_of("monitor", silent=as_json) as progress:
        from graft_tasks.commands.monitor import monitor as look_at
        from graft_tasks.commands.monitor import texts_of

        record = look_at(handle, batch, progress=progress)
    if as_json:
        from graft.presentation.facts import monitor_facts

        print_json(monitor_facts(record))
    else:
        console().print(
            f"{record.recipe}  champion {record.champion}  batch {record.batch}, {record.n_rows:,} rows\n", style="bold"
        )
        show_batch(record, texts_of(handle, batch, rows_to_show(record)))
        if record.is_alarm:
            show(next_lines((f"graft status {recipe}", "its open alarms")))
    if strict and record.outcome != "passed":
        raise typer.Exit(4)


def rows_to_show(record: MonitorRecord) -> list[str]:
    """Return the rows that are shown with their texts: those that most surely belong to no class."""
    return [row for comparison in record.comparisons for row in comparison.unknown_rows[:N_ROWS]]


def show_batch(record: MonitorRecord, texts: Mapping[str, str]) -> None:
    """Show what was compared and what came out.

    Args:
        texts: of rows by their names; a record holds none.
    """
    from graft.evaluation.wording import estimate_text
    from graft.presentation.titles import title

    out = console()
    failed = [check for check in record.checks if check.outcome == "failed"]
    n = len(record.checks)
    out.print(row("validate", "FAILED" if failed else "passed", f"{n - len(failed)} of {n} expectations hold"))
    for check in failed:
        out.print(row("", "failed", f"{title(check)}: {estimate_text(check.observed)}"))
    for comparison in record.comparisons:
        if comparison.n_overlapping:
            out.print(row("overlap", "left out", f"{comparison.n_overlapping:,} rows that the champion was trained on"))
        if comparison.shifted is None:
            out.print(row("shift", "open", comparison.because))
        for kind in comparison.kinds:
            out.print(row(*_line(kind, comparison)))
    out.print()
    show(headline_lines(*_verdict(record)))
    for comparison in record.comparisons:
        for paragraph in _shown_by(comparison, texts):
            show(Text(f"  {line}") for line in textwrap.wrap(paragraph, WIDTH - 2))


def _line(kind: ShiftKind, comparison: ShiftComparison) -> tuple[str, str, str]:
    """Return one kind of shift in a line: its name, what came of it, and how large it is beside its bound."""
    from graft.evaluation.wording import estimate_text
    from graft.shift.wording import chance

    word = "ALARM" if kind.found else "small" if kind.is_small else "passed" if kind.found is False else "open"
    if kind.name == "covariate":
        word = "ALARM" if comparison.shifted else word
        return (
            WORDS[kind.name],
            word,
            f"AUC {estimate_text(comparison.auc)}, {chance(comparison.p_value)}"
            if comparison.auc and comparison.p_value
            else "",
        )
    if kind.name != "unknown" or kind.size is None or kind.p_value is None:
        return WORDS[kind.name], word, kind.because
    return WORDS[kind.name], word, f"{estimate_text(kind.size)}, {chance(kind.p_value)}"


def _shown_by(comparison: ShiftComparison, texts: Mapping[str, str]) -> list[str]:
    """Return what kind of shift it is, what shows it and what to do, a paragraph each."""
    from graft.presentation.formatting import mean
    from graft.shift.wording import KINDS

    if not comparison.is_alarming:
        return [f"a small difference, {KINDS[kind.name]}: {_small(kind)}" for kind in comparison.small]
    kinds = [
        f"{KINDS[kind.name]}: {kind.because}"
        for kind in comparison.kinds
        if kind.found or kind.is_small or (kind.name == "covariate" and comparison.shifted)
    ]
    strange = [
        f"{row_name}, belongs to no class: {shorten(texts.get(row_name, ''), N_LETTERS)}".removesuffix(": ")
        for row_name in comparison.unknown_rows[:N_ROWS]
    ]
    more = len(comparison.unknown_rows) - len(strange)
    strange += [f"and {more} more, in the record"] if more > 0 else []
    signs = [f"{sign.name} {mean(sign, sign.reference)} -> {mean(sign, sign.current)}" for sign in comparison.signs[:5]]
    shares = [f"{share.label} {share.reference:.0%} -> {share.current:.0%}" for share in comparison.shares[:3]]
    paragraphs = {"shown by": signs, "classes": shares, "least like them": list(comparison.most_shifted)}
    listed = [f"{name}: {', '.join(items)}" for name, items in paragraphs.items() if items]
    return [*kinds, *strange, *listed, *([comparison.advice] if comparison.advice else [])]


def _small(kind: ShiftKind) -> str:
    """Return what is significant and yet smaller than what matters, with the bound."""
    from graft.shift.wording import chance

    if kind.name == "covariate" and kind.size and kind.bound is not None and kind.p_value is not None:
        return f"AUC {kind.size.value:.3f}, an alarm above {kind.bound:g} ({chance(kind.p_value)})"
    return f"{kind.because}, an alarm from {kind.bound:.0%} on"


def _verdict(record: MonitorRecord) -> tuple[str, str]:
    from graft.presentation.titles import title

    titles = [title(check) for check in record.checks if check.outcome == "failed"]
    failed = [one[0].lower() + one[1:] for one in titles]
    if failed:
        return "REFUSED", f"This batch is damaged: {'; '.join(failed)}."
    if record.is_alarm:
        return "ALARM", "This batch is unlike what the champion knows."
    if record.outcome == "cannot_tell":
        why = (comparison.because for comparison in record.comparisons if comparison.shifted is None)
        untold = (
            kind.because for comparison in record.comparisons for kind in comparison.kinds if kind.name == "unknown"
        )
        return "OPEN", f"Cannot tell: {[*why, *untold][0]}. Nothing else was found."
    small = any(comparison.small for comparison in record.comparisons)
    return "PASSED", f"This batch is like what the champion knows{', but for small differences' if small else ''}."
