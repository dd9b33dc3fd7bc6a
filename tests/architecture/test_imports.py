"""Who may import whom, and what may stand nowhere: read from the syntax trees."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from graft.modality import MODALITIES
from graft.presentation.titles import TITLES

ROOT = Path(__file__).parents[2]
PACKAGES = ("graft", "tasks", "flows", "cli")
FILES = {
    path.relative_to(ROOT).as_posix(): path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))
}
TREES = {name: ast.parse(path.read_text()) for name, path in FILES.items()}
SHARED = ("errors", "metrics", "refs", "rows", "leak", "modality", "records", "recipe", "stats")
"""What every sub-package of graft may import."""
ABOVE = {
    "learning_curve": ("evaluation", "model"),
    "presentation": ("learning_curve",),
}
"""Sub-packages that stand on others; all others import themselves and what is shared."""
HEAVY = {
    "great_expectations": {"graft/validate"},
    "evidently": {"graft/shift"},
    "torch": {"graft/model"},
    "transformers": {"graft/model"},
    "model_signing": {"graft/ledger"},
    "cryptography": {"graft/ledger"},
    "boto3": {"graft/ledger"},
    "jinja2": {"graft/presentation"},
}


def imported(tree: ast.AST) -> Iterator[str]:
    """Yield the dotted name of everything that is imported anywhere in a file, ``from a import b`` as ``a.b``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide who imports whom"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


IMPORTS = {name: tuple(imported(tree)) for name, tree in TREES.items()}


def importers(library: str) -> set[str]:
    """Return the files that import a library or something inside it."""
    return {name for name, found in IMPORTS.items() if any(f"{one}.".startswith(f"{library}.") for one in found)}


def test_the_search_finds_imports() -> None:
    """The helpers of this file see an import inside a function and one of a sub-module."""
    tree = ast.parse("def f():\n    import a.b\n    from c import d\n")
    assert list(imported(tree)) == ["a.b", "c.d"]
    assert "tasks/graft_tasks/steps/context.py" in importers("graft.recipe")
    assert len(FILES) > 40


@pytest.mark.parametrize(
    ("lower", "uppers"),
    [
        ("graft", ("graft_tasks", "graft_flows", "graft_cli")),
        ("tasks", ("graft_flows", "graft_cli")),
        ("flows", ("graft_cli",)),
    ],
)
def test_layers(lower: str, uppers: tuple[str, ...]) -> None:
    """The command line imports flows, flows import tasks, tasks import graft, never back."""
    for upper in uppers:
        assert not {name for name in importers(upper) if name.startswith(f"{lower}/")}


def test_prefect_is_for_flows() -> None:
    """Only flows import Prefect, and each of them does, but for the list of who listens."""
    modules = {name for name in FILES if name.startswith("flows/") and not name.endswith("__init__.py")}
    assert modules - importers("prefect") == {"flows/graft_flows/events.py"}
    assert importers("prefect") <= modules


def test_a_command_is_a_module() -> None:
    """Each module of the commands defines the command of its name, and what it shows; the command line holds no other."""
    from graft_cli.main import app

    modules = {Path(name).stem for name in FILES if name.startswith("cli/graft_cli/commands/")} - {"__init__"}
    callbacks = [command.callback for command in app.registered_commands if command.callback is not None]
    assert {(one.__module__, one.__name__) for one in callbacks} == {(f"graft_cli.commands.{m}", m) for m in modules}


def test_what_computes_shows_nothing() -> None:
    """No function below the command line is told whether to show, print or guide: results are values. Logs have a form."""
    flags = {"show", "as_json", "guide", "title", "watched", "verbose", "quiet", "silent"}
    found = {
        f"{name}: {node.name}({argument.arg})"
        for name, tree in TREES.items()
        if name.startswith(("tasks/", "flows/")) and name != "tasks/graft_tasks/processes/logs.py"
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        for argument in (*node.args.args, *node.args.kwonlyargs)
        if argument.arg in flags and argument.annotation is not None and ast.unparse(argument.annotation) == "bool"
    }
    assert found == set()


def test_dvc_is_a_process() -> None:
    """Only the module that runs DVC in a process of its own imports it, and only the warm process imports that."""
    assert importers("dvc") == {"tasks/graft_tasks/dvc/child.py"}
    assert importers("graft_tasks.dvc.child") == set()
    assert '"graft_tasks.dvc.child"' in FILES["tasks/graft_tasks/processes/warm.py"].read_text()


def test_what_dvc_says_is_read_nowhere() -> None:
    """No sentence of DVC's stands in the packages: its exceptions are known by their classes."""
    phrases = (
        "didn't change", "up to date", "failed to transfer", "Unable to acquire", "is busy", "exited with", "ERROR:",
        "failed to reproduce", "Use `dvc", "locate credentials", "Running stage", "Access Denied",
    )  # fmt: skip
    read = ("tasks/graft_tasks/dvc/", "tasks/graft_tasks/processes/", "flows/")
    texts = [(name, text) for name, tree in TREES.items() if name.startswith(read) for text in constants(tree)]
    assert {name: text for name, text in texts for phrase in phrases if phrase in text} == {}


def constants(tree: ast.AST) -> Iterator[str]:
    """Yield the texts of a file that are no docstrings."""
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in alone:
            yield node.value


def test_no_protocol_is_printed() -> None:
    """What a process tells another goes through events.py: nothing in the packages prints for a program to read."""
    printed = ("progress\t", "error\t", "first\t")
    split = {name for name, tree in TREES.items() for text in constants(tree) if text.startswith(printed)}
    assert split == set()


@pytest.mark.parametrize("library", HEAVY)
def test_one_importer(library: str) -> None:
    """Each heavy library is imported by just the packages that it is for."""
    assert {name.rsplit("/", 1)[0] for name in importers(library)} == HEAVY[library]


@pytest.mark.parametrize(
    "module",
    [
        "graft.recipe",
        "graft.evaluation.decide",
        "graft_tasks.steps.decide",
        "graft_tasks.registry.pin",
        "graft_tasks.registry.promote",
        "graft_tasks.commands.status",
        "graft_tasks.commands.run",
        "graft_tasks.commands.prepare",
        "graft_cli.main",
    ],
)
def test_who_only_words_and_files_things_is_quick(module: str) -> None:
    """What computes nothing imports nothing to compute with: a command that has nothing to do answers at once."""
    heavy = ("numpy", "pandas", "pyarrow", "scipy", "sklearn", "torch")
    code = f"import sys, {module}; print([one for one in {heavy} if one in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout == "[]\n"


def test_the_flow_computes_nothing() -> None:
    """The process of a run, up to its last page, imports nothing that computes: its stages and the drift page are others."""
    heavy = ("torch", "transformers", "scipy", "sklearn", "pandas", "great_expectations", "evidently")
    modules = "graft_tasks.commands.run, graft_flows.local, graft_flows.monitor"
    code = f"import sys, {modules}; print([one for one in {heavy} if one in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.slow
def test_importing_changes_no_environment() -> None:
    """What a process says of hubs and threads is set where it starts (processes/environment.py), never by an import."""
    code = (
        "import os; before = dict(os.environ); import graft.model.encoder, graft.model.folder, graft_tasks.steps.context; "
        "print([key for key in os.environ if os.environ[key] != before.get(key) and key.startswith(('HF_', 'TOK'))])"
    )
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "TOKENIZERS_"))}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True, env=clean)
    assert done.stdout == "[]\n"


def test_every_base_is_read_from_its_folder_alone() -> None:
    """Each ``from_pretrained`` says ``local_files_only``, so that no hub is asked in a process that did not forbid it."""
    calls = [
        (name, {keyword.arg for keyword in node.keywords})
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".from_pretrained")
    ]
    assert len(calls) >= 4
    assert [name for name, keywords in calls if "local_files_only" not in keywords] == []


def asks_for_modality(tree: ast.AST, names: frozenset[str]) -> list[int]:
    """Return the lines that decide by a modality's name: a comparison of one with it, or a table with an entry for each."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            constants = {side.value for side in sides if isinstance(side, ast.Constant)}
            found += [node.lineno] if constants & names and "modality" in ast.unparse(node) else []
        elif isinstance(node, ast.Dict):
            keys = {key.value for key in node.keys if isinstance(key, ast.Constant)}
            found += [node.lineno] if keys >= names else []
    return found


def test_only_a_modalitys_package_knows_what_a_row_is() -> None:
    """Outside graft/modality nothing decides by a modality's name: it asks the modality."""
    names = frozenset(MODALITIES)
    both = ast.parse('a = 1 if data.modality == "text" else 2\nb = {"text": 1, "image": 2}')
    assert sorted(asks_for_modality(both, names)) == [1, 2]
    inside = "graft/modality/"
    others = {name: tree for name, tree in TREES.items() if not name.startswith((inside, "cli/", "flows/"))}
    assert {name: lines for name, tree in others.items() if (lines := asks_for_modality(tree, names))} == {}
    for one in MODALITIES:
        for other in set(MODALITIES) - {one}:
            assert not {name for name in importers(f"graft.modality.{other}") if name.startswith(f"{inside}{one}/")}


def test_images_are_decoded_in_one_place() -> None:
    """Only graft/modality/image/pictures.py imports Pillow: what is refused and how an image becomes RGB is decided once."""
    assert importers("PIL") == {"graft/modality/image/pictures.py"}


def test_parts_of_graft_do_not_import_one_another() -> None:
    """A sub-package of graft imports itself, what serves all of them, and what it stands on by name."""
    folders = {path.name for path in (ROOT / "graft").iterdir() if path.is_dir() and any(path.glob("*.py"))}
    assert {"data", "validate", "shift", "model", "ledger"} <= folders
    for name, found in IMPORTS.items():
        parts = name.split("/")
        if parts[0] != "graft" or len(parts) < 3:
            continue
        allowed = {"__version__", parts[1], *SHARED, *ABOVE.get(parts[1], ())}
        for one in found:
            if one.split(".")[0] == "graft":
                assert one.split(".")[1] in allowed, f"{name} imports {one}"
    for low in ("records", "stats"):
        seen = {one for name, found in IMPORTS.items() if name.startswith(f"graft/{low}/") for one in found}
        assert {one.split(".")[1] for one in seen if one.startswith("graft.")} <= {low, "records", "metrics", "errors"}


def test_no_clock_in_graft() -> None:
    """graft has no clock and no random state of its own: nothing in it can differ between two runs."""
    for library in ("time", "datetime", "random", "socket", "platform", "getpass"):
        assert not {name for name in importers(library) if name.startswith("graft/")}
    for name, tree in TREES.items():
        if name.startswith("graft/"):
            calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
            drawn = {call for call in calls if call.startswith("np.random.") and call != "np.random.default_rng"}
            assert not drawn, f"{name}: {drawn}"
            assert not {call for call in calls if call.endswith((".now", ".today", ".utcnow", "Timestamp.now"))}


FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "joblib", "cloudpickle", "marshal", "shelve"}
FORBIDDEN_CALLS = {
    "torch.load",
    "yaml.load",
    "yaml.unsafe_load",
    "yaml.full_load",
    "pd.read_pickle",
    "eval",
    "exec",
    "os.system",
}
FORBIDDEN_KEYWORDS = {("trust_remote_code", True), ("shell", True), ("allow_pickle", True), ("weights_only", False)}


def forbidden(tree: ast.AST) -> list[str]:
    """Return what stands in a file that may run code out of data."""
    found = [one for one in imported(tree) if one.split(".")[0] in FORBIDDEN_MODULES]
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            found += [name] if name in FORBIDDEN_CALLS else []
            for keyword in node.keywords:
                if isinstance(keyword.value, ast.Constant) and (keyword.arg, keyword.value.value) in FORBIDDEN_KEYWORDS:
                    found.append(f"{name}({keyword.arg}={keyword.value.value})")
    return found


@pytest.mark.parametrize(
    "line",
    ["import pickle", "from joblib import load", "torch.load(p)", "yaml.load(x)", "f(trust_remote_code=True)",
     "run(c, shell=True)", "np.load(p, allow_pickle=True)", "eval(x)"],
)  # fmt: skip
def test_the_search_finds_what_is_forbidden(line: str) -> None:
    """Each forbidden thing would be found."""
    assert forbidden(ast.parse(line))


def test_data_never_runs() -> None:
    """No pickle, no remote code, no unsafe YAML and no shell, in the packages or beside them."""
    beside = [path for folder in ("benchmarks", "infra", "docs") for path in (ROOT / folder).rglob("*.py")]
    trees = {**TREES, **{path.relative_to(ROOT).as_posix(): ast.parse(path.read_text()) for path in beside}}
    assert {name: found for name, tree in trees.items() if (found := forbidden(tree))} == {}


def test_no_check_is_found_by_what_people_call_it() -> None:
    """The title of a check stands in titles.py and, as schema 1 wrote it, in schema_1.py; a finding of validate and a
    comparison of detect_shift have the same name. No template compares a name or looks for words in what a verdict advises.
    """
    titles = {title for title in TITLES.values() if " " in title and "{" not in title}
    may = {"graft/presentation/titles.py", "graft/records/schema_1.py", "graft/validate/suite.py",
           "graft/modality/text/__init__.py", "tasks/graft_tasks/steps/detect_shift.py"}  # fmt: skip
    named = {
        name: found
        for name, tree in TREES.items()
        if (found := {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant)} & titles) and name not in may
    }
    assert named == {}
    for path in (ROOT / "graft" / "presentation" / "templates").glob("*.j2"):
        text = path.read_text(encoding="utf-8")
        assert not {title for title in titles if title in text}, path.name
        assert not re.search(r"in report\.decide\.do|check\.name|selectattr\(.name.", text), path.name


def test_files_are_short() -> None:
    """No file of the packages has 300 lines or more."""
    lengths = {name: len(path.read_text().splitlines()) for name, path in FILES.items()}
    assert {name: n for name, n in lengths.items() if n >= 300} == {}
