"""The JSON schema of a recipe: editors complete and check keys by it, and what is written about keys is made from it."""

from __future__ import annotations

import json
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from graft.recipe import Recipe

SCHEMA_FILE = "recipe.schema.json"
"""Its name in the folder ``recipes/``, where the first line of a recipe points to it."""


class _Generator(GenerateJsonSchema):
    """Leaves out the titles that pydantic makes of names: ``Fraction Test`` says no more than the key."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of a recipe file, in the draft of 2020-12.

    It knows keys, types, ranges, defaults and meanings; which keys exclude or need one another only ``parse_recipe`` knows.
    """
    schema = Recipe.model_json_schema(by_alias=True, schema_generator=_Generator)
    schema["properties"].pop("name")
    schema["required"].remove("name")
    return {"$schema": GenerateJsonSchema.schema_dialect, **schema, "title": "A recipe of Graft"}


def schema_text() -> str:
    """Return the JSON schema as the text of a file."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def key_schemas() -> dict[str, dict[str, Any]]:
    """Return the part of the JSON schema that describes each key, by the dotted key.

    ``description`` is the key's meaning; ``default`` what a new recipe says, absent where its author has to say it;
    ``is_required`` whether a recipe must have the key.
    """
    schema, found = json_schema(), {}
    for section, reference in schema["properties"].items():
        part = schema["$defs"][reference["$ref"].rpartition("/")[2]]
        for name, key_schema in part["properties"].items():
            found[f"{section}.{name}"] = {**key_schema, "is_required": name in part.get("required", ())}
    return found
