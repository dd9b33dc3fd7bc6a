"""Makes a workspace, and recipes in it."""

from __future__ import annotations

import shutil
from collections import Counter
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import yaml

from graft.data import IMAGE_COLUMN, check_kinds, check_test_labels, columns_of, import_data, read_batches
from graft.errors import GraftError, InputError
from graft.modality import MODALITIES
from graft.recipe import Data, parse_recipe
from graft.recipe.json_schema import SCHEMA_FILE, schema_text
from graft.recipe.text import recipe_text
from graft.records import copy_files, sha256_file, sweep, write_atomic
from graft_tasks.datasets.add import called_as, scratch_folder
from graft_tasks.datasets.times import Ask, settle_times
from graft_tasks.dvc.pipeline import TOPMOST
from graft_tasks.dvc.recover import committed, recover_dvc
from graft_tasks.dvc.repro import commit, dvc, git, keep
from graft_tasks.processes.locks import hold, silently
from graft_tasks.recipe_handle import RecipeHandle
from graft_tasks.registry import bases
from graft_tasks.registry.keys import own_key
from graft_tasks.workspace import Workspace

GITIGNORE = """# What DVC keeps is not for git; records are.
# The brackets matter: DVC reads "/registry/*/*/" as ignoring registry/NAME/ itself, and then neither pushes nor keeps models.
/.graft/
/pages/
/data/datasets/[a-z0-9]*/
/data/*/*/*
!/data/*/*/record.json
!/data/*/*/report.json
!/data/*/monitor/*/
/data/*/monitor/*/*
!/data/*/monitor/*/record.json
/registry/*/[0-9]*/
# What is being written is not there yet.
.*.part
"""
DVCIGNORE = "__pycache__\n.venv\n.graft\npages\n"
SCHEMA = f"recipes/{SCHEMA_FILE}"
"""What editors know recipes by; renewed by each version's ``init``."""
IMAGE = "image"
"""The column that brought images lie in."""
_CARRIED = {"support": "data/datasets/support", "support.yaml": "recipes/support.yaml"}


def carried(name: str) -> Path:
    """Return a file or folder that Graft carries: inside the package in a wheel, beside it in a checkout."""
    inside = Path(__file__).parents[1] / "bundled" / name
    return inside if inside.exists() else Path(__file__).parents[3] / _CARRIED[name]


def init(folder: Path) -> tuple[Workspace, list[str]]:
    """Make a workspace, or add what one lacks (a clone has no signing key). Returns it and what was added.

    Raises:
        InputError: the folder holds other things and is no git repository.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder.name} is a file.", where=str(folder), do="name a folder")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / ".git").exists():
        raise InputError(
            f"{folder.name} holds other things and is no git repository.", where=str(folder), do="name an empty folder"
        )
    folder.mkdir(parents=True, exist_ok=True)
    workspace = Workspace(folder.resolve())
    added = []
    if not (folder / ".git").exists():
        git(folder, "init", "--quiet", "--initial-branch", "main")
        added.append(".git")
    if not (folder / ".dvc").exists():
        dvc(folder, "init", "--quiet")
        write_atomic(folder / ".dvc" / "config", b"[core]\n    analytics = false\n    check_update = false\n")
        added.append(".dvc")
    texts = {
        ".gitignore": GITIGNORE,
        ".dvcignore": DVCIGNORE,
        "dvc.yaml": TOPMOST,
        "params.yaml": _params({"recipes": {}}),
        "recipes/.gitkeep": "",
        SCHEMA: schema_text(),
    }
    for name, text in texts.items():
        path = folder / name
        is_old = name == SCHEMA and path.is_file() and path.read_bytes() != text.encode()
        if not path.exists() or is_old or (name == ".dvcignore" and ".dvc" in added):
            write_atomic(path, text.encode())
            added.append(name)
    key, is_new = own_key(workspace)
    if is_new:
        added.append(key)
    commit(
        workspace.root, "graft init", [".gitignore", ".dvc", ".dvcignore", "dvc.yaml", "params.yaml", "recipes", key]
    )
    return workspace, added


def new(handle: RecipeHandle, sources: dict[str, Path], values: dict[str, Any], *, ask: Ask | None = None) -> Path:
    """Bring labelled rows into the workspace and write a recipe for them. Returns the recipe's path.

    Args:
        sources: ``train`` and perhaps ``test``, in any form that ``graft.data.import_data`` takes.
        values: dotted recipe keys.
        ask: asks a person what comes first in a time, where the times do not show it.

    Raises:
        InputError: the recipe exists, a file or column is not there or cannot be read, or a value is wrong. Nothing is written
            then.
    """
    workspace, name = handle.workspace, handle.name
    _check_free(handle)
    with scratch_folder(workspace) as scratch:
        files: dict[str, Path] = {}
        for role, source in sources.items():
            brought = import_data(source, scratch, role=role)
            files |= brought if role == "train" else {role: brought[role]}
        if values.get("data.image") == IMAGE_COLUMN and IMAGE_COLUMN not in columns_of(files["train"]):
            what = f"{sources['train'].name} leads to no images."
            raise InputError(what, where=str(sources["train"]), do="give paths relative to the table's folder")
        roles: dict[str, Any] = {f"data.{role}": path.name for role, path in files.items()}
        with called_as({path: sources.get(role, sources["train"]) for role, path in files.items()}):
            roles |= settle_times(files, values, ask)
            text = recipe_text(name, {**values, **roles, "data.dataset": name})
            recipe = parse_recipe(name, text)
            counts = {role: _check_rows(path, recipe.data) for role, path in files.items()}
            check_test_labels(counts, recipe.data.label, files)
        for base in recipe.choose_base.bases:
            bases.pin(workspace, base, recipe.data.modality)
        return adopt(handle, {path.name: path for path in files.values()}, text)


def _check_rows(path: Path, data: Data) -> Counter[str]:
    """Read every row once before anything is kept: nothing can be learned from no contents, one class, or a class of one row.

    Returns:
        the rows of each class.
    """
    counts: Counter[str] = Counter()
    n_filled = 0
    for batch in read_batches(path, [*data.columns, data.label]):
        check_kinds(path, batch, data)
        contents = batch[data.content]
        if not n_filled:
            MODALITIES[data.modality].content_keys(
                contents[:1], [f"row 1 of {path.name}"]
            )  # what no content is, is refused
        counts.update(batch[data.label].str.strip())
        n_filled += sum(bool(content and content.strip()) for content in contents)
    del counts[""]
    if not n_filled:
        raise InputError(
            f'Every {data.modality} in column "{data.content}" is empty.', where=str(path), do="name another column"
        )
    if len(counts) < 2:
        held = f"one class, {_short(next(iter(counts)))!r}" if counts else "no class"
        raise InputError(
            f'Column "{data.label}" holds {held}; a classifier needs two.', where=str(path), do="name another column"
        )
    lonely = sorted(label for label, n in counts.items() if n == 1)
    if lonely and data.test is None:
        more = f" and {len(lonely) - 1} more" if len(lonely) > 1 else ""
        raise InputError(
            f"Class {_short(lonely[0])!r}{more} has one row; it can be taught or tested, not both.",
            where=f'{path}, column "{data.label}"',
            do="add rows of it, join it to another class, or take it out",
        )
    return counts


def _short(label: str) -> str:
    return label if len(label) <= 60 else f"{label[:60]} ..."


def _check_free(handle: RecipeHandle) -> None:
    name = handle.name
    path, folder = handle.path, handle.workspace.dataset(name)
    if _begun(handle).exists():
        return  # ``adopt`` goes on with what was cut off
    if path.exists():
        do = "edit it, or choose another name"
        raise InputError(f"There is a recipe {name} already.", where=str(path), do=do, code="recipe-exists")
    if folder.exists() or _pointer(folder).exists():
        raise InputError(f"There is a dataset {name} already.", where=str(folder), do="choose another name")


def adopt(handle: RecipeHandle, files: dict[str, Path], text: str) -> Path:
    """Bring files into the workspace as the dataset of a recipe, and the recipe's text beside them.

    Whatever kills this, the same command finishes it.

    Args:
        files: name in the dataset's folder to file.

    Raises:
        InputError: recipe or dataset exist.
        BusyError: another process makes this recipe.
        StepError, OSError: DVC, git or the disk refuse. Whichever it is, recipe, dataset and params.yaml are as before.
    """
    workspace, name = handle.workspace, handle.name
    path, begun = handle.path, _begun(handle)
    with hold(handle.lock("new"), f"the new recipe {name}"):
        for folder in (workspace.root, begun.parent, path.parent, workspace.dataset(name).parent):
            sweep(folder, deep=False)
        recover_dvc(workspace.root)
        if begun.exists() and _is_finished(handle, files, text):
            _keep(handle)  # a run that came between has committed the recipe alone
            begun.unlink()
            return path
        _take_away(handle)
        _check_free(handle)
        write_atomic(begun, b"")
        try:
            _make(handle, files, text)
        except (GraftError, OSError):
            _take_away(handle)
            raise
        begun.unlink()
    return path


def is_there(handle: RecipeHandle) -> bool:
    """Return whether a recipe is there, and is not what a process left that was killed as it made it."""
    return handle.path.exists() and not _begun(handle).exists()


def _begun(handle: RecipeHandle) -> Path:
    """Return the mark that this recipe is being made: while it is there, what git does not know of the recipe is ours."""
    return handle.workspace.root / ".graft" / f"{handle.name}.new"


def _pointer(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.dvc")


def _is_finished(handle: RecipeHandle, files: dict[str, Path], text: str) -> bool:
    """Return whether just this recipe on just these files was committed before its maker was killed."""
    folder = handle.workspace.dataset(handle.name)
    if committed(handle.workspace.root, f"recipes/{handle.name}.yaml") != text.encode() or not folder.is_dir():
        return False
    present = {path.name: sha256_file(path) for path in folder.iterdir()}
    return present == {target: sha256_file(file) for target, file in files.items()}


def _make(handle: RecipeHandle, files: dict[str, Path], text: str) -> None:
    copy_files(files, handle.workspace.dataset(handle.name))
    keep(handle.workspace.root, f"data/datasets/{handle.name}")
    write_atomic(handle.path, text.encode())
    _keep(handle)


def _keep(handle: RecipeHandle) -> None:
    workspace, name = handle.workspace, handle.name
    # held up to the commit, so that nobody commits an entry of which nothing else is committed
    with _params_held(workspace):
        _enter(handle, {"dataset": name})
        commit(workspace.root, f"{name}: a recipe", [*_kept(name), "params.yaml"])


def _kept(name: str) -> list[str]:
    return [f"recipes/{name}.yaml", f"data/datasets/{name}.dvc"]


def _take_away(handle: RecipeHandle) -> None:
    """Take away what was made of a recipe, unless it was committed."""
    workspace, name = handle.workspace, handle.name
    begun, path, folder = _begun(handle), handle.path, workspace.dataset(name)
    if begun.exists() and not committed(workspace.root, f"recipes/{name}.yaml"):
        shutil.rmtree(folder, ignore_errors=True)
        for file in (path, _pointer(folder)):
            file.unlink(missing_ok=True)
        if name in (workspace.params().get("recipes") or {}):
            with _params_held(workspace):
                _enter(handle, None)
        if git(workspace.root, "ls-files", "--", *_kept(name)):
            commit(workspace.root, "nothing", _kept(name))  # they were staged: now they leave the index
    begun.unlink(missing_ok=True)


def _params_held(workspace: Workspace) -> AbstractContextManager[bool]:
    return hold(workspace.root / ".graft" / "locks" / "params", "params.yaml", wait=silently)


def _enter(handle: RecipeHandle, entry: dict[str, str] | None) -> None:
    """Write a recipe's entry into params.yaml, or take it out."""
    known = handle.workspace.params()
    before = known.get("recipes") or {}
    recipes = (
        {**before, handle.name: entry} if entry else {key: value for key, value in before.items() if key != handle.name}
    )
    if recipes != before:
        write_atomic(handle.workspace.root / "params.yaml", _params({**known, "recipes": recipes}).encode())


def _params(values: dict[str, Any]) -> str:
    head = "# Every recipe, with the folder of its dataset.\n"
    return head + yaml.safe_dump(values, sort_keys=True)
