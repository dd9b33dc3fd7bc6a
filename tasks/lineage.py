"""Which promoted models a recipe stands on."""

from __future__ import annotations

import re
from collections.abc import Iterator

from graft.errors import TamperError
from graft.ledger import Ledger, Promotion
from graft.recipe import Recipe

_BASE = re.compile(r"^graft:([a-z0-9-]+)@(champion|[0-9]{4,9})$")


def stands_on(ledger: Ledger, recipe: Recipe) -> Iterator[tuple[str, Promotion]]:
    """Yield every promotion whose model a recipe cannot do without, with the reason; a model may come more than once.

    Reasons: ``champion``; ``rollback``, the model that a rollback goes to; ``chain``, what either of them grew from; ``base``,
    what the recipe's next candidate would grow from, and that one's chain.

    Raises:
        TamperError: the ledger was altered.
    """
    promotions = ledger.promotions(recipe.name)
    before = goes_back_to(promotions)
    if promotions:
        yield "champion", promotions[-1]
        yield from (("chain", one) for one in grown_from(ledger, promotions[-1]))
    if before:
        yield "rollback", before
        yield from (("chain", one) for one in grown_from(ledger, before))
    for base in recipe.choose_base.bases:
        one = promotion_of(ledger, base)
        if one:
            yield "base", one
            yield from (("base", other) for other in grown_from(ledger, one))


def promotion_of(ledger: Ledger, base: str) -> Promotion | None:
    """Return the promotion that a base of the form ``graft:RECIPE@champion`` or ``@NUMBER`` means now; None for other bases."""
    match = _BASE.match(base)
    known = ledger.promotions(match[1]) if match else []
    if match and match[2] != "champion":
        known = [one for one in known if one.predicate.number == match[2]]
    return known[-1] if known else None


def goes_back_to(promotions: list[Promotion]) -> Promotion | None:
    """Return the promotion whose model a rollback would make champion again, if there is one."""
    return next((p for p in reversed(promotions) if p.predicate.model_id != promotions[-1].predicate.model_id), None)


def grown_from(ledger: Ledger, promotion: Promotion) -> Iterator[Promotion]:
    """Yield the promotions of the chain that a promoted model grew from, nearest first; the model itself is not one of them.

    Raises:
        TamperError: one of them is not in the ledger.
    """
    while True:
        run = ledger.run_of(promotion).predicate
        base = run.base_id or ""
        if not base.startswith("graft:"):
            return
        known = {one.entry: one for one in ledger.promotions(base[6:].split("@")[0])}
        found = next((known[entry] for entry in run.parents if entry in known), None)
        if found is None:
            what = "A model that another grew from is not in the ledger."
            raise TamperError(what, where=base, do="restore it with git")
        yield found
        promotion = found
