"""Writes down the world before a run: dataset, bases, champion. Steps read these only through the pin."""

from __future__ import annotations

from graft.errors import InputError
from graft.ledger import Ledger, Promotion, PromotionPredicate, Run
from graft.recipe import Recipe, check_name
from graft.records import (
    Ancestor,
    Base,
    BestChampion,
    Champion,
    Dataset,
    Inputs,
    canonical_json,
    digest_folder,
    sha256_bytes,
    sha256_file,
    write_json,
)
from graft.refs import parse_ref
from graft.shift.domain_card import find_card
from graft_tasks.dvc.publish import check_can_share
from graft_tasks.recipe_handle import RecipeHandle
from graft_tasks.registry import bases
from graft_tasks.registry.lineage import best_so_far, chain, n_compared, rolled_back
from graft_tasks.registry.models import model_folder
from graft_tasks.steps.context import VERSIONS, load_inputs
from graft_tasks.workspace import Workspace


def pin(handle: RecipeHandle) -> Inputs:
    """Return the pinned inputs of the run to make, and write them if the world has changed.

    An unfinished run keeps its pin. So does a finished one as long as recipe, dataset, bases and code are the same and the
    champion is the one it was compared with, or the one that it made: its own result is no change of the world.

    Raises:
        InputError: dataset or base are absent, or the ledger is shared and nothing else is.
    """
    workspace = handle.workspace
    ledger = workspace.ledger()
    check_can_share(workspace)  # said before hours of training, not after
    recipe, recipe_sha256 = handle.load()
    _check_params(handle, recipe.data.dataset)
    folder = workspace.dataset(recipe.data.dataset)
    if not folder.is_dir():
        raise InputError(f"Dataset {recipe.data.dataset} is not here.", where=str(folder), do="dvc pull")
    files, digest = digest_folder(folder)
    dataset = Dataset(name=recipe.data.dataset, sha256=digest, files=files)
    path = handle.inputs
    if path.is_file():
        pinned = load_inputs(handle)
        if _same_world(pinned, _world(workspace, ledger, recipe, recipe_sha256, dataset), ledger):
            return pinned
    world = _world(workspace, workspace.ledger(fresh=True), recipe, recipe_sha256, dataset)
    write_json(path, world)
    return world


def _world(workspace: Workspace, ledger: Ledger, recipe: Recipe, recipe_sha256: str, dataset: Dataset) -> Inputs:
    """Return everything that a run depends on, as it is now."""
    promotions = ledger.promotions(recipe.name)
    pinned_bases = tuple(bases.pin(workspace, base, recipe.data.modality) for base in recipe.choose_base.bases)
    return Inputs(
        recipe=recipe.name,
        recipe_sha256=recipe_sha256,
        dataset=dataset,
        bases=pinned_bases,
        cards=_cards(workspace, pinned_bases),
        champion=_champion(workspace, ledger, promotions[-1]) if promotions else None,
        best=_best(workspace, ledger, promotions),
        rolled_back=rolled_back(promotions),
        ancestors=_ancestors(workspace, ledger, recipe),
        looks=_looks(workspace, ledger, recipe.data.dataset),
        steps=VERSIONS,
    )


def _check_params(handle: RecipeHandle, dataset: str) -> None:
    """Check that ``params.yaml`` knows this recipe with the dataset that it names: it is what other recipes are looked up in."""
    workspace, name = handle.workspace, handle.name
    entry = (workspace.params().get("recipes") or {}).get(name)
    found = entry.get("dataset") if isinstance(entry, dict) else None
    if found != dataset:
        raise InputError(
            f"params.yaml does not know {name} with dataset {dataset}.",
            where=f"{workspace.root / 'params.yaml'}: recipes.{name}.dataset is {found}",
            do=f"write there: recipes.{name}.dataset: {dataset}",
        )


def _same_world(pinned: Inputs, world: Inputs, ledger: Ledger) -> bool:
    """Return whether the world is the pinned one, apart from what the pinned run itself has changed."""
    digest = sha256_bytes(canonical_json(pinned))
    own = {run.entry for run in ledger.summaries(pinned.recipe) if run.inputs_sha256 == digest}
    champion = ledger.champion(pinned.recipe)
    last = champion.predicate if champion else None
    made_champion = last is not None and last.action == "promote" and last.run in own
    ignored = {"looks", "best"} | ({"champion", "rolled_back"} if made_champion else set())
    return pinned.model_dump(exclude=ignored) == world.model_dump(exclude=ignored)


def _cards(workspace: Workspace, pinned: tuple[Base, ...]) -> dict[str, str]:
    """Return the digest of each base's domain card."""
    found = {base.id: find_card(base.folder_sha256, workspace.cards) for base in pinned}
    return {name: sha256_file(path) for name, path in found.items() if path}


def _champion(workspace: Workspace, ledger: Ledger, promotion: Promotion) -> Champion:
    """Return a champion as the pin writes it down; its base's digest lets later features be compared with its own."""
    run, named = ledger.run_of(promotion), promotion.predicate
    assert run.predicate.base_sha256 is not None  # noqa: S101 - a run with a model has a base
    folder = model_folder(workspace.recipe(named.recipe), named.model_number)
    return Champion(
        number=named.number,
        entry=promotion.entry,
        model_id=named.model_id,
        base_sha256=run.predicate.base_sha256,
        folder=folder.relative_to(workspace.root).as_posix(),
    )


def _best(workspace: Workspace, ledger: Ledger, promotions: list[Promotion]) -> BestChampion | None:
    """Return the best champion so far, None where it is in force: then a candidate is compared with it as the champion."""
    best = best_so_far(ledger, promotions)
    if best is None or best.predicate.model_id == promotions[-1].predicate.model_id:
        return None
    champion = _champion(workspace, ledger, best)
    return BestChampion(**champion.model_dump(), n_compared=n_compared(ledger, promotions, best))


def _ancestors(workspace: Workspace, ledger: Ledger, recipe: Recipe) -> dict[str, tuple[Ancestor, ...]]:
    """Return the promoted models that each base of the recipe grew from, and what is here of their tasks' rows."""
    found = {}
    for base in recipe.choose_base.bases:
        if ancestors := tuple(
            _ancestor(workspace, link.promotion.predicate) for link in chain(ledger, parse_ref(base))
        ):
            found[base] = ancestors
    return found


def _ancestor(workspace: Workspace, promotion: PromotionPredicate) -> Ancestor:
    rows = workspace.recipe(promotion.recipe).rows
    return Ancestor(
        recipe=promotion.recipe,
        number=promotion.model_number,
        model_id=promotion.model_id,
        rows_sha256=sha256_file(rows) if rows.is_file() else None,
    )


def _looks(workspace: Workspace, ledger: Ledger, dataset: str) -> dict[str, str]:
    """Return the evaluation of each model that finished runs evaluated on a dataset, of any recipe, by its record's digest."""
    looks = {}
    params = workspace.params()
    named = {**(params.get("recipes") or {}), **(params.get("removed") or {})}  # each recipe that ever ran stands there
    for name, entry in named.items():
        if not isinstance(entry, dict) or entry.get("dataset") != dataset:
            continue
        for run in ledger.summaries(check_name(str(name), "recipe")):
            if run.model_id is not None:
                looks[run.model_id] = run.evaluation
    return dict(sorted(looks.items()))


def finished_run(handle: RecipeHandle) -> Run | None:
    """Return the ledger's entry of the run whose records stand in the workspace, or None if it has not been enacted."""
    decided, pinned = handle.record("decide"), handle.inputs
    if not (decided.is_file() and pinned.is_file()):
        return None
    now, ledger = (sha256_file(decided), sha256_file(pinned)), handle.workspace.ledger()
    same = (run for run in ledger.summaries(handle.name) if (run.decision, run.inputs_sha256) == now)
    newest = max(same, key=lambda run: (run.finished_at, run.entry), default=None)
    return ledger.run(handle.name, newest.entry) if newest else None
