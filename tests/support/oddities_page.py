"""Writes one section of docs/oddities.md: what a test measured is what people read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "oddities.md"


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(str(cell) for cell in line)} |\n" for line in lines)


def section(name: str) -> str:
    """Return what stands between a section's marks."""
    found = re.search(rf"<!-- {name} -->\n(.*?)<!-- end -->", PAGE.read_text(encoding="utf-8"), re.S)
    assert found, f"docs/oddities.md has no section {name}"
    return found[1]


def write_section(name: str, text: str) -> None:
    """Replace what stands between a section's marks."""
    page = PAGE.read_text(encoding="utf-8")
    old = f"<!-- {name} -->\n{section(name)}<!-- end -->"
    PAGE.write_text(page.replace(old, f"<!-- {name} -->\n{text}<!-- end -->"), encoding="utf-8")
