"""gc: what in DVC's cache nobody needs any more, and away with it.

Raw data and promoted models are never garbage: every version that any commit points to stays, so that each promotion can be
audited and each of its datasets trained on again. What can be freed can be made again by a run: the step files and candidates of
runs that are over. ``dvc gc`` cannot say this: with ``--workspace`` it takes older versions of datasets, with ``--all-commits``
it keeps the step files of every run that there ever was.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graft.errors import InputError, TamperError
from graft.records import PART, sweep
from graft_tasks.dvc.cache import Cache, Out, made, pointed, stages_in
from graft_tasks.dvc.repro import dvc_held, git
from graft_tasks.processes.locks import hold
from graft_tasks.recipe_handle import RecipeHandle
from graft_tasks.registry.lineage import needed_promotions
from graft_tasks.registry.pin import finished_run
from graft_tasks.workspace import Workspace

KINDS = (
    "champions", "best so far", "rollbacks", "chains", "bases", "earlier models", "datasets", "other data", "candidates", "steps",
)  # fmt: skip
"""Who needs something, the strongest first: an object counts for the first one that needs it."""
_ROLES = {"champion": "champions", "best": "best so far", "rollback": "rollbacks", "chain": "chains", "base": "bases"}


@dataclass(frozen=True)
class Need:
    """What one kind needs, and nobody before it: names, objects of DVC's cache, bytes."""

    kind: str
    names: list[str]
    n_objects: int
    n_bytes: int


@dataclass(frozen=True)
class Garbage:
    """What lies in the cache, who needs it, and what nobody does. ``left_over``: files that ended or killed work left."""

    cache: str
    n_objects: int
    n_bytes: int
    needs: list[Need]
    n_free: int
    free_bytes: int
    left_over: list[str]
    left_over_bytes: int
    freed: bool


def find_garbage(workspace: Workspace) -> Garbage:
    """Say what can be freed. Changes nothing.

    Raises:
        TamperError: the ledger or a pointer was altered: what is needed cannot be known.
        InputError: this clone does not hold every commit.
    """
    return _sort(workspace, Cache.of(workspace))[0]


def collect(workspace: Workspace) -> Garbage:
    """Free what nobody needs.

    Raises:
        BusyError: a recipe is being run, or a dataset added to.
        InputError: this clone does not hold every commit, or the cache may be shared with other workspaces.
        TamperError: the ledger or a pointer was altered. In each case nothing is deleted.
    """
    cache = Cache.of(workspace)
    if not cache.folder.is_relative_to(workspace.root):
        raise InputError(
            "DVC's cache lies outside this workspace, where others may keep things too.",
            where=str(cache.folder),
            do="dvc gc --workspace --projects OTHER ...",
        )
    with ExitStack() as locks:
        for name in workspace.recipes():
            locks.enter_context(hold(workspace.recipe(name).lock("run"), name))
        for pointer in (workspace.root / "data" / "datasets").glob("*.dvc"):
            locks.enter_context(hold(workspace.dataset_lock(pointer.stem), f"dataset {pointer.stem}"))
        locks.enter_context(dvc_held(workspace.root))
        garbage, free = _sort(workspace, cache)
        for path in [*free, *(workspace.root / name for name in garbage.left_over if not name.endswith(PART))]:
            path.unlink(missing_ok=True)
        for folder in _SWEPT:
            sweep(workspace.root / folder)
    return Garbage(**{**vars(garbage), "freed": True})


_SWEPT = ("recipes", "data", "registry", "ledger", "pages", ".graft")


def _sort(workspace: Workspace, cache: Cache) -> tuple[Garbage, list[Path]]:
    """Return what there is, and the files of the cache that nobody needs."""
    if git(workspace.root, "rev-parse", "--is-shallow-repository").strip() == "true":
        raise InputError(
            "This clone does not hold every commit, so it cannot say which data some commit needs.",
            where=str(workspace.root),
            do="git fetch --unshallow",
        )
    sizes = {path.parent.name + path.name: path.stat().st_size for path in cache.folder.glob("??/*") if path.is_file()}
    left_over = [*_halves(cache), *_checkpoints(workspace), *_features(workspace), *_parts(workspace)]
    halves = {path.parent.name + path.name for path in _halves(cache)}
    unclaimed = sizes.keys() - halves
    n_objects = len(unclaimed)
    n_bytes = sum(sizes[md5] for md5 in unclaimed)
    claims: dict[str, tuple[list[str], list[str]]] = {kind: ([], []) for kind in KINDS}
    for kind, name, out in sorted(_needed(workspace), key=lambda need: KINDS.index(need[0])):
        names, objects = claims[kind]
        mine = {out.md5, *cache.files(out).values()} & unclaimed
        unclaimed -= mine
        objects += mine
        names += [name] if name not in names else []
    needs = [
        Need(kind, names, len(objects), sum(sizes[md5] for md5 in objects))
        for kind, (names, objects) in claims.items()
        if names
    ]
    garbage = Garbage(
        cache=str(cache.folder),
        n_objects=n_objects,
        n_bytes=n_bytes,
        needs=needs,
        n_free=len(unclaimed),
        free_bytes=sum(sizes[md5] for md5 in unclaimed),
        left_over=sorted(path.relative_to(workspace.root).as_posix() for path in left_over),
        left_over_bytes=sum(path.stat().st_size for path in left_over if path.is_file()),
        freed=False,
    )
    return garbage, [cache.path(md5) for md5 in sorted(unclaimed)]


def _needed(workspace: Workspace) -> Iterator[tuple[str, str, Out]]:
    """Yield who needs what: kind, name, and the out."""
    roles = _roles(workspace)
    for pointer, content, is_here in _pointers(workspace):
        try:
            outs = pointed(content, pointer)
        except TamperError:
            if is_here:
                raise
            continue  # a commit of half a pointer names nothing
        top, *middle, _ = pointer.split("/")
        for out in outs:
            name = f"{middle[-1]} {Path(out.path).name}" if top == "registry" and middle else Path(out.path).name
            if top == "registry":
                yield roles.get(name, "earlier models"), name, out
            else:
                yield "datasets" if middle == ["datasets"] else "other data", name, out
    for path, stages in _locks(workspace):
        for stage, entry in stages.items():
            step, _, recipe = stage.partition("@")
            for out in made(entry, stage):
                yield ("candidates" if step == "finetune" else "steps"), recipe or Path(path).parent.name or stage, out


def _roles(workspace: Workspace) -> dict[str, str]:
    """Return the strongest reason for each promoted model that a recipe cannot do without."""
    ledger = workspace.ledger(fresh=True)
    found: dict[str, str] = {}
    for recipe in workspace.recipes():
        for why, promotion in needed_promotions(ledger, workspace.recipe(recipe).load()[0]):
            name, kind = f"{promotion.predicate.recipe} {promotion.predicate.model_number}", _ROLES[why]
            found[name] = min(kind, found.get(name, kind), key=KINDS.index)
    return found


def _pointers(workspace: Workspace) -> Iterator[tuple[str, bytes, bool]]:
    """Yield every version of every pointer, in the workspace and in any commit: its path, its content, whether it lies here."""
    root = workspace.root
    for pointer in [*(root / "data").rglob("*.dvc"), *(root / "registry").rglob("*.dvc")]:
        if pointer.is_file():
            yield pointer.relative_to(root).as_posix(), pointer.read_bytes(), True
    for line in git(root, "rev-list", "--objects", "--all").splitlines():
        blob, _, path = line.partition(" ")
        if path.endswith(".dvc") and not path.startswith(".dvc/"):
            yield path, git(root, "cat-file", "-p", blob).encode(), False


def _locks(workspace: Workspace) -> Iterator[tuple[str, dict[str, dict[str, Any]]]]:
    """Yield what the stages made last: by lock file, here and on each branch."""
    root = workspace.root
    for path in [root / "dvc.lock", *(root / "data").glob("*/dvc.lock")]:
        if path.is_file():
            yield path.relative_to(root).as_posix(), stages_in(path.read_bytes(), str(path))
    tips = git(root, "for-each-ref", "--format=%(objectname)", "refs/heads", "refs/remotes").split()
    for tip in sorted(set(tips)):
        for name in git(root, "ls-tree", "-r", "--name-only", tip, "dvc.lock", "data/").splitlines():
            if Path(name).name == "dvc.lock":
                yield name, stages_in(git(root, "cat-file", "-p", f"{tip}:{name}").encode(), f"{tip}:{name}")


def _halves(cache: Cache) -> list[Path]:
    """Return the files that DVC did not write to their end; under its lock their writers are dead."""
    return [path for path in cache.folder.glob("??/.*") if path.is_file()]


def _features(workspace: Workspace) -> list[Path]:
    """Return the features and predictions that are kept of recipes that are gone."""
    gone = [
        folder for folder in (workspace.root / ".graft" / "cache").glob("*/*") if folder.name not in workspace.recipes()
    ]
    return [path for folder in gone for path in folder.rglob("*") if path.is_file()]


def _checkpoints(workspace: Workspace) -> list[Path]:
    """Return the checkpoints of recipes whose pinned run is over."""
    folder = workspace.root / ".graft" / "checkpoints"
    over = [name.name for name in folder.glob("*") if not _is_open(workspace.recipe(name.name))]
    return [path for name in over for path in (folder / name).rglob("*") if path.is_file()]


def _is_open(handle: RecipeHandle) -> bool:
    return handle.name in handle.workspace.recipes() and finished_run(handle) is None


def _parts(workspace: Workspace) -> list[Path]:
    """Return the temporary files and folders of Graft's own; those that are at work are not taken away."""
    return [path for folder in _SWEPT for path in (workspace.root / folder).rglob(f".*{PART}")]
