"""``graft monitor``: one production batch, shown."""

from __future__ import annotations

import textwrap
from pathlib import Path

from rich.text import Text

from flows.terminal import WIDTH, Watcher, console, headline_lines, next_lines, row, said
from graft.errors import InputError
from graft.records import MonitorRecord, ShiftComparison
from graft.report.words import mean
from graft.shift.words import KINDS, chance
from tasks.workspace import Workspace


def monitor_batch(
    workspace: Workspace, name: str, batch: Path, *, show: bool = True, title: bool = True
) -> MonitorRecord:
    """Look at a batch and show what came out."""
    if not batch.is_file():
        raise InputError(f"There is no file {batch.name}.", where=str(batch), do="check the path")
    workspace.recipe(name)
    watcher = Watcher()
    if show:
        watcher.started("monitor")
    from tasks.monitor import monitor

    try:
        record = monitor(
            workspace, name, batch, progress=lambda d, t, n: watcher.progress("monitor", d, t, n) if show else None
        )
    finally:
        watcher.close()
    if show:
        _show(record, title=title)
    return record


def _show(record: MonitorRecord, *, title: bool) -> None:
    out = console()
    if title:
        out.print(
            f"{record.recipe}  champion {record.champion}  batch {record.batch}, {record.n_rows:,} rows\n", style="bold"
        )
    failed = [check for check in record.checks if check.outcome == "failed"]
    n = len(record.checks)
    out.print(row("validate", "FAILED" if failed else "passed", f"{n - len(failed)} of {n} expectations hold"))
    for check in failed:
        out.print(row("", "failed", f"{check.name}: {said(check.observed)}"))
    for one in record.comparisons:
        word = "ALARM" if one.is_alarming else "passed" if one.shifted is False else "open"
        p = "" if one.p_value is None else f", {chance(one.p_value)}"
        out.print(row("shift", word, f"AUC {said(one.auc)}{p}" if one.auc else one.because))
    out.print()
    for line in headline_lines(*_verdict(record)):
        out.print(line)
    for one in record.comparisons:
        for line in _shown_by(one):
            for text in textwrap.wrap(line, WIDTH - 2):
                out.print(Text(f"  {text}"))
    if not record.passed and title:
        for line in next_lines((f"graft status {record.recipe}", "its open alarms")):
            out.print(line)


def _shown_by(one: ShiftComparison) -> list[str]:
    """Return what kind of shift it is, what shows it and what to do, a paragraph each."""
    if not one.is_alarming:
        return []
    kinds = [f"{KINDS[kind.name]}: {kind.because}" for kind in one.kinds if kind.found or kind.name == "covariate"]
    signs = [f"{sign.name} {mean(sign, sign.reference)} -> {mean(sign, sign.current)}" for sign in one.signs[:5]]
    shares = [f"{share.label} {share.reference:.0%} -> {share.current:.0%}" for share in one.shares[:3]]
    paragraphs = {"told by": signs, "classes": shares, "least like them": list(one.most_shifted)}
    listed = [f"{name}: {', '.join(items)}" for name, items in paragraphs.items() if items]
    return [*kinds, *listed, *([one.advice] if one.advice else [])]


def _verdict(record: MonitorRecord) -> tuple[str, str]:
    failed = [check.name[0].lower() + check.name[1:] for check in record.checks if check.outcome == "failed"]
    if failed:
        return "REFUSED", f"This batch is damaged: {'; '.join(failed)}."
    if any(one.is_alarming for one in record.comparisons):
        return "ALARM", "This batch is unlike what the champion was trained on."
    if any(one.shifted is None for one in record.comparisons):
        return "OPEN", f"Cannot tell: {record.comparisons[0].because}."
    return "PASSED", "This batch is like what the champion was trained on."
