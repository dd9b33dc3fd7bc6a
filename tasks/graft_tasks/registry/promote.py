"""promote: enacts a decision. Signs, appends to the ledger, keeps the promoted folder. The only step that changes the world.

A crash between any two lines leaves a state from which the same command goes on: blobs and signatures are named by content,
the run's entry is looked up before it is made, and the numbered promotion, created exclusively, is the one point of no return.
What follows it (folder, pointer, commit) is made again from the ledger where it is missing.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from graft import __version__
from graft.errors import InputError, StepError, TamperError
from graft.ledger import Ledger, Promotion, PromotionPredicate, Run, RunPredicate, Signer, sign_model
from graft.records import (
    DecisionRecord,
    EvaluationRecord,
    Inputs,
    ModelRecord,
    digest_folder,
    load_record,
    sha256_bytes,
    sha256_file,
)
from graft.records.safe_read import load_object
from graft.refs import PromotedRef, parse_ref
from graft_tasks.dvc.pointer import dvc_md5, keep_model
from graft_tasks.dvc.publish import send_before, share, unstage
from graft_tasks.dvc.repro import commit, git, whoami
from graft_tasks.recipe_handle import HELD_OUT, RecipeHandle
from graft_tasks.registry.keys import signer_of
from graft_tasks.registry.models import promotion_of
from graft_tasks.registry.pin import finished_run
from graft_tasks.registry.rollback import find_target
from graft_tasks.steps.context import STEPS, load_inputs
from graft_tasks.steps.report import REPORT
from graft_tasks.workspace import Workspace


@dataclass(frozen=True)
class Enacted:
    """What became of a decision: the run's entry, and the promotion it led to, if any."""

    run: Run
    promotion: Promotion | None


def enact(handle: RecipeHandle) -> Enacted:
    """Append the finished run to the ledger and, if it was decided so, make its model champion.

    Raises:
        StepError: the decision is not about the run that is pinned.
        BusyError: somebody else promoted meanwhile.
    """
    workspace, name = handle.workspace, handle.name
    decision, inputs = _decision(handle), load_inputs(handle)
    ledger = workspace.ledger(fresh=True)
    signer = signer_of(workspace, ledger)
    run = finished_run(handle) or _append_run(workspace, ledger, signer, decision, inputs)
    promotion = None
    if decision.verdict == "promote":
        promotion = _promotion_of(ledger, run) or _promote(workspace, ledger, signer, run, reason=decision.headline)
        keep_model(workspace, run, promotion)
    publish(handle, f"{name}: {decision.verdict}, {decision.headline}")
    shutil.rmtree(workspace.root / ".graft" / "checkpoints" / name, ignore_errors=True)  # nothing is left to go on with
    return Enacted(run=run, promotion=promotion)


def promote_by_hand(handle: RecipeHandle, reason: str) -> Promotion:
    """Make the last finished run's model champion against its verdict; who and why is signed into the ledger.

    Said again for the same reason it finishes what a full disk or a crash cut off behind the entry, and makes no second one.

    Raises:
        InputError: there is no finished run with a model, or it is champion already for another reason.
        TamperError: the candidate's folder is not what was trained; no entry is made.
    """
    workspace, name = handle.workspace, handle.name
    ledger = workspace.ledger(fresh=True)
    run = finished_run(handle)
    if run is None or run.predicate.model_id is None:
        raise InputError(f"{name} has no finished run with a model to promote.", do=f"graft run {name}")
    champion = ledger.champion(name)
    promotion = champion if champion and champion.predicate.model_id == run.predicate.model_id else None
    if promotion is None:
        signer, overrides = signer_of(workspace, ledger), run.predicate.verdict != "promote"
        promotion = _promote(workspace, ledger, signer, run, reason=reason, overrides=overrides)
    elif promotion.predicate.reason != reason and _is_published(workspace, promotion):
        raise InputError(f"This model is champion {promotion.predicate.number} already.", do=f"graft status {name}")
    keep_model(workspace, run, promotion)
    publish(handle, f"{name}: promoted by hand, {reason}")
    return promotion


def roll_back(handle: RecipeHandle, reason: str, *, to: str | None = None) -> Promotion:
    """Make an earlier model champion again; the ledger keeps both.

    Said again for the same reason, and to the same model if one is named, it finishes what was cut off and goes no further:
    a second rollback has a reason of its own.

    Args:
        to: number of the promotion whose model it shall be; without one it is found by ``lineage.goes_back_to``.

    Raises:
        InputError: there is no earlier model, no such number, or that model is champion already.
        TamperError: the model's folder is absent or is not what was promoted; no entry is made.
    """
    workspace, name = handle.workspace, handle.name
    ledger = workspace.ledger(fresh=True)
    promotions = ledger.promotions(name)
    promotion, is_done = find_target(workspace, ledger, name, promotions, reason, to)
    if not is_done:
        predicate = promotion.predicate.model_copy(
            update={
                "number": f"{len(promotions) + 1:04d}",
                "action": "rollback",
                "parent": promotions[-1].entry,
                "reason": reason,
                "by": whoami(workspace.root),
                "at": _not_before(promotions[-1].predicate.at),
                "overrides": False,
            }
        )
        send_before(workspace, predicate)
        promotion = ledger.add_promotion(predicate, signer_of(workspace, ledger))
    publish(handle, f"{name}: rolled back to {promotion.predicate.model_number}, {reason}")
    return promotion


def _decision(handle: RecipeHandle) -> DecisionRecord:
    name = handle.name
    record = load_record(handle.record("decide"), "decide")
    if not isinstance(record, DecisionRecord):
        raise StepError(f"{name} has no decision.", do=f"graft run {name}")
    for step, digest in record.inputs.items():
        if sha256_file(handle.record(step)) != digest:
            raise StepError(
                f"The decision of {name} is not about the records that stand here.",
                where=str(handle.record(step)),
                do=f"graft run {name}",
            )
    return record


def _append_run(workspace: Workspace, ledger: Ledger, signer: Signer, decision: DecisionRecord, inputs: Inputs) -> Run:
    """Keep every record, the inputs and the recipe as blobs, and append the run that names them."""
    name, handle = decision.recipe, workspace.recipe(decision.recipe)
    records = {step: ledger.add_blob(handle.record(step).read_bytes()) for step in STEPS}
    ledger.add_blob((handle.step("report") / REPORT).read_bytes())
    _keep_held_out(handle, ledger)
    model = load_record(handle.record("finetune"), "finetune")
    trained = model if isinstance(model, ModelRecord) else None
    newest, base_entry = ledger.heads(name).ended, None
    ref = parse_ref(trained.base) if trained else None
    if isinstance(ref, PromotedRef):
        base = next(base for base in inputs.bases if base.id == str(ref))
        parent = promotion_of(ledger, PromotedRef(ref.recipe, base.revision))
        if parent is None:
            raise TamperError(
                "The model that a base was pinned to is not in the ledger.", where=f"{ref}, {base.revision}"
            )
        base_entry = parent.entry
    parents = [inputs.champion.entry] if inputs.champion else []
    return ledger.add_run(
        RunPredicate(
            recipe=name,
            recipe_sha256=ledger.add_blob(handle.path.read_bytes()),
            inputs_sha256=ledger.add_blob(handle.inputs.read_bytes()),
            dataset_sha256=inputs.dataset.sha256,
            base_id=trained.base if trained else None,
            base_sha256=trained.base_sha256 if trained else None,
            records=records,
            verdict=decision.verdict,
            headline=decision.headline,
            model_id=trained.model_id if trained else None,
            model_files=trained.files if trained else (),
            parents=tuple(dict.fromkeys([*parents, *([base_entry] if base_entry else [])])),
            base_entry=base_entry,
            previous=tuple(sorted(entry for _, entry in newest)),
            graft_version=__version__,
            finished_at=_not_before(newest[-1][0] if newest else ""),
            costs={
                step: load_object(path, "what a step took", do=f"delete it, then graft run {name}")
                for step in STEPS
                if (path := handle.step(step) / "cost.json").is_file()
            },
        ),
        signer,
    )


def _keep_held_out(handle: RecipeHandle, ledger: Ledger) -> None:
    """Keep what the candidate says of test rows as a blob: later runs write over the file, and other clones lack it.

    Raises:
        StepError: the file is absent, or is not the one that evaluate wrote.
    """
    record = load_record(handle.record("evaluate"), "evaluate")
    if not isinstance(record, EvaluationRecord) or record.held_out_sha256 is None:
        return
    path = handle.files("evaluate") / HELD_OUT
    content = path.read_bytes() if path.is_file() else b""
    if sha256_bytes(content) != record.held_out_sha256:
        what = "What evaluate kept of the test rows is absent, or is not what it wrote."
        raise StepError(what, where=str(path), do="dvc checkout")
    ledger.add_blob(content)


def _promotion_of(ledger: Ledger, run: Run) -> Promotion | None:
    """Return the promotion that this run led to, if it has been made."""
    return next((p for p in ledger.promotions(run.predicate.recipe) if p.predicate.run == run.entry), None)


def _promote(
    workspace: Workspace, ledger: Ledger, signer: Signer, run: Run, *, reason: str, overrides: bool = False
) -> Promotion:
    """Sign the candidate's folder and take the next number."""
    name, model_id = run.predicate.recipe, run.predicate.model_id
    assert model_id is not None  # noqa: S101 - a run that may be promoted has a model
    folder = workspace.recipe(name).model
    files, found = digest_folder(folder)
    if found != model_id:
        raise TamperError("The candidate's folder is not what was trained.", where=str(folder), do="dvc checkout")
    promotions = ledger.promotions(name)
    if promotions and promotions[-1].entry not in run.predicate.parents:
        raise StepError(
            f"{name} has a champion that this run was not compared with.",
            where=f"champion {promotions[-1].predicate.number}",
            do=f"graft run {name}",
        )
    number = f"{len(promotions) + 1:04d}"
    predicate = PromotionPredicate(
        recipe=name,
        number=number,
        action="promote",
        model_id=model_id,
        model_number=number,
        folder_md5=dvc_md5(folder, files),
        signature_sha256=ledger.add_blob(sign_model(folder, signer.path)),
        run=run.entry,
        parent=promotions[-1].entry if promotions else None,
        reason=reason,
        by=whoami(workspace.root),
        at=_not_before(promotions[-1].predicate.at if promotions else ""),
        overrides=overrides,
    )
    send_before(workspace, predicate)
    return ledger.add_promotion(predicate, signer)


def _is_published(workspace: Workspace, promotion: Promotion) -> bool:
    """Return whether a promotion came to its end: its model has a pointer and, where git keeps the ledger, it is committed."""
    named, ledger = promotion.predicate, workspace.ledger_place()
    pointer = workspace.recipe(named.recipe).pointer(named.model_number)
    if isinstance(ledger, Path) and ledger.is_relative_to(workspace.root):
        entry = ledger / "promotions" / named.recipe / f"{named.number}.json"
        return pointer.is_file() and not git(workspace.root, "status", "--porcelain", "--", str(entry))
    return pointer.is_file()


def publish(handle: RecipeHandle, message: str) -> None:
    """Commit what a run or a change of champion wrote and what it was made from, and bring it to the remotes that are set.

    That is records, lock file, pointers, ledger and recipe.
    """
    unstage(handle)
    commit(handle.workspace.root, message, own_paths(handle))
    share(handle)


def own_paths(handle: RecipeHandle, *, of_ledger: tuple[str, ...] = ("",)) -> list[str]:
    """Return what a run of a recipe writes, and what it was made from, as git knows it.

    No key is among them: whose signatures count is decided by commits of people, and by ``graft init`` for its own key alone.

    Args:
        of_ledger: which folders of the ledger, where git keeps that; without it, all of it.
    """
    workspace, name = handle.workspace, handle.name
    paths = [f"recipes/{name}.yaml", f"data/{name}", f"registry/{name}"]
    ledger = workspace.ledger_place()
    if isinstance(ledger, Path) and ledger.is_relative_to(workspace.root):
        paths += [(ledger / folder).relative_to(workspace.root).as_posix() for folder in of_ledger]
    return paths


def _not_before(last: str) -> str:
    """Return the time, in UTC: that of the entry before where the clock has jumped back, so that order and times agree."""
    return max(last, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
