"""What is made of the recipe's schema is up to date: docs/recipe.md, recipes/support.yaml, the JSON schema for editors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from graft.errors import InputError
from graft.recipe import known_keys, parse_recipe
from graft.recipe.json_schema import SCHEMA_FILE, json_schema, key_schemas
from graft.recipe.text import recipe_text
from graft_tasks.commands.init import init
from tests.support.recipe_files import BUNDLED, PAGE, allowed, files, read_by

ROOT = Path(__file__).parents[3]
OWN = {"data.dataset": "mail", "data.train": "mail.csv", "data.text": "text", "data.label": "label"}
RECIPES = sorted(ROOT.glob("recipes/*.yaml")) + sorted(ROOT.glob("tests/compat/**/recipes/*.yaml"))
CHECK = jsonschema.validators.validator_for(json_schema())(json_schema())


def plain(values: dict[str, Any]) -> Any:
    return yaml.safe_load(recipe_text("mail", {**OWN, **values}))


@pytest.mark.parametrize("path", files(), ids=lambda path: path.name)
def test_what_is_made_of_the_schema_is_up_to_date(path: Path) -> None:
    """Each file holds what ``python -m tests.support.recipe_files`` writes into it."""
    assert path.read_text(encoding="utf-8") == files()[path], "python -m tests.support.recipe_files"


def test_every_key_has_one_line_in_the_docs() -> None:
    """docs/recipe.md has each key in one table, with the steps that read it: a key that no step reads has no use."""
    cells = re.findall(r"(?m)^\| `(\w+\.\w+)` \|", PAGE.read_text(encoding="utf-8"))
    assert cells == list(known_keys())
    assert [key for key, steps in read_by().items() if not steps] == []


def examples() -> Iterator[tuple[str, Any]]:
    """Yield every recipe of this repository: bundled, of earlier versions, and those that the docs show in part."""
    for path in RECIPES:
        yield path.relative_to(ROOT).as_posix(), yaml.safe_load(path.read_text(encoding="utf-8"))
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        for block in re.findall(r"(?ms)^```yaml\n(.*?)^```$", page.read_text(encoding="utf-8")):
            part = yaml.safe_load(block)
            if part and set(part) <= set(json_schema()["properties"]):
                whole = plain({})
                yield page.name, whole | {section: whole[section] | keys for section, keys in part.items()}


def test_the_schema_takes_every_recipe_that_there_is() -> None:
    """Recipes of the docs, the bundled one and those of earlier versions are valid, and Graft reads them."""
    found = list(examples())
    assert {name.split("/")[0] for name, _ in found} == {"recipes", "tests", "recipe.md"}
    for name, recipe in found:
        assert [f"{name}: {error.message}" for error in CHECK.iter_errors(recipe)] == []
        parse_recipe("mail", yaml.safe_dump(recipe))


@pytest.mark.parametrize(
    "values",
    [
        {"data.fraction_test": 0}, {"data.rows_per_class": 1}, {"data.dataset": "../secret"}, {"data.text": ["a"]},
        {"validate.language": "english"}, {"choose_base.bases": []}, {"finetune.strategy": "magic"},
        {"finetune.interpolation": 1.5}, {"finetune.learning_rate": "fast"}, {"detect_shift.n_permutations": 98},
        {"embed.max_tokens": "many"}, {"decide.shift": "ignore"},
    ],
    ids=lambda values: next(iter(values)),
)  # fmt: skip
def test_the_schema_refuses_what_graft_refuses(values: dict[str, Any]) -> None:
    """A value out of its range is marked by an editor at its key, before Graft reads it."""
    ((key, _),) = values.items()
    assert {".".join(str(part) for part in error.path) for error in CHECK.iter_errors(plain(values))} == {key}
    with pytest.raises(InputError):
        parse_recipe("mail", recipe_text("mail", {**OWN, **values}))


def test_the_schema_knows_which_keys_there_are() -> None:
    """An unknown key, an unknown section and a missing key are marked; a key that may be absent is not."""
    unknown, section, absent, later = plain({}), plain({}), plain({}), plain({})
    unknown["finetune"]["lerning_rate"] = 1
    section["embedd"] = {}
    del absent["finetune"]["n_epochs"]
    del later["finetune"]["l2_sp"]
    assert [CHECK.is_valid(one) for one in (unknown, section, absent, later)] == [False, False, False, True]


def test_a_recipe_points_to_the_schema_beside_it(tmp_path: Path) -> None:
    """``graft init`` writes the schema where the first line of a recipe says that it is, and renews one of another version."""
    workspace, added = init(tmp_path / "workspace")
    first = recipe_text("mail", OWN).splitlines()[0]
    schema = workspace.recipe("mail").path.parent / first.removeprefix("# yaml-language-server: $schema=")
    assert schema.read_bytes() == BUNDLED.with_name(SCHEMA_FILE).read_bytes()
    assert f"recipes/{SCHEMA_FILE}" in added
    schema.write_text("{}")
    assert init(workspace.root)[1] == [f"recipes/{SCHEMA_FILE}"]
    assert init(workspace.root)[1] == []
    assert workspace.recipes() == []


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("data.fraction_test", "number, above 0, below 1"),
        ("data.rows_per_class", "integer, 2 or more; `null`"),
        ("data.sensitive", "list: column"),
        ("choose_base.bases", "list: base, at least one"),
        ("finetune.interpolation", "number, 0 to 1; `auto`"),
        ("finetune.class_weights", "`none`, `balanced`"),
        ("evaluate.from_scratch", "`true`, `false`"),
    ],
)
def test_ranges_in_words(key: str, words: str) -> None:
    """A key's range is written as a person would write it."""
    assert allowed(key_schemas()[key]) == words
