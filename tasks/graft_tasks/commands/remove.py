"""Takes a recipe out of the workspace. What was promoted from it, and the ledger, stay: an audit works as before."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import yaml

from graft.errors import InputError
from graft.recipe import parse_recipe
from graft.records import write_atomic
from graft_tasks.dvc.recover import committed
from graft_tasks.dvc.repro import commit, dvc_held, lockfile
from graft_tasks.processes.locks import hold, silently
from graft_tasks.recipe_handle import RecipeHandle


@dataclass(frozen=True)
class Removed:
    """What was taken away and what stays: ``dataset`` is the dataset's name where it was taken away too."""

    recipe: str
    dataset: str
    n_runs: int
    champion: str


def remove(handle: RecipeHandle) -> Removed:
    """Take a recipe, its entry in params.yaml, its stages, pin, records, step files and pages away, in one commit.

    Ledger, registry and what models were trained on stay. The dataset is taken away as well where no run was ever made of it
    and no other recipe has it. Whatever kills this, the same command finishes it.

    Raises:
        InputError: there is no such recipe, or another one is based on its models.
        BusyError: the recipe is being run.
        TamperError: the ledger was altered.
        StepError, OSError: git or the disk refuse.
    """
    workspace, name = handle.workspace, handle.name
    before = committed(workspace.root, f"recipes/{name}.yaml")
    path = handle.path
    if not path.is_file() and not before:
        handle.load()  # says that there is none, and which there are
    based = [
        recipe
        for recipe in workspace.recipes()
        if recipe != name and f"graft:{name}@" in workspace.recipe(recipe).path.read_text()
    ]
    if based:
        what = f"Recipe {based[0]} is based on a model of {name}."
        raise InputError(
            what, where=str(workspace.recipe(based[0]).path), do=f"give it another base, or remove {based[0]} first"
        )
    do = "wait until it has ended, or stop it"
    with (
        hold(handle.lock("run"), name, do=do, recovers=True),
        hold(handle.lock("curve"), f"the curve of {name}", do=do),
    ):
        dataset = _dataset_of(handle, path.read_bytes() if path.is_file() else before)
        ledger = workspace.ledger()
        n_runs, champion = ledger.heads(name).n_runs, ledger.champion(name)
        is_shared = any(
            recipe != name and _dataset_named(workspace.recipe(recipe)) == dataset for recipe in workspace.recipes()
        )
        is_kept = n_runs > 0 or is_shared
        _take_stages(handle)
        for folder in _folders(handle):
            shutil.rmtree(folder, ignore_errors=True)
        gone = [f"recipes/{name}.yaml", f"data/{name}", "dvc.lock"]
        if not is_kept:
            with hold(workspace.dataset_lock(dataset), f"dataset {dataset}"):
                shutil.rmtree(workspace.dataset(dataset), ignore_errors=True)
                workspace.dataset(dataset).with_name(f"{dataset}.dvc").unlink(missing_ok=True)
            gone.append(f"data/datasets/{dataset}.dvc")
        path.unlink(missing_ok=True)
        _strike(handle, gone, rests_on=dataset if n_runs else None)
    return Removed(name, "" if is_kept else dataset, n_runs, champion.predicate.number if champion else "")


def _strike(handle: RecipeHandle, gone: list[str], *, rests_on: str | None) -> None:
    """Take a recipe's entry out of params.yaml, and commit that with what is gone.

    Args:
        rests_on: the dataset that runs of the recipe have looked at; it is noted there, as their looks count on.
    """
    workspace, name = handle.workspace, handle.name
    path = workspace.root / "params.yaml"
    with hold(workspace.root / ".graft" / "locks" / "params", "params.yaml", wait=silently):
        known = workspace.params()
        recipes = {key: value for key, value in (known.get("recipes") or {}).items() if key != name}
        removed = {**(known.get("removed") or {}), **({name: {"dataset": rests_on}} if rests_on else {})}
        values = {**known, "recipes": recipes, **({"removed": removed} if removed else {})}
        head = "".join(line for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line[:1] == "#")
        write_atomic(path, (head + yaml.safe_dump(values, sort_keys=True)).encode())
        commit(workspace.root, f"{name}: recipe removed", [*gone, "params.yaml"])


def _dataset_of(handle: RecipeHandle, text: bytes) -> str:
    """Return the dataset of a recipe, whose file may be damaged."""
    return _dataset_named(handle) or parse_recipe(handle.name, text).data.dataset


def _dataset_named(handle: RecipeHandle) -> str:
    """Return the dataset that params.yaml names for a recipe; empty where it names none."""
    entry = (handle.workspace.params().get("recipes") or {}).get(handle.name)
    return str(entry["dataset"]) if isinstance(entry, dict) and isinstance(entry.get("dataset"), str) else ""


def _folders(handle: RecipeHandle) -> list[Path]:
    """Return the folders with what was made of a recipe and can be made again, and with the logs of its runs."""
    name = handle.name
    own = handle.workspace.root / ".graft"
    caches = [
        own / "curve" / name,
        own / "checkpoints" / name,
        own / "findings" / name,
        own / "logs" / name,
        *(own / "cache").glob(f"*/{name}"),
    ]
    return [handle.inputs.parent, handle.pages, *caches]


def _take_stages(handle: RecipeHandle) -> None:
    """Take a recipe's stages out of the lock file that recipes shared once, where they still do, and the copy of its own."""
    workspace, name = handle.workspace, handle.name
    lockfile(workspace.root, name)[1].unlink(missing_ok=True)
    path = workspace.root / "dvc.lock"
    with dvc_held(workspace.root):
        if not path.is_file() or f"@{name}:" not in path.read_text(encoding="utf-8"):
            return
        found = yaml.safe_load(path.read_bytes())
        found["stages"] = {stage: entry for stage, entry in found["stages"].items() if stage.partition("@")[2] != name}
        if found["stages"]:
            write_atomic(path, yaml.safe_dump(found, sort_keys=False).encode())
        else:
            path.unlink()
