"""Whether a recipe's data may be trained on, what is odd about it, and what can be repaired; nothing is trained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial

import pyarrow.parquet as pq
from pydantic import Field

from graft.data import strange_labels
from graft.presentation.facts import CheckFacts, check_facts
from graft.records import DatasetRecord, Finding, ValidationRecord, Value, load_record
from graft_tasks.commands.prepare import Prepared, prepared
from graft_tasks.datasets.findings import Row, find_finding, rows_of, with_contents
from graft_tasks.datasets.repair import Repaired, repair
from graft_tasks.dvc.repro import reproduce
from graft_tasks.processes.events import Event, Progress
from graft_tasks.processes.listener import NOBODY, Listener
from graft_tasks.processes.locks import hold
from graft_tasks.recipe_handle import RecipeHandle

STEPS = ("ingest", "validate")
_ORDER = ("error", "warning", "note")
_UNSEEN = "validate.unseen_classes"
"""The check of validate that no class of test is absent from train."""


class Validation(Value):
    """What was found in a recipe's data. Findings come with the worst first, and close no gate."""

    recipe: str
    n_rows: int
    passed: bool = Field(description="every expectation holds: the data may be trained on")
    mended: Repaired | None = Field(description="what --fix repaired; null: it was not asked for")
    checks: tuple[CheckFacts, ...]
    findings: tuple[Finding, ...]
    hint: str = Field(
        description="classes of test that look like others of train, in a sentence; empty: there are none"
    )


class ValidationRows(Validation):
    """The same, and all rows of one finding."""

    finding: str = Field(description="its name")
    rows: tuple[Row, ...]


def validate_recipe(
    handle: RecipeHandle,
    *,
    fix: bool = False,
    finding: str | None = None,
    begin: Callable[[Prepared], None] = lambda _: None,
    listener: Listener = NOBODY,
) -> Validation:
    """Ingest and validate a recipe's dataset; repair what needs no person if asked to, and do so again.

    Args:
        finding: a finding's name, or a part of it: all rows of it are returned too, as ``ValidationRows``.
        begin: called with the recipe, held and pinned, before its steps.

    Raises:
        InputError: recipe or dataset are not right, or none or several findings are named so.
        BusyError: the recipe is being run.
        StepError: a step, git or DVC failed.
    """
    dataset, record = _run_steps(handle, begin, listener)
    repaired = None
    if fix:
        repaired = repair(handle)
        _report(repaired, listener)
        if repaired.file:
            dataset, record = _run_steps(handle, begin, listener)
    findings = sorted((*dataset.findings, *record.findings), key=lambda odd: _ORDER.index(odd.severity))
    found = Validation(
        recipe=handle.name,
        n_rows=dataset.n_rows,
        passed=record.passed,
        mended=repaired,
        checks=check_facts(record.checks),
        findings=tuple(findings),
        hint=_hint(handle, record),
    )
    if finding is None:
        return found
    source, meant = find_finding((dataset, record), finding)
    with hold(handle.lock("run"), handle.name):
        rows = with_contents(handle, rows_of(handle.workspace, source, meant.name))
    return ValidationRows(
        **{key: getattr(found, key) for key in Validation.model_fields}, finding=meant.name, rows=rows
    )


def _run_steps(
    handle: RecipeHandle, begin: Callable[[Prepared], None], listener: Listener
) -> tuple[DatasetRecord, ValidationRecord]:
    """Reproduce the two stages that read data and validate it."""
    found = []
    with prepared(handle, finishes=False) as ready:
        begin(ready)
        for step in STEPS:
            listener.started(step)
            reproduce(handle.workspace.root, step, handle.name, partial(_pass_on, listener, step))
            found.append(load_record(handle.record(step), step))
            listener.finished(step, found[-1], reused=False)
    dataset, record = found
    assert isinstance(dataset, DatasetRecord)  # noqa: S101 - neither is ever skipped
    assert isinstance(record, ValidationRecord)  # noqa: S101
    return dataset, record


def _pass_on(listener: Listener, step: str, event: Event) -> None:
    if isinstance(event, Progress):
        listener.progress(step, event.done, event.total, event.note)


def _report(repaired: Repaired, listener: Listener) -> None:
    if repaired.file:
        counts = f"{repaired.n_changed:,} rows changed, {repaired.n_dropped:,} removed"
        listener.effect("repair", "repaired", f"{counts}, in {repaired.file}")
    else:
        listener.effect("repair", "none", "nothing here can be repaired without a person")


def _hint(handle: RecipeHandle, record: ValidationRecord) -> str:
    """Return what classes test has that train lacks, where these are all, in a sentence."""
    if all(check.id != _UNSEEN or check.outcome == "passed" for check in record.checks):
        return ""
    table = pq.read_table(handle.rows, columns=["side", "label"])
    counts: dict[str, Counter[str]] = {"train": Counter(), "test": Counter()}
    for side, label in zip(table["side"].to_pylist(), table["label"].to_pylist(), strict=True):
        if side in counts and label:
            counts[side][label] += 1
    return strange_labels(counts["train"], counts["test"])
