"""Whether a run would change anything, found out in a second or two, before any server starts."""

from __future__ import annotations

import json

from graft.errors import TamperError
from graft_tasks.dvc.pointer import check_pointer
from graft_tasks.dvc.repro import dvc, git
from graft_tasks.dvc.upstream import n_unpushed
from graft_tasks.recipe_handle import RecipeHandle
from graft_tasks.registry.pin import finished_run
from graft_tasks.registry.promote import own_paths


def nothing_to_do(handle: RecipeHandle) -> str:
    """Return why there is nothing to do, or an empty string if there is.

    Nothing is to be done when the pinned run is in the ledger, its promotion (if it was decided so) is too, and every stage's
    files are those of its ``dvc.lock``, and all of it is committed. Call ``pin`` first: it notices a changed world.
    """
    workspace, name = handle.workspace, handle.name
    run = finished_run(handle)
    if run is None:
        return ""
    predicate = run.predicate
    promotion = next((p for p in workspace.ledger().promotions(name) if p.predicate.run == run.entry), None)
    if predicate.verdict == "promote":
        if promotion is None:
            return ""
        pointer = handle.registry / f"{promotion.predicate.model_number}.dvc"
        if not pointer.with_suffix("").is_dir():
            return ""
        try:
            check_pointer(pointer, promotion.predicate.folder_md5, predicate.model_files)
        except TamperError:
            return ""  # the run was killed while it kept the model
    # the ledger's records, of which there are many, are committed with the entry that names them
    paths = own_paths(handle, of_ledger=(f"runs/{name}", f"promotions/{name}"))
    if git(workspace.root, "status", "--porcelain", "--", *paths):
        return ""
    if n_unpushed(workspace.root, *paths):
        return ""  # a push that failed is made up for
    if json.loads(dvc(workspace.root, "status", "--json", f"data/{name}/dvc.yaml") or "{}"):
        return ""
    led = f"champion {promotion.predicate.number}" if promotion else predicate.verdict
    return f"The same recipe, data and base were run on {predicate.finished_at[:16].replace('T', ' ')} UTC and led to {led}."
