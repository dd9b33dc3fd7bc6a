"""Writes what is made of the recipe's schema: ``python -m tests.support.recipe_files``.

The tables of docs/recipe.md (the prose around them is written by hand), the bundled recipe's comments, and the JSON schema
beside it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from graft.recipe.json_schema import SCHEMA_FILE, key_schemas, schema_text
from graft.recipe.text import recipe_text

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "recipe.md"
BUNDLED = ROOT / "recipes" / "support.yaml"
STAGES = ROOT / "tasks" / "graft_tasks" / "dvc" / "stages.yaml"
HEAD = "| key | meaning | allowed | default | required | read by |\n|---|---|---|---|---|---|\n"
TABLE = re.compile(r"(?<=\n)\| key \|.*\n(?:\|.*\n)+")


def files() -> dict[Path, str]:
    """Return what each file has to hold."""
    values = {
        f"{section}.{key}": value
        for section, keys in yaml.safe_load(BUNDLED.read_text(encoding="utf-8")).items()
        for key, value in keys.items()
    }
    return {
        PAGE: page(PAGE.read_text(encoding="utf-8")),
        BUNDLED: recipe_text("support", values),
        BUNDLED.with_name(SCHEMA_FILE): schema_text(),
    }


def page(text: str) -> str:
    """Return docs/recipe.md with its tables as they are now: one below the heading of each section, at most."""
    before, *parts = re.split(r"(?m)^(?=## )", text)
    return before + "".join(TABLE.sub(lambda _, part=part: table(part[3 : part.index("\n")]), part) for part in parts)


def table(section: str) -> str:
    """Return the table of a section's keys."""
    readers = read_by()
    lines = []
    for key, schema in key_schemas().items():
        if key.startswith(f"{section}."):
            default = f"`{_plain(schema['default'])}`" if "default" in schema else "none"
            required = "yes" if schema["is_required"] else "no"
            cells = (f"`{key}`", schema["description"], allowed(schema), default, required, ", ".join(readers[key]))
            lines.append(f"| {' | '.join(cells)} |\n")
    return HEAD + "".join(lines)


def allowed(schema: dict[str, Any]) -> str:
    """Return in words what values a JSON schema allows."""
    if "anyOf" in schema:
        limits = {key: schema[key] for key in ("minimum", "maximum") if key in schema}
        return "; ".join(allowed({**limits, **one}) for one in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    match schema["type"]:
        case "integer" | "number":
            return f"{schema['type']}{_range(schema)}"
        case "array":
            return f"list: {allowed(schema['items'])}{', at least one' if schema.get('minItems') else ''}"
        case "boolean":
            return "`true`, `false`"
        case "null":
            return "`null`"
        case kind:
            return str(schema.get("title", {"string": "text", "object": "mapping"}[kind]))


def _range(schema: dict[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if low is not None and high is not None:
        return f", {low:g} to {high:g}"
    limits = {"{:g} or more": low, "above {:g}": above, "up to {:g}": high, "below {:g}": below}
    return "".join(f", {words.format(limit)}" for words, limit in limits.items() if limit is not None)


def read_by() -> dict[str, list[str]]:
    """Return the steps whose stages depend on each key."""
    stages = yaml.safe_load(STAGES.read_text(encoding="utf-8"))["stages"]
    found: dict[str, list[str]] = {key: [] for key in key_schemas()}
    for step, stage in stages.items():
        watched = [one for params in stage["params"] for one in params.get("recipes/$recipe.yaml", ())]
        for key, steps in found.items():
            if key in watched or key.split(".")[0] in watched:
                steps.append(step)
    return found


def _plain(value: Any) -> str:
    return yaml.safe_dump(value, default_flow_style=True).removesuffix("...\n").strip()


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")
