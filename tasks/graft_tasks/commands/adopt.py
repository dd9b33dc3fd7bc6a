"""Puts a new recipe and its dataset in place: whatever kills it, the same command finishes it."""

from __future__ import annotations

import shutil
from contextlib import AbstractContextManager
from pathlib import Path

from graft.errors import GraftError, InputError
from graft.records import copy_files, sha256_file, sweep, write_atomic
from graft_tasks.commands.init import params_text
from graft_tasks.dvc.recover import committed, recover_dvc
from graft_tasks.dvc.repro import commit, git, keep
from graft_tasks.processes.locks import hold, silently
from graft_tasks.recipe_handle import RecipeHandle
from graft_tasks.workspace import Workspace


def check_free(handle: RecipeHandle) -> None:
    """Check that neither the recipe nor a dataset of its name is there, but for what was cut off.

    Raises:
        InputError: one of them is.
    """
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
        check_free(handle)
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
        write_atomic(handle.workspace.root / "params.yaml", params_text({**known, "recipes": recipes}).encode())
