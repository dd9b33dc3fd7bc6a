"""Hostile records, pins and recipes: refused by size before they are read, and before anything is built of them."""

from __future__ import annotations

import resource
from collections.abc import Callable
from pathlib import Path

import pytest

from graft.errors import GraftError, InputError
from graft.recipe import parse_recipe
from graft.recipe.text import recipe_text
from graft.records import load_record
from graft.records.safe_read import MAX_JSON
from graft_tasks.steps.context import load_inputs
from graft_tasks.workspace import Workspace
from tests.faults.test_hostile_data import refused
from tests.support.cli_runner import CommandLine
from tests.support.executable_files import executable_pickle


def sparse(path: Path, size: int = 2**30, head: bytes = b'{"step": "ingest", ') -> None:
    """Write a file that says it has so many bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(head)
    with path.open("r+b") as file:
        file.truncate(size)


def test_records_of_a_gigabyte(cli: CommandLine) -> None:
    """Records, pins, recipes, parameters, reports, costs and batches of 1 GB are refused by their size, in no memory."""
    space = Workspace(cli.root)
    step = cli.root / "data" / "known" / "ingest"
    acts: dict[Path, Callable[[], object]] = {
        step / "record.json": lambda: space.recipe("known").record("ingest"),
        step / "cost.json": lambda: space.recipe("known").step("ingest"),
        step / "report.json": lambda: space.recipe("known").step("ingest"),
        step / "files" / "mistakes.json": lambda: space.recipe("known").files("ingest"),
        cli.root / "data" / "known" / "inputs.json": lambda: load_inputs(space.recipe("known")),
        cli.root / "data" / "known" / "monitor" / "b" / "record.json": lambda: space.recipe("known").monitor,
        cli.root / "recipes" / "huge.yaml": lambda: space.recipe("huge").load(),
    }
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for path, act in acts.items():
        sparse(path)
        with pytest.raises(InputError, match="is too long to be what it is called") as caught:
            act()
        assert f"{path}: 1,073,741,824 bytes" in caught.value.where
        path.unlink()
    sparse(step / "record.json")
    with pytest.raises(InputError):
        load_record(step / "record.json", "ingest")
    sparse(step / "record.json", MAX_JSON)
    with pytest.raises(GraftError, match="is not a record of ingest"):
        load_record(step / "record.json", "ingest")
    (step / "record.json").unlink()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024


@pytest.mark.parametrize(
    "content",
    [b"[" * 10**6, b'{"a":' * 10**6, b'{"schema_version": 1' + b"0" * 10**6 + b"}", b'{"schema_version": 1e999999}', b"NaN",
     b'{"step": "ingest", "step": "ingest", "recipe": "known"}', b"\xff\xfe", executable_pickle(Path("/nowhere/marker")),
     b"null"],
)  # fmt: skip
def test_records_that_are_bombs(tmp_path: Path, content: bytes) -> None:
    """A record or a pin that is deep, huge, no text or a pickle is refused in one sentence."""
    path = tmp_path / "record.json"
    path.write_bytes(content)
    assert refused(lambda: load_record(path, "ingest"))
    (tmp_path / "data" / "known").mkdir(parents=True)
    (tmp_path / "data" / "known" / "inputs.json").write_bytes(content)
    assert refused(lambda: load_inputs(Workspace(tmp_path).recipe("known")))


@pytest.mark.parametrize(
    "name",
    ["../x", "/etc", "a/b", "a\\b", "", ".", "..", "A", "a" * 64, "a\n", "a\x00", "-a", "con.", "con", "lpt1", "ä"],
)
def test_what_becomes_a_folder_is_a_name(tmp_path: Path, name: str) -> None:
    """Whatever a pin, a record or a ledger calls a recipe or a dataset, only a plain name leads to a folder."""
    space = Workspace(tmp_path)
    for where in (space.dataset, space.dataset_lock, space.recipe):
        with pytest.raises(InputError) as error:
            where(name)
        assert error.value.code == "name-unusable"


GOOD_RECIPE = recipe_text(
    "known", {"data.dataset": "known", "data.train": "rows.csv", "data.text": "text", "data.label": "l"}
)
YAML_BOMBS = {
    "laughs": "a: &a [x]\nb: &b [*a, *a]\n",
    "merges": "a: &a {x: 1}\nb: {<<: [*a, *a]}\n",
    "a well": "a: " + "[" * 10**5 + "\n",
    "a well of keys": "a: " + "{a: " * 10**4 + "\n",
    "an object": "a: !!python/object:os.system {}\n",
    "a call": 'a: !!python/object/apply:os.system ["touch canary"]\n',
    "a name": "a: !!python/name:os.system\n",
    "a module": "a: !!python/module:os\n",
    "a tuple": "a: !!python/tuple [1]\n",
    "a tag of its own": "a: !evil {}\n",
    "digits": "a: 1" + "0" * 10**5 + "\n",
    "sixties": "a: " + "1:" * 10_000 + "1\n",
    "a key twice": "embed: {max_tokens: 64}\nembed: {max_tokens: 128}\n",
    "a key twice inside": "embed: {max_tokens: 64, max_tokens: 128}\n",
    "a list as a key": "[a, b]: 1\n",
    "two documents": "a: 1\n---\nb: 1\n",
    "length": "a: " + "x" * 300_000 + "\n",
}


@pytest.mark.parametrize("what", YAML_BOMBS)
def test_yaml_bombs(tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """YAML that stands for more than it says, or for objects, is refused in a sentence, and before it is built."""
    monkeypatch.chdir(tmp_path)
    for text in (YAML_BOMBS[what], GOOD_RECIPE + YAML_BOMBS[what], YAML_BOMBS[what] + GOOD_RECIPE):
        assert refused(lambda text=text: parse_recipe("known", text))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "keys",
    ['row_condition: "@__import__(\'os\').system(\'touch canary\')", condition_parser: python', "ignore_row_if: x",
     'row_condition: "a == 1", condition_parser: pandas', "mostly: 0.5", 'value_set: {"$PARAMETER": "now()"}', "meta: {a: 1}"],
)  # fmt: skip
def test_expectations_that_compute(keys: str) -> None:
    """An expectation takes plain values only: a condition would be evaluated as Python by pandas."""
    from graft.validate.expectations import expectation

    made = parse_recipe("known", with_expectation(keys)).validate_.expectations[0]
    with pytest.raises(InputError):
        expectation(made, "validate.expectations[0]")


@pytest.mark.parametrize("ref", ["http://127.0.0.1:9/x.json", "file:///etc/passwd", "//host/x", "x.json", "urn:x"])
def test_schemas_that_would_be_fetched(ref: str) -> None:
    """A JSON schema in a recipe names places in itself only: another would be opened or fetched when rows are checked."""
    schema = f'type: expect_column_values_to_match_json_schema, json_schema: {{a: [{{"$ref": "{ref}"}}]}}'
    with pytest.raises(InputError, match="it would be fetched"):
        parse_recipe("known", with_expectation(schema))
    parse_recipe("known", with_expectation(schema.replace(ref, "#/$defs/a")))


def with_expectation(keys: str) -> str:
    own = "" if keys.startswith("type:") else "type: expect_column_values_to_be_in_set, "
    line = next(line for line in GOOD_RECIPE.splitlines() if line.startswith("  expectations:"))
    return GOOD_RECIPE.replace(line, f"  expectations: [{{{own}column: text, {keys}}}]")
