"""forward: brings a clone to where the others are, before a run that nobody watches."""

from __future__ import annotations

from graft_tasks.dvc.fetch import fetch
from graft_tasks.dvc.remote import default_remote
from graft_tasks.dvc.repro import dvc
from graft_tasks.dvc.upstream import pull_commits
from graft_tasks.recipe_handle import RecipeHandle
from graft_tasks.registry.lineage import needed_promotions


def catch_up(handle: RecipeHandle) -> None:
    """Take over the commits that came upstream, and from DVC's remote a dataset or a model that the next run opens.

    Raises:
        GraftError: a remote does not answer, lacks something or has changed the same lines; or a dataset was edited here.
    """
    workspace = handle.workspace
    recipe, _ = handle.load()
    dataset = workspace.dataset(recipe.data.dataset)
    pointer = dataset.with_name(f"{dataset.name}.dvc")
    before = pointer.read_bytes() if pointer.is_file() else b""
    pull_commits(workspace.root)
    lacks_model = any(
        not (workspace.recipe(promotion.predicate.recipe).registry / promotion.predicate.model_number).is_dir()
        for why, promotion in needed_promotions(workspace.ledger(), recipe)
        if why in ("champion", "best")
    )
    is_older = pointer.is_file() and (pointer.read_bytes() != before or not dataset.is_dir())
    if not (lacks_model or is_older) or not default_remote(workspace)[1]:
        return
    if is_older:
        dvc(workspace.root, "pull", str(pointer.relative_to(workspace.root)))  # refuses where rows were edited by hand
    fetch(handle)
