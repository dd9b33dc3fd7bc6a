"""All rows of one finding, with their texts."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import pyarrow.parquet as pq
from rich.text import Text

from graft.errors import InputError, nearest
from graft.records import DatasetRecord, Finding, ValidationRecord
from graft_cli.terminal import WIDTH, console, shorten
from graft_tasks.datasets.findings import rows_of, with_contents
from graft_tasks.processes.locks import hold
from graft_tasks.workspace import Workspace

UNSEEN = "Test rows of classes not in train"
"""The check of validate that no class of test is absent from train."""
_MAX_CHARS = 1_000


class Rows(NamedTuple):
    """A finding, and each of its rows with label and text."""

    finding: Finding
    rows: list[dict[str, Any]]


def rows_of_finding(workspace: Workspace, dataset: DatasetRecord, record: ValidationRecord, wanted: str) -> Rows:
    """Return all rows of the finding that a person names, whole or in part.

    Raises:
        InputError: none or several findings are named so.
    """
    pairs = [(one, finding) for one in (dataset, record) for finding in one.findings]
    names = [finding.name for _, finding in pairs]
    folded = wanted.strip().casefold()
    tests: tuple[Callable[[str], bool], ...] = (
        lambda name: name == wanted.strip(),
        lambda name: name.casefold() == folded,
        lambda name: folded in name.casefold(),
    )
    found = ([pair for pair in pairs if is_meant(pair[1].name)] for is_meant in tests)
    chosen = next((some for some in found if some), [])
    if len(chosen) != 1:
        near = nearest(wanted, names)
        what = (
            f"{len(chosen)} findings are called {wanted[:80]!r}."
            if chosen
            else f"No finding is called {wanted[:80]!r}."
        )
        do = f"did you mean {near!r}?" if near else "name one of them"
        raise InputError(what, where="; ".join(names) or "there are none", do=do)
    of, finding = chosen[0]
    with hold(workspace.lock(record.recipe, "run"), record.recipe):
        named = rows_of(workspace, of, finding.name)
        return Rows(finding, with_contents(workspace, record.recipe, named))


def show_rows(rows: Rows) -> None:
    """Show each row with its label, and its text below."""
    out = console()
    n = rows.finding.n_rows
    out.print(Text(f"\n{rows.finding.name}: {n:,} row{'s' * (n != 1)}", style="bold"))
    for one in rows.rows:
        out.print(Text(f"  {one['row']}").append(f"  {shorten(one['label'], 60)}", style="bold"))
        for line in textwrap.wrap(shorten(one["content"], _MAX_CHARS), WIDTH - 4):
            out.print(Text(f"    {line}", style="dim"))


def class_counts(workspace: Workspace, recipe: str) -> dict[str, Counter[str]]:
    """Return the rows of each class on the training side and on the test side."""
    table = pq.read_table(workspace.rows(recipe), columns=["side", "label"])
    counts: dict[str, Counter[str]] = {"train": Counter(), "test": Counter()}
    for side, label in zip(table["side"].to_pylist(), table["label"].to_pylist(), strict=True):
        if side in counts and label:
            counts[side][label] += 1
    return counts
