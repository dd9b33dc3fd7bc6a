"""The recipe: what a team decides about one model, written down once, in ``recipes/NAME.yaml``.

Recipes are fully expanded: every key stands in the file, because DVC watches single keys. A missing one is an error, unless it
came later than the first recipes and has a default.
"""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import Field, ValidationError

from graft.errors import InputError, nearest
from graft.recipe.schema import (
    NAME,
    ChooseBase,
    Data,
    Decide,
    DetectShift,
    Embed,
    Evaluate,
    Finetune,
    MeasureBias,
    TimeFormat,
    Validate,
)
from graft.records import Value, sha256_bytes
from graft.records.safe_read import MAX_YAML, read_small, read_yaml

__all__ = [
    "NAME",
    "Data",
    "Finetune",
    "Recipe",
    "TimeFormat",
    "Validate",
    "check_name",
    "known_keys",
    "load_recipe",
    "parse_recipe",
]

_NUMBER = re.compile(r"[0-9]+e[0-9]+|0o[0-7]+")  # of YAML 1.2; those of YAML 1.1 too are written in quotes
_DEVICE = re.compile(r"con|prn|aux|nul|(com|lpt)[0-9]")


class Recipe(Value):
    """One model's recipe. ``name`` is the file's name and is not written in it."""

    name: str = Field(pattern=NAME.pattern)
    data: Data
    validate_: Validate = Field(alias="validate")
    embed: Embed
    detect_shift: DetectShift
    choose_base: ChooseBase
    finetune: Finetune
    evaluate: Evaluate
    measure_bias: MeasureBias
    decide: Decide


def check_name(name: str, kind: str) -> str:
    """Return the name if it may become a folder.

    Raises:
        InputError: it has other characters than a-z, 0-9 and inner hyphens, is longer than 63, a number to DVC,
            or no folder on Windows.
    """
    if not NAME.fullmatch(name):
        raise InputError(
            f"{name!r} cannot be the name of a {kind}.",
            do="use a-z, 0-9 and hyphens inside, 63 characters at most",
            code="name-unusable",
        )
    if _NUMBER.fullmatch(name):
        raise InputError(
            f"{name!r} is a number to DVC, which reads it in params.yaml.",
            do="begin with a letter",
            code="name-unusable",
        )
    if _DEVICE.fullmatch(name):
        raise InputError(
            f"{name!r} is the name of a device on Windows.", do="choose another name", code="name-unusable"
        )
    return name


def load_recipe(path: Path) -> tuple[Recipe, str]:
    """Return the recipe in a file and the sha256 of the file's bytes.

    Raises:
        InputError: the file is absent, is not plain YAML, or has an unknown, missing or wrong key.
    """
    name = check_name(path.stem, "recipe")
    if not path.is_file():
        recipes = sorted(p.stem for p in path.parent.glob("*.yaml"))
        raise InputError(
            f"There is no recipe {name}.",
            where=str(path),
            do=f"recipes here: {', '.join(recipes)}"
            if recipes
            else "graft new NAME --data FILE --text COLUMN --label COLUMN",
            code="recipe-unknown",
        )
    content = read_small(path, MAX_YAML)
    return parse_recipe(name, content, where=path), sha256_bytes(content)


def parse_recipe(name: str, content: str | bytes, *, where: Path | None = None) -> Recipe:
    """Return the recipe in a text.

    Raises:
        InputError: the text is not plain YAML, or has an unknown, missing or wrong key.
    """
    path = where or Path(f"{name}.yaml")
    plain = read_yaml(content, path)
    if not isinstance(plain, dict):
        raise InputError(
            f"{path.name} is not a recipe: it holds no keys.",
            where=str(path),
            do="docs/recipe.md explains every key",
            code="recipe-empty",
        )
    if "name" in plain:
        raise InputError(
            f'{path.name} has an unknown key "name".',
            where=str(path),
            do="take it out: the file's name is it",
            code="recipe-key-unknown",
        )
    try:
        return Recipe.model_validate({**plain, "name": name})
    except ValidationError as error:
        raise _explain(error, path) from error


def _explain(error: ValidationError, path: Path) -> InputError:
    """Return the first validation error as one sentence, with the nearest known key where a key is unknown."""
    first = min(
        error.errors(), key=lambda problem: problem["type"] != "extra_forbidden"
    )  # a misspelt key is also a missing one
    keys = [str(part) for part in first["loc"]]
    dotted = ".".join(keys)
    if first["type"] == "extra_forbidden":
        known = known_keys() if len(keys) > 1 else {key.split(".")[0]: "" for key in known_keys()}
        near = nearest(dotted, known)
        hint = f"did you mean {near}?" if near else "take the key out"
        return InputError(
            f'{path.name} has an unknown key "{dotted}".', where=str(path), do=hint, code="recipe-key-unknown"
        )
    if first["type"] == "missing":
        return InputError(
            f'{path.name} lacks the key "{dotted}".',
            where=str(path),
            do=f"add {dotted}; see docs/recipe.md",
            code="recipe-key-missing",
        )
    why = first["msg"].removeprefix("Value error, ")
    return InputError(
        f'{path.name} has a wrong value at "{dotted}": {why}.',
        where=str(path),
        do="correct that value",
        code="recipe-value-wrong",
    )


def known_keys() -> dict[str, str]:
    """Return every key of a recipe, dotted, with its description."""
    keys = {}
    for section, field in Recipe.model_fields.items():
        model = field.annotation
        if isinstance(model, type) and issubclass(model, Value):
            for key, inner in model.model_fields.items():
                keys[f"{field.alias or section}.{key}"] = inner.description or ""
    return keys
