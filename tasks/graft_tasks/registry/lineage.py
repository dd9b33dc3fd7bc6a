"""The chain of a promoted model, which promoted models a recipe stands on, and which of them a rollback goes to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from graft.errors import TamperError
from graft.ledger import Ledger, Promotion, Run
from graft.model.bases import WEIGHTS
from graft.recipe import Recipe
from graft.records import Inputs
from graft.records.safe_read import parse_object
from graft.refs import ModelRef, PromotedRef, parse_ref
from graft_tasks.registry.models import promotion_of


@dataclass(frozen=True)
class Link:
    """One model of a chain: the promotion by which it is in it, the run that made it, and what that run grew it from."""

    promotion: Promotion
    run: Run
    parent: Promotion | None
    """The promotion of the model that it grew from; None where its base is not of this ledger."""


def chain(ledger: Ledger, ref: ModelRef) -> Iterator[Link]:
    """Yield the model that a reference means and each promoted model that it grew from, nearest first.

    Whatever goes along a chain goes by this: audit, pin, what is fetched, published and kept. A reference to a model that was
    not promoted here has no links.

    Raises:
        TamperError: a link is not in the ledger, its run is not the one that made it, its weights are not those that the next
            one grew from, or the chain comes back to where it was. The links before it were yielded.
    """
    visited: set[str] = set()
    promotion = promotion_of(ledger, ref)
    while promotion is not None:
        if promotion.entry in visited:
            where = f"{promotion.predicate.recipe} {promotion.predicate.number}, in the chain of {ref}"
            raise TamperError("A model grew from itself.", where=where, do="restore the ledger with git")
        visited.add(promotion.entry)
        run = ledger.run_of(promotion)
        link = Link(promotion, run, _parent_of(ledger, run))
        yield link
        promotion = link.parent


def ref_of(promotion: Promotion) -> PromotedRef:
    """Return the reference that means this very promotion."""
    return PromotedRef(promotion.predicate.recipe, promotion.predicate.number)


def needed_promotions(ledger: Ledger, recipe: Recipe) -> Iterator[tuple[str, Promotion]]:
    """Yield every promotion whose model a recipe cannot do without, with the reason; a model may come more than once.

    Reasons: ``champion``; ``best``, the best champion so far; ``rollback``, the model that a rollback goes to; ``chain``, what
    any of them grew from; ``base``, what the recipe's next candidate would grow from, and that one's chain.

    Raises:
        TamperError: the ledger was altered.
    """
    promotions = ledger.promotions(recipe.name)
    best, before = best_so_far(ledger, promotions), goes_back_to(promotions)
    roles: list[tuple[str, str, ModelRef]] = [("champion", "chain", PromotedRef(recipe.name))]
    roles += (
        [("best", "chain", ref_of(best))]
        if best and best.predicate.model_id != promotions[-1].predicate.model_id
        else []
    )
    roles += [("rollback", "chain", ref_of(before))] if before else []
    roles += [("base", "base", parse_ref(base)) for base in recipe.choose_base.bases]
    for own, behind, ref in roles:
        for depth, link in enumerate(chain(ledger, ref)):
            yield behind if depth else own, link.promotion


def rolled_back(promotions: list[Promotion]) -> tuple[str, ...]:
    """Return the models that somebody rolled back and nobody has put in force since, sorted."""
    out: set[str] = set()
    for before, after in pairwise(promotions):
        if after.predicate.action == "rollback":
            out.add(before.predicate.model_id)
        out.discard(after.predicate.model_id)
    return tuple(sorted(out))


def best_so_far(ledger: Ledger, promotions: list[Promotion]) -> Promotion | None:
    """Return the promotion of the best champion so far, which each candidate is compared with beside the champion in force.

    That is the last model that was shown to be better than the best before it. A model that a person promoted against the
    verdict of its run counts too: what it loses was accepted, with a reason. Models that a rollback went back past do not
    count, and whatever a version promoted that knew of no best champion does.

    Args:
        promotions: of one recipe, in order.

    Cost: a record of each promotion since that model is read.
    """
    gone: set[str] = set()
    for before, after in pairwise(promotions):
        if after.predicate.action == "rollback":
            past = promotions[int(after.predicate.model_number) : int(before.predicate.model_number)]
            gone |= {p.predicate.model_id for p in past}
        gone.discard(after.predicate.model_id)
    counted = [p for p in promotions if p.predicate.action == "promote" and p.predicate.model_id not in gone]
    if not counted:
        return None
    evaluations = {run.entry: run.evaluation for run in ledger.summaries(counted[0].predicate.recipe)}

    def is_best(promotion: Promotion) -> bool:
        digest = evaluations[promotion.predicate.run]
        if promotion.predicate.overrides or not digest:
            return True
        record = evaluation_of(ledger, digest)
        return "best" not in record or (record["best"] or record["champion"]) in ("first", "superior")

    return next((promotion for promotion in reversed(counted) if is_best(promotion)), counted[0])


def evaluation_of(ledger: Ledger, digest: str) -> dict[str, Any]:
    """Return a record of evaluate in the ledger as it was written, by whatever version.

    Raises:
        TamperError: it is not there, or not what its digest says.
    """
    return parse_object(ledger.blob(digest), "a record of evaluate", where=digest)


def n_compared(ledger: Ledger, promotions: list[Promotion], best: Promotion) -> int:
    """Return how many candidates were compared with the best champion so far since another one is in force."""
    later = promotions[promotions.index(best) + 1 :]
    since = next((p.predicate.at for p in later if p.predicate.model_id != best.predicate.model_id), None)
    runs = ledger.summaries(best.predicate.recipe) if since else []
    return sum(run.model_id is not None and run.finished_at > str(since) for run in runs)


def goes_back_to(promotions: list[Promotion]) -> Promotion | None:
    """Return the promotion whose model a rollback makes champion again: the last before the champion's that still counts.

    A rollback goes to earlier models only, and past every one that was rolled back itself; so it never brings one of those back.
    """
    if not promotions:
        return None
    last = promotions[-1].predicate
    past = {last.model_id, *rolled_back(promotions)}
    before = promotions[: int(last.model_number) - 1]
    return next((earlier for earlier in reversed(before) if earlier.predicate.model_id not in past), None)


def origin_of(promotions: list[Promotion], promotion: Promotion) -> Promotion:
    """Return the promotion by which a promotion's model first became champion: itself, unless it is a rollback."""
    return promotions[int(promotion.predicate.model_number) - 1]


def forced(promotions: list[Promotion], promotion: Promotion, verdict: str) -> str:
    """Return who promoted a promotion's model against the verdict of its run, and why; empty where nobody did."""
    came = origin_of(promotions, promotion).predicate
    return f"against the verdict {verdict}, by {came.by}: {came.reason}" if came.overrides else ""


def _parent_of(ledger: Ledger, run: Run) -> Promotion | None:
    """Return the promotion whose model a run's model grew from; None where its base is not of this ledger.

    Entries of 0.1.0 do not say which of their parents the base is: the pinned base names its number.

    Raises:
        TamperError: the ledger does not have it, or its model has other weights than the base that was pinned.
    """
    predicate = run.predicate
    base = parse_ref(predicate.base_id) if predicate.base_id else None
    if not isinstance(base, PromotedRef):
        return None
    known = ledger.promotions(base.recipe)
    if predicate.base_entry:
        found = next((parent for parent in known if parent.entry == predicate.base_entry), None)
    else:
        number = _pinned_number(ledger, run)
        found = next((parent for parent in known if parent.predicate.number == number), None)
    if found is None or found.entry not in predicate.parents:
        what = "A model that another grew from is not in the ledger."
        raise TamperError(what, where=f"{base}, base of run {run.entry[:12]}", do="restore it with git")
    weights = [file.sha256 for file in ledger.run_of(found).predicate.model_files if file.path == WEIGHTS]
    if weights and predicate.base_sha256 not in weights:
        where = f"{base}, base of run {run.entry[:12]}: {found.predicate.recipe} {found.predicate.number}"
        raise TamperError("A run grew from other weights than those of the model that it names.", where=where)
    return found


def _pinned_number(ledger: Ledger, run: Run) -> str:
    """Return the number of the promoted model that a run's base was, as its pin says; empty where it does not."""
    predicate = run.predicate
    pinned = ledger.value(predicate.inputs_sha256, Inputs, "the inputs of a run")
    named = (predicate.base_id, predicate.base_sha256)
    return next((base.revision for base in pinned.bases if (base.id, base.sha256) == named), "")
