"""Hostile names at every door: whatever a command is told or a file says, nothing runs and nothing is written elsewhere."""

from __future__ import annotations

import errno
import json
import shutil
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from graft.data import parts_of
from graft.errors import GraftError
from graft_tasks.dvc.pipeline import bring_forward
from graft_tasks.dvc.repro import dvc
from graft_tasks.registry import bases
from graft_tasks.registry.pin import pin
from graft_tasks.steps.context import load_inputs
from graft_tasks.workspace import Workspace
from tests.support.bad_files import GOOD_CSV
from tests.support.cli_runner import NEW_OPTIONS, CommandLine, check_error, check_unchanged

pytestmark = pytest.mark.slow

CANARY = "canary-of-names"
_PATHS = ("../x", "../../x", "/etc/passwd", "known/../../x", "./known", "known/", "known//x", "..", ".", "~/x", "..\\x",
          "C:\\x", "C:x", "\\\\host\\share", "file:///etc/passwd", "http://127.0.0.1:9/x", "known/../known")  # fmt: skip
_SHELL = (f"$(touch {CANARY})", f"`touch {CANARY}`", f"known; touch {CANARY}", f"known | touch {CANARY}",
          f"known && touch {CANARY}", f"known\ntouch {CANARY}", f"'; touch {CANARY}; '",
          f'"$(touch {CANARY})"', "${IFS}x", "%(x)s", "{0.__class__}",
          "${recipes}", "{{7*7}}", "*", "?", "[a-z]*", "known@champion", "a b", "!!python/name:os.system", ">x", "#")  # fmt: skip
_OPTIONS = (
    "-x",
    "--x",
    "--",
    "-",
    "--version=x",
    "--upload-pack=touch " + CANARY,
    "-c core.pager=touch",
    "--exec=x",
    "-rf",
    "--help=x",
)
_UNICODE = ("known\u202e", "\u202enwonk", "known\u200b", "kn\u00f6wn", "\uff4bnown", "\u043anown", "known\ufeff",
            "\x1b]0;x\x07", "\x1b[31m", "known\r", "known\t", "\x7f", "\u2028", "e\u0301", "\U0001f600",
            "\udcff\udcfe", "K\u212a")  # fmt: skip
_OTHER = ("", " ", "KNOWN", "Known", "con", "nul", "aux.yaml", "com1", "known.", "known ", " known", "a" * 64, "a" * 300,
          "a" * 70_000,           "-" + "a" * 62, "known.yaml", "1e999999", "0" * 5000, "null\n",
          "..%2f..%2fx", "%2e%2e/x", "%00", "%ff",
          "&lt;script&gt;",           "<script>alert(1)</script>", "graft:known@champion\n",
          "graft:../known@champion", "graft:known@../../x", "pkg:../x",
          "pkg:os; touch x", "hf:evil/repo@main", "s3://x/y", "git+ssh://x", "ext::sh -c touch% x")  # fmt: skip


def _hostile_names() -> list[str]:
    """Return every hostile name once, some of them encoded and joined in ways that hide them."""
    names = [*_PATHS, *_SHELL, *_OPTIONS, *_UNICODE, *_OTHER]
    names += [quote(name, safe="") for name in _PATHS] + [quote(quote(name, safe=""), safe="") for name in _PATHS[:4]]
    names += [name.replace("/", "\u2215").replace(".", "\uff0e") for name in _PATHS[:4]]
    names += [f"known/{name}" for name in _SHELL[:4]] + [unicodedata.normalize("NFKD", "\ufb01le/../x")]
    return list(dict.fromkeys(names))


NAMES = _hostile_names()
IN_FILES = [*NAMES, "a\x00b", "\x00", "\ud800"]
"""A file can say what no command line can."""
ROWS = "{rows}"
DOORS: dict[str, tuple[str, ...]] = {
    "status RECIPE": ("status", "{}"), "run RECIPE": ("run", "{}"), "validate RECIPE": ("validate", "{}"),
    "add RECIPE": ("add", "{}", ROWS), "monitor RECIPE": ("monitor", "{}", ROWS), "audit RECIPE": ("audit", "{}"),
    "promote RECIPE": ("promote", "{}", "--reason", "x"), "rollback RECIPE": ("rollback", "{}", "--reason", "x"),
    "step STEP": ("step", "{}", "known"), "step RECIPE": ("step", "ingest", "{}"),
    "new NAME": ("new", "{}", "--data", ROWS, *NEW_OPTIONS), "new --data": ("new", "fresh", "--data", "{}", *NEW_OPTIONS),
    "new --test": ("new", "fresh", "--data", ROWS, "--test", "{}", *NEW_OPTIONS),
    "new --text": ("new", "fresh", "--data", ROWS, "--text", "{}", "--label", "label"),
    "new --label": ("new", "fresh", "--data", ROWS, "--text", "text", "--label", "{}"),
    "new --group": ("new", "fresh", "--data", ROWS, *NEW_OPTIONS, "--group", "{}"),
    "new --id": ("new", "fresh", "--data", ROWS, *NEW_OPTIONS, "--id", "{}"),
    "new --base": ("new", "fresh", "--data", ROWS, *NEW_OPTIONS, "--base", "{}"),
    "profile PATH": ("profile", "{}"), "look PATH": ("look", "{}"),
    "add FILE": ("add", "known", "{}"), "monitor BATCH": ("monitor", "known", "{}"),
    "audit --at": ("audit", "known", "--at", "{}"), "promote --reason": ("promote", "known", "--reason", "{}"),
    "a command": ("{}",), "an option": ("status", "{}", "known"),
}  # fmt: skip

TAKEN = {("new --test", ".")}
"""A folder with tables."""
SHARE = 12


@pytest.fixture
def cli_copy(cli: CommandLine, tmp_path: Path) -> Iterator[CommandLine]:
    """A workspace of one's own between folders that nothing may touch; no canary may be in it, nor anything new around it."""
    around = tmp_path / "around"
    shutil.copytree(cli.root, around / "b" / "workspace", symlinks=True)
    pin(Workspace(around / "b" / "workspace").recipe("known"))
    (tmp_path / "rows.csv").write_bytes(GOOD_CSV)
    yield CommandLine(around / "b" / "workspace", cli.capsys)
    assert [path.name for path in around.iterdir()] == ["b"]
    assert [path.name for path in (around / "b").iterdir()] == ["workspace"]
    assert not list(tmp_path.rglob(f"*{CANARY}*"))


def is_refusal(err: str) -> bool:
    """Return whether an error is one sentence of Graft's, or of the command line's own parser."""
    if err.startswith(("Usage: ", "Error: ")):
        return "Error: " in err and "Traceback" not in err
    check_error("\n".join(line for line in err.splitlines() if not line.startswith("  kind")), ())
    return True


def share_of(names: list[str], which: str) -> list[str]:
    """Return a share of the names, another for each door, so that together the doors meet all of them."""
    return names[list(DOORS).index(which) % SHARE :: SHARE]


def test_there_are_a_thousand_cases() -> None:
    """Names times doors are more than two thousand cases; without the long ones each name is still seen at some door."""
    assert len(NAMES) * len(DOORS) > 2000
    assert {name for door in DOORS for name in share_of(NAMES, door)} == set(NAMES)


def try_names(cli_copy: CommandLine, rows: Path, door: str, names: list[str]) -> None:
    with check_unchanged(cli_copy.root):
        for name in names:
            if (door, name) in TAKEN or (not name and door.startswith("new")):
                continue
            said = cli_copy.run(
                *(name if part == "{}" else str(rows) if part == ROWS else part for part in DOORS[door])
            )
            assert said.exit_code in (0, 1, 2), (name, said)
            assert said.exit_code == 0 or is_refusal(said.err), (name, said)
            assert "Traceback" not in said.out + said.err, name


@pytest.mark.parametrize("door", DOORS)
def test_names_at_a_door_of_the_command_line(cli_copy: CommandLine, tmp_path: Path, door: str) -> None:
    """A hostile name is taken as a word, or refused in a sentence; the workspace and all around it stay as they were."""
    try_names(cli_copy, tmp_path / "rows.csv", door, share_of(NAMES, door))


@pytest.mark.long
@pytest.mark.parametrize("door", DOORS)
def test_every_name_at_every_door(cli_copy: CommandLine, tmp_path: Path, door: str) -> None:
    """The same, for all names at all doors."""
    try_names(cli_copy, tmp_path / "rows.csv", door, NAMES)


# -- names in files


RECIPE_KEYS = ("data.dataset", "data.train", "data.test", "data.text", "data.label", "data.id", "data.group", "data.time",
               "data.test_from", "data.sensitive", "validate.language", "choose_base.bases", "finetune.strategy")  # fmt: skip


@pytest.mark.parametrize("key", RECIPE_KEYS)
def test_names_in_a_recipe(cli_copy: CommandLine, key: str) -> None:
    """A hostile name at a key of a recipe is refused in a sentence, or names a column or a file that is not there."""
    space, path = Workspace(cli_copy.root), cli_copy.root / "recipes" / "known.yaml"
    (cli_copy.root / "data" / "known" / "inputs.json").unlink()
    good = yaml.safe_load(path.read_bytes())
    good["data"]["time"] = "text" if key == "data.test_from" else None
    section, inner = key.split(".")
    for name in IN_FILES:
        value = [name] if key in ("data.sensitive", "choose_base.bases") else name
        path.write_text(json.dumps({**good, section: {**good[section], inner: value}}, default=str))
        refused_or_read(space, name)


def refused_or_read(space: Workspace, name: str) -> None:
    """Read a recipe, its dataset and its bases in this process; what succeeds must not have used the name for a file."""
    try:
        recipe, _ = space.recipe("known").load()
        data = recipe.data
        if not space.dataset(data.dataset).is_dir():
            return
        parts = parts_of(space.dataset(data.dataset), data)
        assert {part.path.parent for part in parts} == {space.root / "data" / "datasets" / "known"}, name
        base = bases.pin(space, recipe.choose_base.bases[0], data.modality)
        assert Path(base.id).name == "tiny", name
    except GraftError as error:
        check_error(str(error), ())
    except OSError as error:
        assert error.errno == errno.ENAMETOOLONG, name  # noqa: PT017 - the command line says it in a sentence


PLACES: dict[str, Callable[[dict[str, Any], str], object]] = {
    "dataset.name": lambda pinned, name: pinned["dataset"].update(name=name),
    "dataset.files.path": lambda pinned, name: pinned["dataset"]["files"][0].update(path=name),
    "bases.id": lambda pinned, name: pinned["bases"][0].update(id=name),
    "champion.folder": lambda pinned, name: pinned.update(champion={**CHAMPION, "folder": name}),
    "recipe": lambda pinned, name: pinned.update(recipe=name),
    "steps": lambda pinned, name: pinned.update(steps={name: 1}),
}
CHAMPION = {"number": "0001", "entry": "0" * 64, "model_id": "0" * 64, "base_sha256": "0" * 64}


def test_names_in_a_pin(cli_copy: CommandLine) -> None:
    """A pin that was written by somebody else leads to no file elsewhere: it is refused, or its base is not there."""
    path = cli_copy.root / "data" / "known" / "inputs.json"
    good = path.read_bytes()
    for put in PLACES.values():
        for name in IN_FILES:
            bad = json.loads(good)
            put(bad, name)
            path.write_text(json.dumps(bad))
            base_is_not_elsewhere(Workspace(cli_copy.root), name)


def base_is_not_elsewhere(space: Workspace, name: str) -> None:
    """Check that a pin is refused, or names folders of its own, and its base is found nowhere but where it lies."""
    try:
        pinned = load_inputs(space.recipe("known"))
        assert space.dataset(pinned.dataset.name).parent == space.root / "data" / "datasets", name
        assert space.recipe(pinned.recipe).inputs.parent.parent == space.root / "data", name
        assert pinned.champion is None or pinned.champion.folder.startswith("registry/")
        assert all(".." not in Path(file.path).parts and not file.path.startswith("/") for file in pinned.dataset.files)
        folder = bases.locate(space, pinned.bases[0])
    except GraftError as error:
        check_error(str(error), ())
    except OSError as error:
        assert error.errno == errno.ENAMETOOLONG, name  # noqa: PT017 - the command line says it in a sentence
    else:
        assert folder.name == "tiny", name


PARAMETERS = (
    "",
    "[]",
    "recipes: []",
    "recipes: {known: []}",
    "recipes: {known: {dataset: [x]}}",
    "recipes: {known: {dataset: ../x}}",
    f"recipes: {{known: {{dataset: '$(touch {CANARY})'}}}}",
    "recipes: &a {known: *a}",
    "ledger: ../../x\nrecipes: [",
    "recipes: !!python/object/apply:os.system ['touch canary']",
    "recipes: {known: {dataset: known}, known: {dataset: x}}",
    "ledger: s3://../../x\nrecipes: {known: {dataset: known}}",
    'ledger: "\\0"\nrecipes: {known: {dataset: known}}',
    "ledger: [x]\nrecipes: {known: {dataset: known}}",
    "ledger: file:///etc\nrecipes: {known: {dataset: known}}",
    "ledger: s3://bucket/$(x)\nrecipes: {known: {dataset: known}}",
    "recipes: " + "[" * 10**4,
    "x: " + "y" * 300_000,
)


def test_parameters_that_are_hostile(cli_copy: CommandLine) -> None:
    """What Graft itself takes from params.yaml is plain, and the dataset that stands there must be the recipe's."""
    for text in PARAMETERS:
        (cli_copy.root / "params.yaml").write_text(text)
        with check_unchanged(cli_copy.root), pytest.raises(GraftError) as caught:
            pin(Workspace(cli_copy.root).recipe("known"))
        check_error(str(caught.value), ())


@pytest.mark.parametrize("name", ["1e3", "0e0", "0o17", "12e34"])
def test_names_that_only_dvc_takes_for_numbers(cli_copy: CommandLine, tmp_path: Path, name: str) -> None:
    """A name that DVC would read as a number, where Graft wrote a word, is refused: its stages would have another name."""
    cli_copy.refuses("new", name, "--data", tmp_path / "rows.csv", *NEW_OPTIONS, words=("is a number to DVC",))


@pytest.mark.parametrize("name", ["123", "true", "null", "0x1f", "run", "step", "a-1", "0", "on"])
def test_names_that_yaml_would_take_for_something_else(cli_copy: CommandLine, tmp_path: Path, name: str) -> None:
    """A name that is a number, a truth or nothing to YAML is a name to Graft, to DVC's stages and in the model's pin."""
    cli_copy.succeeds("new", name, "--data", tmp_path / "rows.csv", *NEW_OPTIONS, "--base", base_of(cli_copy))
    assert name in json.loads(cli_copy.succeeds("status", "--json"))["recipes"][
        0
    ].values() or name in cli_copy.succeeds("status")
    assert pin(Workspace(cli_copy.root).recipe(name)).recipe == name
    bring_forward(Workspace(cli_copy.root).recipe(name))
    assert (
        f"data/{name}/dvc.yaml:ingest"
        in dvc(cli_copy.root, "stage", "list", f"data/{name}/dvc.yaml", "--name-only").split()
    )


def base_of(cli_copy: CommandLine) -> str:
    return str(Workspace(cli_copy.root).recipe("known").load()[0].choose_base.bases[0])
