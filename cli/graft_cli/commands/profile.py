"""``graft profile``: what a file holds, shown."""

from __future__ import annotations

import shlex
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from graft_cli.kit import AsJson, print_json
from graft_cli.terminal import WIDTH, console, next_lines, shorten, show

if TYPE_CHECKING:
    from graft.data.profile.profile import Column, DataProfile

_ROLES = {"none": "", "leaks_label": "gives the label away"}
_MAX_COLUMNS = 40
_MAX_CLASSES = 8
_LEAST_ROOM = 24
"""A longer reason stands beside its role where so many characters are left, else below it."""
_JOINS = str.maketrans("_-", "aa")


def profile(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="a file of rows, or a folder of images or texts")],
    as_json: AsJson = False,
) -> None:
    """Say what a file holds: format, columns, classes, languages, and what each column seems to be. Writes nothing."""
    from graft.data import profile_data

    found = profile_data(path)
    if as_json:
        print_json(found)
        return
    show_profile(found)
    if not found.refusal:
        show(next_lines((f"graft new NAME --data {shlex.quote(str(path))}", "a recipe for these rows")))


def show_profile(found: DataProfile) -> None:
    """Show what was seen: form, columns with what they seem to be for, classes, languages, what is odd, advice."""
    out = console()
    show(Text(line, style="bold yellow") for line in textwrap.wrap(found.refusal, WIDTH))
    out.print(Text(f"{found.name}  {_form(found)}", style="bold"))
    splits = ", ".join(f"{split.n_rows:,} {split.name}" for split in found.splits if split.name != "all")
    rows = f"{splits} rows" if splits else f"{found.n_rows:,} row{'s' * (found.n_rows != 1)}"
    out.print(f"{rows}, {found.n_columns:,} column{'s' * (found.n_columns != 1)}\n")
    show(_column_lines(found.columns[:_MAX_COLUMNS]))
    if len(found.columns) > _MAX_COLUMNS:
        out.print(f"  and {len(found.columns) - _MAX_COLUMNS:,} more")
    if found.n_columns > len(found.columns):
        out.print(f"  Only the first {len(found.columns):,} columns were looked at.")
    facts = []
    if found.class_counts:
        facts.append(("classes", _counts(found.class_counts)))
    if found.languages:
        facts.append(("languages", _shares(found.languages)))
    if found.n_duplicates or found.n_conflicts:
        contents = f"{found.n_conflicts:,} content{'s' * (found.n_conflicts != 1)} with two labels"
        facts.append(("repeats", f"{found.n_duplicates:,} row{'s' * (found.n_duplicates != 1)}; {contents}"))
    out.print()
    for name, fact in facts:
        out.print(Text(textwrap.fill(fact, WIDTH, initial_indent=f"  {name:<11}", subsequent_indent=" " * 13)))
    for sentence in (*found.oddities, *found.advice):
        out.print(Text(textwrap.fill(shorten(sentence, 400), WIDTH, initial_indent="  - ", subsequent_indent="    ")))


def _column_lines(columns: tuple[Column, ...]) -> list[Text]:
    """Return a line for each column, with its likely role and the reason, wrapped and never cut."""
    cells = []
    for column in columns:
        filled = f"{column.n_distinct:,} value{'s' * (column.n_distinct != 1)}"
        empty = f", {column.n_empty:,} empty" if column.n_empty else ""
        cells.append((shorten(column.name, 24), column.kind, filled + empty, _ROLES.get(column.role, column.role)))
    name_width, kind_width, filled_width, role_width = (
        max(map(len, line), default=0) for line in zip(*cells, strict=True)
    )
    start = 2 + name_width + 2 + kind_width + 2 + filled_width + 2
    lines = []
    for column, (name, kind, filled, role) in zip(columns, cells, strict=True):
        plain = f"  {name:<{name_width}}  {kind:<{kind_width}}  {filled:<{filled_width}}"
        if not role:
            lines.append(Text(plain.rstrip()))
            continue
        indent = start + role_width + 2
        is_below = WIDTH - indent < min(_LEAST_ROOM, len(column.because))
        if is_below:
            indent = min(start, WIDTH - 2 * _LEAST_ROOM)
        because = f"\n{' ' * indent}".join(textwrap.wrap(column.because, WIDTH - indent))
        line = Text(f"{plain}  ").append(role if is_below else f"{role:<{role_width}}  ", style="bold")
        lines.append(line.append(f"\n{' ' * indent}{because}" if is_below else because, style="dim"))
    return lines


def _form(found: DataProfile) -> str:
    """Return format, delimiter, quoting, header and encoding in words."""
    words: list[str] = [found.format]
    if found.dialect:
        named = {"\t": "tab", ",": "comma", ";": "semicolon", " ": "blank", "|": "bar"}
        words.append(f"{named.get(found.dialect.delimiter, found.dialect.delimiter)} between columns")
        words.append(f"quotes {found.dialect.quote}" if found.dialect.quote else "quotes are part of the text")
        words.append("header" if found.dialect.header else "no header")
    return ", ".join([*words, *([found.encoding] if found.encoding else [])])


def _counts(counts: dict[str, int]) -> str:
    """Return the number of classes and the rows of the first; names that could be misread stand in quotes."""
    shown = []
    for label, n in list(counts.items())[:_MAX_CLASSES]:
        is_word = label.translate(_JOINS).isalpha()
        shown.append(f"{shorten(label, 24)} {n:,}" if is_word else f'"{shorten(label, 24)}" {n:,}')
    more = f" and {len(counts) - _MAX_CLASSES:,} more" if len(counts) > _MAX_CLASSES else ""
    return f"{len(counts):,}: " + ", ".join(shown) + more


def _shares(languages: dict[str, float]) -> str:
    """Return the languages that at least 1 in 100 texts are in."""
    return ", ".join(f"{name} {share:.0%}" for name, share in list(languages.items())[:5] if share >= 0.01)
