"""The command line: bad input is one clear sentence and exit 2, every command is documented, help is light."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from graft_cli.main import app
from graft_tasks.commands.init import init
from graft_tasks.processes.environment import environment
from graft_tasks.workspace import Workspace

ROOT = Path(__file__).parents[2]
HEAVY = [
    "prefect",
    "torch",
    "transformers",
    "sklearn",
    "scipy",
    "pandas",
    "numpy",
    "evidently",
    "great_expectations",
    "dvc",
    "pydantic",
]


def graft(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["graft", *arguments], cwd=folder, env=environment(), capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace without recipes, and a table beside it."""
    folder = tmp_path_factory.mktemp("cli") / "workspace"
    init(folder)
    (folder.parent / "rows.csv").write_text("text,intent\nhello,a\nbye,b\n")
    (folder.parent / "latin.csv").write_bytes("text,intent\ncaf\xe9,a\n".encode("latin-1"))
    return folder


BAD = {
    "no workspace": (["status"], "not in a workspace", True),
    "no recipe": (["run", "nothing"], "code recipe-unknown nothing", False),
    "recipe with a path": (["run", "../other"], "code name-unusable ../other", False),
    "no file": (
        ["new", "a", "--data", "../gone.csv", "--text", "text", "--label", "intent"],
        "code file-missing gone.csv",
        False,
    ),
    "no column": (
        ["new", "a", "--data", "../rows.csv", "--text", "text", "--label", "intend"],
        "code column-missing did you mean 'intent'?",
        False,
    ),
    "not UTF-8": (
        ["new", "a", "--data", "../latin.csv", "--text", "text", "--label", "intent"],
        "code not-utf8 latin.csv",
        False,
    ),
    "bad strategy": (
        ["new", "a", "--data", "../rows.csv", "--text", "text", "--label", "intent", "--strategy", "magic"],
        'code recipe-value-wrong "finetune.strategy"',
        False,
    ),
    "bad time": (["audit", "a", "--at", "yesterday"], "", False),
    "bad size": (["curve", "a", "--sizes", "1,many"], "A size is a number of rows", False),
    "long size": (["curve", "a", "--sizes", "9" * 5000], "A size is a number of rows", False),
    "no recipe to measure": (["curve", "nothing"], "code recipe-unknown nothing", False),
    "unknown option": (["run", "a", "--fast"], "No such option", False),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input_is_one_sentence_exit_2_and_nothing_written(empty: Path, tmp_path: Path, what: str) -> None:
    """No traceback, exit 2, and the folder is as it was; what a script goes by is said with ``--json``."""
    arguments, sentence, outside = BAD[what]
    folder = tmp_path if outside else empty
    before = sorted(str(p) for p in folder.rglob("*") if ".git/" not in str(p) and ".dvc/" not in str(p))
    done = graft(folder, *arguments)
    assert done.returncode == 2, done.stderr
    if sentence.startswith("code "):
        assert done.stderr.startswith("error: ")
        facts = json.loads(graft(folder, *arguments, "--json").stdout)["error"]
        code, _, named = sentence.removeprefix("code ").partition(" ")
        assert facts["code"] == code
        assert facts["what"] in done.stderr
        assert named in done.stderr
    else:
        assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    after = sorted(str(p) for p in folder.rglob("*") if ".git/" not in str(p) and ".dvc/" not in str(p))
    assert after == before


def test_help_imports_nothing_heavy() -> None:
    """graft --help answers at once because no library that is slow to import is touched."""
    code = f"import sys, graft_cli.main; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("command", [["status"], ["status", "support"], ["audit", "support"], ["run", "support"]])
def test_what_is_printed_is_ascii_and_fits_80_columns(promoted_once: Workspace, command: list[str]) -> None:
    """Off a terminal too: no colour codes, no line longer than a terminal is wide, nothing that is not ASCII."""
    done = graft(promoted_once.root, *command)
    assert done.returncode == 0, done.stderr
    lines = [line.replace(str(promoted_once.root), "/w") for line in done.stdout.splitlines()]
    assert [line for line in lines if len(line) > 80 or not line.isascii() or "\x1b" in line] == []


def test_every_command_and_option_is_documented() -> None:
    """docs/commands.md has a heading for each command that exists, names each of its options, and no command that does not."""
    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    command = typer.main.get_command(app)
    commands = {name: sub for name, sub in command.commands.items() if not sub.hidden}  # type: ignore[attr-defined]
    sections = dict(part.split("\n", 1) for part in text.split("\n## graft ")[1:])
    documented = {heading.split()[0]: body for heading, body in sections.items()}
    assert documented.keys() == commands.keys()
    for name, sub in commands.items():
        for parameter in sub.params:
            for option in parameter.opts:
                if option.startswith("--") and option != "--help":
                    assert option in documented[name], f"{name} {option}"


def test_every_recipe_key_is_documented() -> None:
    """docs/recipe.md explains every key that a recipe has."""
    from graft.recipe import known_keys

    text = (ROOT / "docs" / "recipe.md").read_text(encoding="utf-8")
    assert [key for key in known_keys() if f"`{key}`" not in text] == []


def test_a_server_that_does_not_answer_is_said_in_a_sentence(promoted: Workspace) -> None:
    """A wrong PREFECT_API_URL names the address and what to do, and exits 1."""
    recipe = promoted.recipe("support").path
    recipe.write_text(recipe.read_text().replace("max_gap: 0.15", "max_gap: 0.16"))
    variables = environment() | {"PREFECT_API_URL": "http://127.0.0.1:9/api"}
    done = subprocess.run(
        ["graft", "run", "support"], cwd=promoted.root, env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "The Prefect server does not answer." in done.stderr
    assert "http://127.0.0.1:9/api" in done.stderr
    assert "Traceback" not in done.stderr
