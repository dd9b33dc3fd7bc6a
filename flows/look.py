"""``graft look``: what a file holds, shown."""

from __future__ import annotations

import textwrap

from rich.text import Text

from flows.terminal import WIDTH, console, next_lines, shorten
from graft.data import Look

_ROLES = {"none": "", "leaks_label": "gives the label away"}


def show_look(found: Look, *, guide: bool = True) -> None:
    """Show what was seen: form, columns with what they seem to be for, classes, languages, what is odd, advice."""
    out = console()
    out.print(Text(f"{found.name}  {_form(found)}", style="bold"))
    splits = ", ".join(f"{split.n_rows:,} {split.name}" for split in found.splits if split.name != "all")
    out.print(f"{splits or f'{found.n_rows:,}'} rows, {len(found.columns)} columns\n")
    width = min(24, max(len(column.name) for column in found.columns))
    for column in found.columns[:40]:
        filled = f"{column.n_distinct:,} values" + (f", {column.n_empty:,} empty" if column.n_empty else "")
        line = Text(f"  {shorten(column.name, width):<{width}}  {column.kind:<11}{filled:<26}")
        role = _ROLES.get(column.role, column.role)
        line.append(shorten(role, 20), style="bold")
        if role and column.because:
            line.append(f"  {shorten(column.because, max(10, WIDTH - width - 42 - len(role)))}", style="dim")
        out.print(line)
    if len(found.columns) > 40:
        out.print(f"  and {len(found.columns) - 40} more")
    if found.class_counts:
        out.print(f"\n  classes    {_counts(found.class_counts)}")
    if found.languages:
        out.print(
            f"  languages  {', '.join(f'{name} {share:.0%}' for name, share in list(found.languages.items())[:5])}"
        )
    if found.n_duplicates or found.n_conflicts:
        out.print(f"  repeats    {found.n_duplicates:,} rows; {found.n_conflicts:,} contents with two labels")
    for sentence in (*found.oddities, *found.advice):
        wrapped = textwrap.wrap(shorten(sentence, 400), WIDTH - 4)
        out.print(Text("\n".join(f"{'  - ' if k == 0 else '    '}{line}" for k, line in enumerate(wrapped))))
    if guide:
        for line in next_lines((f"graft new NAME --data {found.name}", "a recipe for these rows")):
            out.print(line)


def _form(found: Look) -> str:
    """Return format, delimiter, quoting, header and encoding in words."""
    words = [found.format]
    if found.dialect:
        named = {"\t": "tab", ",": "comma", ";": "semicolon", " ": "blank"}
        words.append(f"{named.get(found.dialect.delimiter, found.dialect.delimiter)} between columns")
        words.append(f"quotes {found.dialect.quote}" if found.dialect.quote else "quotes are part of the text")
        words.append("header" if found.dialect.header else "no header")
    return ", ".join([*words, *([found.encoding] if found.encoding else [])])


def _counts(counts: dict[str, int]) -> str:
    shown = [f"{shorten(label, 24)} {n:,}" for label, n in list(counts.items())[:6]]
    return f"{len(counts)}: " + ", ".join(shown) + (", ..." if len(counts) > 6 else "")
