"""Writes a recipe as a commented file: every key stands in it, with what it means."""

from __future__ import annotations

from typing import Any

import yaml

from graft.recipe import known_keys
from graft.recipe.json_schema import SCHEMA_FILE, key_schemas

DEFAULTS: dict[str, Any] = {key: schema["default"] for key, schema in key_schemas().items() if "default" in schema}
"""What a new recipe says where its author has said nothing. ``data.dataset``, ``train`` and ``label`` have none."""

_HEAD = f"""# yaml-language-server: $schema={SCHEMA_FILE}
# {{name}}: what this team decided about one model. docs/recipe.md explains every key.
# Every key stands here: DVC watches each of them, and a change reruns just the steps that read it.
"""


def recipe_text(name: str, values: dict[str, Any]) -> str:
    """Return the text of a recipe file.

    Args:
        name: the recipe.
        values: dotted keys; what is missing comes from ``DEFAULTS``.
    """
    chosen = {**DEFAULTS, **values}
    lines = [_HEAD.format(name=name)]
    section = ""
    for dotted, meaning in known_keys().items():
        part, key = dotted.split(".", 1)
        if part != section:
            lines += ["", f"{part}:"] if section else [f"{part}:"]
            section = part
        written = f"  {key}: {_plain(chosen[dotted])}"
        lines.append(f"{written:<38}  # {meaning}")
    return "\n".join(lines) + "\n"


def _plain(value: Any) -> str:
    """Return a value as YAML on one line, quoted only where it must be."""
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10_000)
    return text.removesuffix("...\n").strip()
