"""``graft validate``: may this data be trained on? What was found, and what can be mended, without training anything."""

from __future__ import annotations

import sys
import textwrap
from typing import Any

from rich.text import Text

from graft.data import strange_labels
from graft.records import DatasetRecord, Finding, ValidationRecord, load_record
from graft_cli.findings import UNSEEN, class_counts, rows_of_finding, show_rows
from graft_cli.terminal import STYLES, WIDTH, Watcher, check_lines, console, headline_lines, next_lines, shorten
from graft_tasks.datasets.repair import Repaired, repair
from graft_tasks.dvc.pipeline import bring_forward
from graft_tasks.dvc.recover import recover
from graft_tasks.dvc.repro import reproduce
from graft_tasks.processes.locks import hold
from graft_tasks.registry.pin import pin
from graft_tasks.workspace import Workspace

STEPS = ("ingest", "validate")
ORDER = ("error", "warning", "note")
_MAX_NAMED = 3
"""Rows that are named for each finding; the record names more."""


def validate_recipe(
    workspace: Workspace, name: str, *, fix: bool, wanted: str | None = None, show: bool = True
) -> dict[str, Any]:
    """Ingest and validate a recipe's dataset; mend what can be mended if asked to, and look again. Returns the facts.

    Args:
        wanted: a finding, or a part of its name: all rows of it are shown.
    """
    dataset, record = _look(workspace, name, show=show)
    mended = None
    if fix:
        mended = repair(workspace, name)
        if show:
            _show_mended(mended)
        if mended.file:
            dataset, record = _look(workspace, name, show=show)
    rows = rows_of_finding(workspace, dataset, record, wanted) if wanted is not None else None
    if show and rows is not None:
        show_rows(rows)
    elif show:
        _show(name, dataset, record, is_mended=mended is not None)
        if said := _strange(workspace, name, record):
            console().print(f"\n{said}")
    return {
        "recipe": name,
        "passed": record.passed,
        "mended": mended.plain() if mended else None,
        "checks": [check.model_dump(mode="json") for check in record.checks],
        "findings": [finding.model_dump(mode="json") for finding in _ranked(dataset, record)],
        **({"finding": rows.finding.name, "rows": rows.rows} if rows is not None else {}),
    }


def _strange(workspace: Workspace, name: str, record: ValidationRecord) -> str:
    """Return what classes test has that train lacks, where these are all, in a sentence."""
    if all(check.name != UNSEEN or check.outcome == "passed" for check in record.checks):
        return ""
    counts = class_counts(workspace, name)
    return strange_labels(counts["train"], counts["test"])


def _look(workspace: Workspace, name: str, *, show: bool) -> tuple[DatasetRecord, ValidationRecord]:
    """Reproduce the two stages that a look at data takes."""
    watcher = Watcher()
    found = []
    with hold(workspace.lock(name, "run"), name):
        recover(workspace, name)
        pin(workspace, name)
        for sentence in bring_forward(workspace, name):
            print(sentence, file=sys.stderr)  # noqa: T201 - not among the facts
        try:
            for step in STEPS:
                if show:
                    watcher.started(step)
                reproduce(workspace.root, step, name, lambda line, step=step: _hear(watcher, step, line, show=show))
                found.append(load_record(workspace.record(name, step), step))
                if show:
                    watcher.finished(step, found[-1], reused=False)
        finally:
            watcher.close()
    dataset, record = found
    assert isinstance(dataset, DatasetRecord)  # noqa: S101 - neither is ever skipped
    assert isinstance(record, ValidationRecord)  # noqa: S101
    return dataset, record


def _hear(watcher: Watcher, step: str, line: str, *, show: bool) -> None:
    if show and line.startswith("progress\t"):
        _, done, total, note = line.split("\t", 3)
        watcher.progress(step, int(done), int(total), note)


def _ranked(dataset: DatasetRecord, record: ValidationRecord) -> list[Finding]:
    """Return every finding, the worst first."""
    return sorted((*dataset.findings, *record.findings), key=lambda finding: ORDER.index(finding.severity))


def _show(name: str, dataset: DatasetRecord, record: ValidationRecord, *, is_mended: bool) -> None:
    out = console()
    for check in record.checks:
        if check.outcome != "passed":
            for line in check_lines(check):
                out.print(line)
    findings = _ranked(dataset, record)
    count = f"{len(findings)} finding{'s' * (len(findings) != 1)} in {dataset.n_rows:,} rows"
    out.print(f"\n{count}" if findings else "\nNothing odd was found.")
    for finding in findings:
        for line in _finding_lines(finding):
            out.print(line)
    if record.passed:
        pairs = [(f"graft run {name}", "train on it")]
    else:
        pairs = [(f"edit recipes/{name}.yaml", "if a bound is too strict")]
    if not is_mended and any("--fix" in finding.do for finding in findings):
        pairs.insert(0, (f"graft validate {name} --fix", "mend what needs no person, as a new version"))
    if any(finding.n_rows > _MAX_NAMED for finding in findings):
        pairs.append((f"graft validate {name} --findings WORD", "all rows of a finding, and their texts"))
    for line in next_lines(*pairs):
        out.print(line)


def _finding_lines(finding: Finding) -> list[Text]:
    """Return a finding: how bad, how many rows and what; below it which rows, what was done, and what to do."""
    first = Text(f"  {finding.severity:<8}", style=STYLES.get(finding.severity, ""))
    first.append(f"{finding.n_rows:>8,}  {finding.name}", style="not bold default")
    more = finding.n_rows - len(finding.rows[:_MAX_NAMED])
    rows = ", ".join(finding.rows[:_MAX_NAMED]) + (f" and {more:,} more" if more > 0 and finding.rows else "")
    about = "; ".join(part for part in (rows, finding.done, finding.do) if part)
    wrapped = textwrap.wrap(shorten(about, 400), WIDTH - 20)
    return [first, *(Text(" " * 20 + line, style="dim") for line in wrapped)]


def _show_mended(mended: Repaired) -> None:
    sentence = "Nothing here can be mended without a person."
    if mended.file:
        sentence = (
            f"{mended.n_changed:,} rows mended, {mended.n_dropped:,} taken out, in {mended.file}; "
            "the files before it are as they were."
        )
    out = console()
    for line in ("", *headline_lines("MENDED" if mended.file else "AS IT WAS", sentence), ""):
        out.print(line)
