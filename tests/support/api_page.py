"""Writes docs/api.md, the reference of the public names, from signatures and docstrings: python -m tests.support.api_page

A docstring's sections are ``Title:`` with indented lines, or ``Title: text``; what ``inspect`` gives is Markdown otherwise.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

import graft
import graft.errors
import graft.stats
from graft.ledger import LedgerTally
from graft.records import Estimate, ShiftComparison

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
HEAD = """# API reference

Made from the docstrings by `python -m tests.support.api_page`; do not edit this page. [As a library](library.md) shows the four
jobs in a few lines each, [methods](methods.md) explains the statistics, and [the glossary](glossary.md) the terms.
"""
SECTIONS = ("Args", "Returns", "Raises", "Assumes", "Error", "Cost", "Source", "Checked against")
SECTION = re.compile(rf"^({'|'.join(SECTIONS)}):[ ]?(.*)$")
RETURNED = (Estimate, ShiftComparison, LedgerTally)


def front_door() -> list[Any]:
    """Return what ``import graft`` offers: functions first, then the classes that they return."""
    names = [getattr(graft, name) for name in graft.__all__ if not name.startswith("__")]
    return sorted(names, key=inspect.isclass) + list(RETURNED)


def errors() -> list[type[graft.errors.GraftError]]:
    """Return the errors that a user can meet, the general one first."""
    return [graft.errors.GraftError, *graft.errors.GraftError.__subclasses__()]


def statistics() -> dict[str, list[Any]]:
    """Return the public functions and classes of each module of ``graft.stats``."""
    found: dict[str, list[Any]] = {}
    for info in pkgutil.iter_modules(graft.stats.__path__, "graft.stats."):
        module = importlib.import_module(info.name)
        found[info.name] = [
            value
            for name, value in vars(module).items()
            if not name.startswith("_")
            and (inspect.isfunction(value) or inspect.isclass(value))
            and value.__module__ == info.name
        ]
    return found


def sections(documented: Any) -> dict[str, list[str]]:
    """Return the docstring's lines by section; those before the first section stand under ``""``."""
    found: dict[str, list[str]] = {"": []}
    current = ""
    for line in (inspect.getdoc(documented) or "").splitlines():
        begins = SECTION.match(line)
        if begins:
            current = begins[1]
            found[current] = [begins[2]] if begins[2] else []
        else:
            found[current].append(line)
    return found


def page() -> str:
    """Return the whole page."""
    parts = [HEAD, "## graft\n", *map(entry, front_door()), "## Errors\n"]
    parts.append("Every error that a user can cause is one of these, from `graft.errors`.\n")
    parts += map(entry, errors())
    parts += ["## graft.stats\n", f"{inspect.getdoc(graft.stats)}\n"]
    for module, members in statistics().items():
        parts += [f"### {module}\n", f"{prose(inspect.getdoc(importlib.import_module(module)) or '')}\n"]
        parts += [entry(member, level=4) for member in members]
    return "\n".join(parts)


def entry(member: Any, level: int = 3, owner: str = "") -> str:
    """Return the entry of a function or class: heading, signature, docstring; of a class its fields and methods too."""
    name = f"{owner}{member.__name__}"
    lines = [f"{'#' * level} {name}\n", *_signature(name, member), *body(sections(member))]
    if inspect.isclass(member):
        lines += list(_fields(member))
        for key, value in vars(member).items():
            if inspect.isfunction(value) and not key.startswith("_"):
                lines.append("\n" + entry(value, level + 1, f"{name}."))
    return "\n".join(lines).rstrip() + "\n"


def body(found: dict[str, list[str]]) -> Iterator[str]:
    """Yield a docstring as Markdown: its text, then each section under its title."""
    yield prose("\n".join(found[""]).rstrip())
    for title, lines in found.items():
        if title in ("Args", "Raises"):
            items = re.split(r"\n(?=\S)", inspect.cleandoc("\n".join(lines)))
            yield f"\n**{title}**\n"
            for item in items:
                names, _, text = item.partition(":")
                yield f"- `{names}`: {prose(' '.join(text.split()))}"
        elif title:
            yield f"\n**{title}.** {prose(' '.join(' '.join(lines).split()))}"


def prose(text: str) -> str:
    """Return a docstring's text as Markdown: ``code`` in one backtick, and other signs as they stand."""
    parts = re.split(r"``(.+?)``|^( {4}.+)$", text, flags=re.MULTILINE)
    escaped = [re.sub(r"([*<]|(?<!\w)_|_(?!\w))", r"\\\1", part) if part else "" for part in parts[::3]]
    code = [f"`{code}`" if code else block or "" for code, block in zip(parts[1::3], parts[2::3], strict=True)]
    return "".join(part for pair in zip(escaped, [*code, ""], strict=True) for part in pair)


def _signature(name: str, member: Any) -> list[str]:
    if inspect.isclass(member):
        return []
    parameters = inspect.signature(member).parameters.values()
    shown, star = [], False
    for parameter in parameters:
        if parameter.name == "self":
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not star:
            shown.append("*")
            star = True
        shown.append(_short(str(parameter)))
    returned = _short(inspect.formatannotation(inspect.signature(member).return_annotation).strip("'"))
    line = f"{name}({', '.join(shown)}) -> {returned}"
    if len(line) > 100:
        line = f"{name}(\n    " + ",\n    ".join(shown) + f",\n) -> {returned}"
    return ["```python", line, "```\n"]


def _short(text: str) -> str:
    """Return an annotation without the quotes of a postponed one and the names of numpy's modules."""
    return re.sub(r"(npt|np|numpy\.typing|numpy|pathlib|collections\.abc|typing)\.", "", text.replace("'", ""))


def _fields(member: type) -> Iterator[str]:
    """Yield the fields of a value and its properties, each with its type and what is said of it."""
    described = {key: value.description or "" for key, value in getattr(member, "model_fields", {}).items()}
    known: list[str] = []
    if issubclass(member, BaseModel):
        known = list(member.model_fields)
    elif dataclasses.is_dataclass(member):
        known = [field.name for field in dataclasses.fields(member)]
    elif hasattr(member, "_fields"):
        known = list(member._fields)
    lines = [
        f"- `{key}: {_short(str(annotation))}`" + (f": {prose(text)}" if (text := described.get(key, "")) else "")
        for key, annotation in inspect.get_annotations(member).items()
        if key in known
    ]
    lines += [
        f"- `{key}`: {prose(inspect.getdoc(value) or '')}"
        for key, value in vars(member).items()
        if isinstance(value, property)
    ]
    if lines:
        yield "\n**Attributes**\n"
        yield from lines


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
