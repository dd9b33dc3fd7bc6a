"""publish: what a run or a change of champion made goes to where others reach it: bytes to DVC's remote, then commits to git's.

A ledger that several clones share is in force the moment an entry stands there. So a candidate's bytes are on the remote, and
were looked for there, before its promotion is written.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from graft.errors import InputError, StepError
from graft.ledger import Ledger, Promotion, PromotionPredicate
from graft.records import Inputs, copy_folder
from graft_tasks.dvc.cache import Cache, Out, last_made, made, pointed
from graft_tasks.dvc.remote import as_named, check_there, default_remote, push
from graft_tasks.dvc.repro import dvc, stage
from graft_tasks.dvc.upstream import push_commits
from graft_tasks.recipe_handle import RecipeHandle
from graft_tasks.registry.lineage import needed_promotions
from graft_tasks.steps.context import WITH_FILES
from graft_tasks.workspace import Workspace

_STAGED = "0000"
"""The number of a candidate that has none yet: promotions begin at 0001."""


def check_can_share(workspace: Workspace, place: Path | str | None = None) -> None:
    """Check that what a shared ledger, the workspace's or one at another place, puts in force can be had by others.

    Raises:
        InputError: no remote is set for DVC.
    """
    place = place or workspace.ledger_place()
    if workspace.is_shared(place) and not default_remote(workspace)[1]:
        raise InputError(
            "The ledger is shared, and DVC has no default remote: the bytes of a champion would lie on this machine alone.",
            where=f"{workspace.root / 'params.yaml'}: ledger: {place}",
            do="dvc remote add --default NAME ADDRESS",
        )


def send_before(workspace: Workspace, predicate: PromotionPredicate) -> None:
    """Before a change of champion is written to a shared ledger: bring the model, and what it was made from, to the remote.

    Raises:
        InputError: no remote is set.
        StepError: the remote does not take them, or lacks some of them afterwards.
    """
    if not workspace.is_shared(workspace.ledger_place()):
        return
    check_can_share(workspace)
    handle = workspace.recipe(predicate.recipe)
    folder = handle.registry / (_STAGED if predicate.action == "promote" else predicate.model_number)
    pointer = folder.with_name(f"{folder.name}.dvc")
    name = pointer.relative_to(workspace.root).as_posix()
    if predicate.action != "promote":
        send(handle, name)
        return
    unstage(handle)
    try:
        copy_folder(handle.model, folder)
        dvc(workspace.root, "add", str(folder.relative_to(workspace.root)))
        (out,) = pointed(pointer.read_bytes(), name)
        if out.md5 != predicate.folder_md5:
            raise StepError("DVC names the candidate's folder otherwise than it will be signed.", where=str(pointer))
        send(handle, name)
    finally:
        unstage(handle)


def unstage(handle: RecipeHandle) -> None:
    """Take away a candidate that has no number: it was sent, or whoever sent it was killed."""
    folder = handle.registry / _STAGED
    folder.with_name(f"{_STAGED}.dvc").unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def send(handle: RecipeHandle, *pointers: str) -> None:
    """Bring to DVC's remote all that ``graft fetch`` would bring of a recipe, and what pointers name; look whether it is there.

    A clone need not have all of it: what is not in its cache is left out.
    """
    workspace = handle.workspace
    remote, address = default_remote(workspace)
    if not address:
        return
    (recipe, _), ledger, entries = handle.load(), workspace.ledger(), last_made(handle)
    models: set[str] = set()
    datasets = {recipe.data.dataset}
    for _, promotion in needed_promotions(ledger, recipe):
        models.add(_pointer(promotion))
        inputs = ledger.value(ledger.run_of(promotion).predicate.inputs_sha256, Inputs, "the inputs of a run")
        datasets.add(inputs.dataset.name)
    outs = [out for step in WITH_FILES for out in made(entries.get(step, {}), stage(workspace.root, handle.name, step))]
    outs += _named(workspace, {*models, *pointers, *(f"data/datasets/{dataset}.dvc" for dataset in datasets)})
    push(workspace.root, _here(workspace, outs), as_named(remote, address))


def _pointer(promotion: Promotion) -> str:
    return f"registry/{promotion.predicate.recipe}/{promotion.predicate.model_number}.dvc"


def send_models(workspace: Workspace, ledger: Ledger) -> None:
    """Bring every promoted model of a ledger to DVC's remote; those that a recipe stands on have to be there afterwards.

    Raises:
        StepError: one of these is neither here nor there, or the remote does not take it.
    """
    remote, address = default_remote(workspace)
    where = as_named(remote, address)
    needed: set[str] = set()
    known: set[str] = set()
    for name in workspace.recipes():
        needed |= {_pointer(model) for _, model in needed_promotions(ledger, workspace.recipe(name).load()[0])}
        known |= {_pointer(promotion) for promotion in ledger.promotions(name)}
    if absent := sorted(pointer for pointer in needed if not (workspace.root / pointer).is_file()):
        raise StepError("A model that is in use has no pointer here.", where=absent[0], do="restore it with git")
    push(workspace.root, _here(workspace, _named(workspace, needed | known)), where)
    check_there(workspace.root, sorted(needed), where)


def _named(workspace: Workspace, pointers: set[str]) -> list[Out]:
    present = [pointer for pointer in sorted(pointers) if (workspace.root / pointer).is_file()]
    return [out for pointer in present for out in pointed((workspace.root / pointer).read_bytes(), pointer)]


def _here(workspace: Workspace, outs: list[Out]) -> list[str]:
    """Return what to call those outs that DVC's cache holds."""
    cache = Cache.of(workspace)
    return [out.target for out in outs if cache.path(out.md5).is_file()]


def share(handle: RecipeHandle) -> None:
    """Bring what a run or a change of champion made to DVC's remote and to git's, where there are such.

    Raises:
        StepError: a remote does not take it. Nothing is lost: it is committed here, and the same command goes on.
    """
    send(handle)
    push_commits(handle.workspace.root)
