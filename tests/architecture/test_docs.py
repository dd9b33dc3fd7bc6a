"""What the documents point at is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(p for p in ROOT.glob("*.md")) + sorted(ROOT.glob("docs/**/*.md")) + [ROOT / "infra" / "README.md"]
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_link_is_dead(document: Path) -> None:
    """Every relative link leads to a file or folder of this repository."""
    links = [link for link in LINK.findall(document.read_text(encoding="utf-8")) if "://" not in link]
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_the_annotated_tree_of_the_readme_names_what_is_there() -> None:
    """Every file and folder in the README's tree exists."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    tree = next(block for block in text.split("```") if "\nflows/graft_flows/ " in block)
    parent, missing = "", []
    for line in tree.strip().splitlines():
        names = re.match(r"\s*((?:[\w.]+/?(?:, )?)+)(?:\s{1,}|$)", line)
        assert names, line
        if not line.startswith(" "):
            parent = names[1].strip()
        for name in names[1].strip().split(", "):
            path = ROOT / (parent if line.startswith(" ") else "") / name
            if not path.exists():
                missing.append(str(path.relative_to(ROOT)))
    assert missing == []


def test_todays_names_in_the_glossary_are_there() -> None:
    """Each path in the column *now* of the names that changed exists."""
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    rows = [
        line.split("|") for line in text.partition("## Names that changed")[2].splitlines() if line.startswith("| ")
    ]
    paths = [path for row in rows[1:] for path in re.findall(r"`([^`]*/[^`]*)`", row[2])]
    assert len(paths) > 20
    assert [path for path in paths if not (ROOT / path).exists()] == []
