"""Which model a rollback makes champion again, and whether it may."""

from __future__ import annotations

from graft.errors import InputError, TamperError
from graft.ledger import Ledger, Promotion, PromotionPredicate
from graft_tasks.dvc.pointer import check_pointer
from graft_tasks.registry.lineage import goes_back_to
from graft_tasks.registry.verify import Tally, verify_folder
from graft_tasks.workspace import Workspace


def find_target(
    workspace: Workspace, ledger: Ledger, name: str, promotions: list[Promotion], reason: str, to: str | None
) -> tuple[Promotion, bool]:
    """Return the promotion whose model shall be champion, and whether that very rollback is in the ledger already.

    It is if the last entry is a rollback for the same reason, to the same model if one is named: a command that was killed is
    said again with the same words, so the same words never go a step further.

    Raises:
        InputError: there is no earlier model, no such number, or that model is champion already.
        TamperError: the model's folder or pointer is absent, or is not what was promoted.
    """
    named = _numbered(name, promotions, to) if to else None
    if promotions and _is_said_again(promotions[-1].predicate, reason, named):
        return promotions[-1], True
    target = named or goes_back_to(promotions)
    if target is None:
        what = f"{name} has no earlier champion to go back to that was not rolled back itself."
        do = f"graft rollback {name} --to NUMBER    takes any of them: graft audit {name} lists them"
        raise InputError(what, do=do if len(promotions) > 1 else f"graft status {name}", code="champion-no-earlier")
    if target.predicate.model_id == promotions[-1].predicate.model_id:
        raise InputError(f"Model {target.predicate.model_number} is champion already.", do=f"graft status {name}")
    _check_here(workspace, ledger, target)
    return target, False


def _numbered(name: str, promotions: list[Promotion], number: str) -> Promotion:
    """Return the promotion of a number as a person writes it: 1 is 0001."""
    found = next((promotion for promotion in promotions if number.zfill(4) == promotion.predicate.number), None)
    if found is None:
        known = f"0001 to {promotions[-1].predicate.number}" if promotions else "none"
        raise InputError(f"{name} has no champion {number}.", where=f"its champions: {known}", do=f"graft audit {name}")
    return found


def _is_said_again(last: PromotionPredicate, reason: str, named: Promotion | None) -> bool:
    is_meant = named is None or named.predicate.model_id == last.model_id
    return last.action == "rollback" and last.reason == reason and is_meant


def _check_here(workspace: Workspace, ledger: Ledger, promotion: Promotion) -> None:
    """Check that a promoted model lies here as it was signed, with its pointer, before it is made champion again."""
    named, run = promotion.predicate, ledger.run_of(promotion)
    try:
        verify_folder(workspace, ledger, promotion, run, Tally())
        check_pointer(
            workspace.recipe(named.recipe).pointer(named.model_number), named.folder_md5, run.predicate.model_files
        )
    except TamperError as error:
        ways = [error.do, f"graft fetch {named.recipe}", f"graft rollback {named.recipe} --to NUMBER takes another"]
        raise TamperError(
            error.what, where=error.where, do=", or ".join(filter(None, ways)), code=error.code
        ) from error
