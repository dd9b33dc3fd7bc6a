"""Recipes: every key known, every mistake named."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from typer.main import get_command

from graft.errors import InputError
from graft.recipe import Data, Finetune, check_name, known_keys, load_recipe, parse_recipe
from graft.recipe.schema import Decide, Evaluate, Strategy
from graft.recipe.text import DEFAULTS, recipe_text
from graft.records import sha256_bytes
from graft_cli.main import app

ROOT = Path(__file__).parents[3]

LATER = {
    f"{section}.{key}"
    for section, kind in (("data", Data), ("finetune", Finetune), ("evaluate", Evaluate), ("decide", Decide))
    for key, field in kind.model_fields.items()
    if not field.is_required()
}
OWN = {"data.dataset": "mail", "data.train": "mail.csv", "data.text": "text", "data.label": "label"}


def write(folder: Path, text: str, name: str = "mail") -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(text)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        load_recipe(path)
    return str(caught.value)


def test_every_key_is_written_with_its_meaning() -> None:
    """``recipe_text`` writes each known key exactly once, beside its description, and no other key."""
    written = yaml.safe_load(recipe_text("mail", OWN))
    dotted = [f"{section}.{key}" for section, keys in written.items() for key in keys]
    assert dotted == list(known_keys())
    assert set(DEFAULTS) | set(OWN) == set(known_keys())
    lines = recipe_text("mail", OWN).splitlines()
    for name, meaning in known_keys().items():
        assert meaning
        line = re.compile(rf"  {name.split('.')[1]}: .*  # {re.escape(meaning)}$")
        assert sum(line.match(written) is not None for written in lines) == 1


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"data.test": "test.csv", "data.group": "customer", "data.sensitive": ["a, b", "null", "ü"]},
        {"data.text": "# text: yes", "data.label": "'\"", "finetune.learning_rate": 1e-5, "data.rows_per_class": 8},
        {"data.text": "no", "data.label": "1", "choose_base.bases": ["bases/a b", "graft:mail@champion"]},
    ],
)
def test_round_trip(tmp_path: Path, changed: dict[str, Any]) -> None:
    """What ``recipe_text`` writes, ``load_recipe`` reads back value for value; the digest is that of the file."""
    values = {**DEFAULTS, **OWN, **changed}
    path = write(tmp_path, recipe_text("mail", values))
    recipe, digest = load_recipe(path)
    plain = recipe.model_dump(mode="json", by_alias=True)
    assert plain.pop("name") == "mail"
    assert {f"{section}.{key}": value for section, keys in plain.items() for key, value in keys.items()} == values
    assert digest == sha256_bytes(path.read_bytes())


def test_keys_that_may_be_absent_have_their_default() -> None:
    """A recipe without the keys that came later than the first recipes is the one that says their defaults."""
    plain = yaml.safe_load(recipe_text("mail", OWN))
    for key in LATER:
        del plain[key.split(".")[0]][key.split(".")[1]]
    short = parse_recipe("mail", yaml.safe_dump(plain))
    assert short == parse_recipe("mail", recipe_text("mail", OWN))


def test_the_option_of_new_names_every_strategy() -> None:
    """``graft new --strategy`` and docs/commands.md say each strategy that a recipe may have."""
    (option,) = [one for one in get_command(app).commands["new"].params if one.name == "strategy"]
    commands = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    (line,) = [line for line in commands.splitlines() if line.startswith("- `--strategy`")]
    for strategy in get_args(Strategy):
        assert re.search(rf"\b{strategy}\b", option.help or "")
        assert f"`{strategy}`" in line


def test_unknown_key_gets_a_suggestion(tmp_path: Path) -> None:
    """A misspelt key is refused, with the key that was probably meant."""
    said = refusal(write(tmp_path, recipe_text("mail", OWN).replace("learning_rate:", "lerning_rate:")))
    assert 'unknown key "finetune.lerning_rate"' in said
    assert "did you mean finetune.learning_rate?" in said
    assert 'unknown key "name"' in refusal(write(tmp_path, recipe_text("mail", OWN) + "name: other\n"))


@pytest.mark.parametrize("key", [key for key in known_keys() if key not in LATER])
def test_missing_key_is_named(tmp_path: Path, key: str) -> None:
    """A recipe without one of its keys is refused by that key's name: DVC would stumble over it later."""
    plain = yaml.safe_load(recipe_text("mail", OWN))
    section, inner = key.split(".")
    del plain[section][inner]
    assert f'lacks the key "{key}"' in refusal(write(tmp_path, yaml.safe_dump(plain)))


@pytest.mark.parametrize(
    ("key", "value"),
    [("data.dataset", "../secret"), ("data.fraction_test", 0), ("data.fraction_test", 1.0),
     ("finetune.strategy", "magic"), ("detect_shift.n_permutations", 98), ("finetune.learning_rate", float("inf")),
     ("choose_base.bases", []), ("decide.shift", "ignore"), ("data.rows_per_class", 1),
     ("embed.max_tokens", "many"), ("data.text", ["a"])],
)  # fmt: skip
def test_wrong_value_is_named(tmp_path: Path, key: str, value: object) -> None:
    """A value out of its range is refused by its key's name."""
    assert f'wrong value at "{key}' in refusal(write(tmp_path, recipe_text("mail", {**OWN, key: value})))


@pytest.mark.parametrize(
    "text",
    ["!!python/object/apply:os.system ['true']", "a: !!python/name:os.system", "a: [", "a: b: c", "\tx: 1",
     "a: 2001-99-99", "a: !!int x", "a: !!bool x", "a: !!timestamp x", "a: " + "9" * 5000],
)  # fmt: skip
def test_only_plain_yaml(tmp_path: Path, text: str) -> None:
    """Tags that build objects, text that is no YAML, and impossible numbers or dates are refused in a sentence."""
    assert "is not plain YAML" in refusal(write(tmp_path, text))


@pytest.mark.parametrize("text", ["", "# nothing", "a", "- a", "3"])
def test_a_recipe_holds_keys(tmp_path: Path, text: str) -> None:
    """A file that is YAML and no mapping is refused."""
    assert "holds no keys" in refusal(write(tmp_path, text))


def test_absent_recipe_names_those_that_are_there(tmp_path: Path) -> None:
    """An unknown recipe's error lists the recipes beside it."""
    write(tmp_path, "a: 1", "letters")
    assert "recipes here: letters" in refusal(tmp_path / "mail.yaml")


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../x", "a/b", "a\\b", "/etc/passwd", "A", "a_b", "a.b", "-a", "a-", "a b", "a\n", "\na", "a\0", "é",
     "a" * 64],
)  # fmt: skip
def test_bad_names_are_refused(name: str) -> None:
    """A name that could leave its folder, or stand for two things, is refused."""
    with pytest.raises(InputError, match="cannot be the name"):
        check_name(name, "recipe")


@pytest.mark.parametrize("name", ["a", "0", "a-b", "support-intents-2", "a" * 63])
def test_good_names_are_kept(name: str) -> None:
    """Lower case, digits and inner hyphens are allowed."""
    assert check_name(name, "recipe") == name


@pytest.mark.parametrize("file", ["../mail.csv", "/etc/passwd", "a/b.csv", "", ".hidden", "mail.csv\n"])
def test_a_data_file_never_lies_outside_the_dataset(tmp_path: Path, file: str) -> None:
    """``data.train`` and ``data.test`` are names of files, not paths."""
    for key in ("data.train", "data.test"):
        assert key in refusal(write(tmp_path, recipe_text("mail", {**OWN, key: file})))


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"data.text": None}, "name either data.text or data.image"),
        ({"data.image": "photo"}, "name either data.text or data.image"),
        ({"data.test_from": "2026-09-01"}, "data.test_from needs data.time"),
        (
            {"data.time": "at", "data.test_from": "2026-09-01", "data.test": "t.csv"},
            "either data.test or data.test_from",
        ),
    ],
)
def test_keys_that_exclude_or_need_one_another(tmp_path: Path, keys: dict[str, object], says: str) -> None:
    """A row is a text or an image, and its side comes from one rule."""
    assert says in refusal(write(tmp_path, recipe_text("mail", {**OWN, **keys})))


@pytest.mark.parametrize(
    ("text", "says"), [("[" * 5000, "nested more than"), ("a: &x 1\nb: *x", "uses an alias")], ids=["deep", "alias"]
)
def test_yaml_that_grows_is_refused_before_it_is_built(tmp_path: Path, text: str, says: str) -> None:
    """Neither depth nor aliases can make a few bytes take all memory."""
    assert says in refusal(write(tmp_path, text))
