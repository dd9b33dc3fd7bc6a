"""fetch: brings what a recipe needs from DVC's remote, and checks every byte of it.

DVC takes from a remote what it returns, says "Everything is up to date" where the remote's folder is gone, and waits as long as a
server drips. So DVC only moves bytes here. Whether they came, and whether they are the ones that were meant, is found out by
digest: that of the pointer and, for models and raw data, that which was signed or pinned.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from graft.errors import GraftError, StepError, TamperError
from graft.recipe import Recipe
from graft.records import Inputs, sha256_file
from graft_tasks.dvc.cache import Cache, Out, last_made, made, pointed
from graft_tasks.dvc.remote import Brought, import_data, object_name, remote_of
from graft_tasks.dvc.repro import dvc, stage
from graft_tasks.processes.disk import disk_full
from graft_tasks.processes.locks import hold
from graft_tasks.recipe_handle import RecipeHandle
from graft_tasks.registry.lineage import needed_promotions
from graft_tasks.steps.context import WITH_FILES
from graft_tasks.workspace import Workspace

_log = logging.getLogger("graft.remote")
Progress = Callable[[int, int, str], None]
PATIENCE = 120
"""Seconds in which a remote must send something: a KiB for each of them."""


@dataclass(frozen=True)
class Fetched:
    """What is here, whole. ``mended`` names what was damaged and is not any more: files in DVC's cache, folders of models."""

    recipe: str
    datasets: list[str]
    models: list[str]
    steps: list[str]
    n_files: int
    n_bytes: int
    n_brought: int
    mended: list[str]
    remote: str


@dataclass(frozen=True)
class FetchedRecipes:
    """What is here of some recipes."""

    recipes: tuple[Fetched, ...]


@dataclass(frozen=True)
class _Wanted:
    """An out, what it is to a person, and the sha256 of each of its files where that was signed or pinned."""

    what: str
    out: Out
    signed: dict[str, str] | None = None


def fetch(
    handle: RecipeHandle, *, patience: int = PATIENCE, progress: Progress = lambda _done, _total, _note: None
) -> Fetched:
    """Bring the models that a recipe cannot do without (see ``stands_on``), their data and its own, and what its steps made last.

    What is here and whole is not asked for again.

    Args:
        patience: seconds after which a remote that sends next to nothing is given up.

    Raises:
        StepError: the remote does not answer, lets nobody in, is too slow or lacks something.
        TamperError: the remote's own copy is damaged, or a pointer names other bytes than those that were signed. What was
            damaged is not kept; the workspace's folders are as before.
        BusyError: this recipe is being run, or its dataset added to.
    """
    workspace, name = handle.workspace, handle.name
    recipe, _ = handle.load()
    dataset = recipe.data.dataset
    with hold(handle.lock("run"), name), hold(workspace.dataset_lock(dataset), f"dataset {dataset}"):
        models, datasets = _models(workspace, recipe), _datasets(workspace, recipe)
        last = last_made(handle)
        steps = [
            _Wanted(step, out)
            for step in WITH_FILES
            for out in made(last.get(step) or {}, stage(workspace.root, name, step))
        ]
        wanted = [*datasets, *models, *steps]
        cache = Cache.of(workspace)
        remote, n_brought = _complete(workspace, cache, wanted, patience, progress)
        for item in wanted:
            _check_signed(cache, item)
        mended = [*cache.damaged.values(), *_place(workspace, cache, wanted)]
    if n_brought:
        _log.info("fetched %d objects for %s from %s", n_brought, name, remote)
    return Fetched(
        recipe=name,
        datasets=[dataset.what for dataset in datasets],
        models=[model.what for model in models],
        steps=[step.what for step in steps],
        n_files=len({md5 for item in wanted for md5 in cache.files(item.out).values()}),
        n_bytes=cache.n_bytes,
        n_brought=n_brought,
        mended=sorted(set(mended)),
        remote=remote,
    )


def _models(workspace: Workspace, recipe: Recipe) -> list[_Wanted]:
    ledger, found = workspace.ledger(), {}
    for _, promotion in needed_promotions(ledger, recipe):
        predicate = promotion.predicate
        what = f"{predicate.recipe} {predicate.model_number}"
        if what not in found:
            files = ledger.run_of(promotion).predicate.model_files
            out = _pointed(workspace, workspace.recipe(predicate.recipe).registry / predicate.model_number)
            found[what] = _Wanted(what, out, {file.path: file.sha256 for file in files})
    return list(found.values())


def _datasets(workspace: Workspace, recipe: Recipe) -> list[_Wanted]:
    """Return the recipe's dataset and those that the models it stands on were trained on.

    Where ``ingest`` ran last on the version that a pointer names, its files have a pinned sha256.
    """
    ledger, trained_on = workspace.ledger(), {recipe.data.dataset: recipe.name}
    for _, promotion in needed_promotions(ledger, recipe):
        digest = ledger.run_of(promotion).predicate.inputs_sha256
        inputs = ledger.value(digest, Inputs, "the inputs of a run")
        trained_on.setdefault(inputs.dataset.name, inputs.recipe)
    found = []
    for name, by in trained_on.items():
        out, signed = _pointed(workspace, workspace.dataset(name)), None
        ran = last_made(workspace.recipe(by)).get("ingest") or {}
        if {"path": out.path, "md5": out.md5}.items() <= (ran.get("deps") or [{}])[0].items():
            pinned = ran["params"][f"data/{by}/inputs.json"]["dataset"]
            signed = {file["path"]: file["sha256"] for file in pinned["files"]}
        found.append(_Wanted(name, out, signed))
    return found


def _pointed(workspace: Workspace, folder: Path) -> Out:
    pointer = folder.with_name(f"{folder.name}.dvc")
    if not pointer.is_file():
        raise StepError(f"{folder.name} has no pointer.", where=str(pointer), do="restore it with git")
    (out,) = pointed(pointer.read_bytes(), pointer.relative_to(workspace.root).as_posix())
    return out


def _complete(
    workspace: Workspace, cache: Cache, wanted: list[_Wanted], patience: int, progress: Progress
) -> tuple[str, int]:
    """Read every object, and bring those that are absent or were damaged. Returns the remote, if one was asked, and how many."""
    lacking = _lacking(cache, wanted, progress)
    if not lacking:
        return "", 0
    remote, n_before = remote_of(workspace, len(lacking)), len(cache.sha256)
    damaged, cache.damaged = cache.damaged, {}

    def ask(targets: Iterable[str]) -> Brought:
        show = partial(_show_bytes, progress)
        return import_data(workspace.root, cache.folder, sorted(targets), remote, patience, show)

    brought = ask(
        {item.out.target for item in wanted if lacking.keys() & {item.out.md5, *cache.files(item.out).values()}}
    )
    lacking = _lacking(cache, wanted, progress)
    if cache.damaged:
        raise _damaged_there(cache.damaged, remote)
    if lacking:
        raise brought.why or _not_whole(wanted, lacking, remote, ask)
    cache.damaged = damaged
    return remote, len(cache.sha256) - n_before


def _show_bytes(progress: Progress, n_bytes: int) -> None:
    progress(n_bytes, 0, f"{n_bytes / 1e6:,.1f} MB")


def _damaged_there(damaged: dict[str, str], remote: str) -> TamperError:
    md5, path = min(damaged.items(), key=lambda item: item[1])
    more = f" and {len(damaged) - 1} more" if len(damaged) > 1 else ""
    return TamperError(
        f"The remote's own copy of {path}{more} is damaged.",
        where=f"{remote}: object {object_name(md5)}",
        do="delete that object there, then dvc push on a machine that has the file",
    )


def _not_whole(
    wanted: list[_Wanted],
    lacking: dict[str, str],
    remote: str,
    ask: Callable[[Iterable[str]], Brought],
) -> GraftError:
    """Return what the remote does not have whole. DVC keeps no listing of which it could not get every file."""
    do = "dvc push on a machine that has it; where an object is damaged, delete it there first"
    for item in wanted:
        if item.out.md5 in lacking and not (brought := ask([item.out.target])).is_all:
            lost = [object_name(md5) for md5 in brought.lost]
            return TamperError(
                f"The remote's own copy of {item.out.path} is damaged or not whole.",
                where=f"{remote}: {', '.join([f'listing {object_name(item.out.md5)}', *lost[:1]])}",
                do=do,
            )
    md5, path = min(lacking.items(), key=lambda item: item[1])
    return StepError(f"The remote lacks {path}.", where=f"{remote}: object {object_name(md5)}", do=do)


def _lacking(cache: Cache, wanted: list[_Wanted], progress: Progress) -> dict[str, str]:
    found: dict[str, str] = {}
    for done, item in enumerate(wanted):
        progress(done, len(wanted), f"reading {item.what}")
        found |= cache.lacks(item.out)
    return found


def _check_signed(cache: Cache, item: _Wanted) -> None:
    if item.signed is None:
        return
    found = {path: cache.sha256[md5] for path, md5 in cache.files(item.out).items()}
    wrong = sorted(path for path in found.keys() | item.signed.keys() if found.get(path) != item.signed.get(path))
    if wrong:
        raise TamperError(
            f"The pointer of {item.what} names other bytes than those that were signed or pinned.",
            where=f"{item.out.target}: {wrong[0]}",
            do="restore the pointer with git",
        )


def _place(workspace: Workspace, cache: Cache, wanted: list[_Wanted]) -> list[str]:
    """Put into the workspace what is absent there, and promoted models that are not as they were signed; return the latter.

    What a step made, or a person changed in a dataset, is not overwritten; the latter is refused.
    """
    absent, odd_models = [], []
    for item in wanted:
        folder = workspace.root / item.out.path
        if not folder.exists():
            absent.append(item)
        elif item.out.path.startswith("data/datasets/") and (odd := _odd(folder, cache, item.out)):
            raise StepError(
                f"Dataset {item.what} is not the version that its pointer names.",
                where=str(folder / odd),
                do=f"dvc checkout {item.out.target}    takes the pointer's version",
            )
        elif item.out.path.startswith("registry/") and _odd(folder, cache, item.out):
            absent.append(item)
            odd_models.append(item.out.path)
    for item in absent:
        shutil.rmtree(workspace.root / item.out.path, ignore_errors=True)
    try:
        if absent:
            dvc(workspace.root, "checkout", *(item.out.target for item in absent))
        for item in absent:
            if odd := _odd(workspace.root / item.out.path, cache, item.out):
                raise StepError(f"{item.what} was not written whole.", where=odd, do="the same command again")
    except (GraftError, OSError) as error:
        full = _without_room(workspace, cache, absent)
        for item in absent:
            shutil.rmtree(workspace.root / item.out.path, ignore_errors=True)
        if full:
            raise full from error
        raise
    return odd_models


def _without_room(workspace: Workspace, cache: Cache, absent: list[_Wanted]) -> StepError | None:
    """Return that the disk is full, where what is to be written is more than it has room for: DVC does not say why it failed."""
    md5s = [md5 for item in absent for md5 in cache.files(item.out).values()]
    n_bytes, n_free = sum(cache.path(md5).stat().st_size for md5 in md5s), shutil.disk_usage(workspace.root).free
    if n_bytes <= n_free:
        return None
    where = f"{workspace.root}: {n_bytes:,} bytes to write, {n_free:,} free"
    return disk_full(where)


def _odd(folder: Path, cache: Cache, out: Out) -> str:
    """Return a file that is absent, changed or too many in a folder, or an empty string."""
    meant = {path: cache.sha256[md5] for path, md5 in cache.files(out).items()}
    present = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if not path.is_dir()}
    for path in sorted(meant.keys() | present.keys()):
        if (
            path not in present
            or path not in meant
            or present[path].is_symlink()
            or sha256_file(present[path]) != meant[path]
        ):
            return path
    return ""
