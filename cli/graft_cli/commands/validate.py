"""``graft validate``: may this data be trained on? What was found, and what can be repaired, without training anything."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from graft_cli.kit import AsJson, Name, here, print_changes, print_json
from graft_cli.terminal import STYLES, WIDTH, check_lines, console, next_lines, shorten, show
from graft_cli.watcher import Watcher, watched
from graft_tasks.processes.listener import NOBODY

if TYPE_CHECKING:
    from graft.records import Finding
    from graft_tasks.commands.validate import Validation, ValidationRows

_MAX_NAMED = 3
"""Rows that are named for each finding; the record names more."""
_MAX_CHARS = 1_000


def validate(
    recipe: Name,
    fix: Annotated[bool, typer.Option("--fix", help="repair what needs no person, as a new version")] = False,
    findings: Annotated[
        str | None, typer.Option(help="show all rows of the finding of this name, or part of it, with their texts")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what is odd about a recipe's data, and whether it may be trained on; train nothing."""
    from graft_tasks.commands.validate import ValidationRows, validate_recipe

    workspace = here()
    with watched(NOBODY if as_json else Watcher()) as listener:
        found = validate_recipe(
            workspace.recipe(recipe), fix=fix, finding=findings, begin=print_changes, listener=listener
        )
    if as_json:
        print_json(found)
    elif isinstance(found, ValidationRows):
        show_rows(found)
    else:
        show_validation(found)


def show_validation(found: Validation) -> None:
    """Show the expectations that do not hold, the findings, the worst first, and what comes next."""
    for check in found.checks:
        if check.outcome != "passed":
            show(check_lines(check))
    n = len(found.findings)
    count = f"{n} finding{'s' * (n != 1)} in {found.n_rows:,} rows"
    console().print(f"\n{count}" if n else "\nNothing odd was found.")
    for finding in found.findings:
        show(_finding_lines(finding))
    if found.hint:
        console().print(f"\n{found.hint}")
    show(next_lines(*_next(found)))


def show_rows(found: ValidationRows) -> None:
    """Show each row of a finding with its label, and its text below."""
    n = len(found.rows)
    show([Text(f"\n{found.finding}: {n:,} row{'s' * (n != 1)}", style="bold")])
    for row in found.rows:
        show([Text(f"  {row.row}").append(f"  {shorten(row.label, 60)}", style="bold")])
        show(Text(f"    {line}", style="dim") for line in textwrap.wrap(shorten(row.content, _MAX_CHARS), WIDTH - 4))


def _finding_lines(finding: Finding) -> list[Text]:
    """Return a finding: how bad, how many rows and what; below it which rows, what was done, and what to do."""
    first = Text(f"  {finding.severity:<8}", style=STYLES.get(finding.severity, ""))
    first.append(f"{finding.n_rows:>8,}  {finding.name}", style="not bold default")
    more = finding.n_rows - len(finding.rows[:_MAX_NAMED])
    rows = ", ".join(finding.rows[:_MAX_NAMED]) + (f" and {more:,} more" if more > 0 and finding.rows else "")
    about = "; ".join(part for part in (rows, finding.done, finding.do) if part)
    wrapped = textwrap.wrap(shorten(about, 400), WIDTH - 20)
    return [first, *(Text(" " * 20 + line, style="dim") for line in wrapped)]


def _next(found: Validation) -> list[tuple[str, str]]:
    """Return the commands that come next."""
    name = found.recipe
    pairs = [(f"graft run {name}", "train on it")]
    if not found.passed:
        pairs = [(f"edit recipes/{name}.yaml", "if a bound is too strict")]
    if found.mended is None and any("--fix" in finding.do for finding in found.findings):
        pairs.insert(0, (f"graft validate {name} --fix", "repair what needs no person, as a new version"))
    if any(finding.n_rows > _MAX_NAMED for finding in found.findings):
        pairs.append((f"graft validate {name} --findings WORD", "all rows of a finding, and their texts"))
    return pairs
