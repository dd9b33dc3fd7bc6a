"""A workspace with promotions that nobody trained: real keys, signatures, pins and records, and models of a few bytes."""

from __future__ import annotations

import shutil
from pathlib import Path

import yaml

from graft.ledger import Ledger, Promotion, PromotionPredicate, Run, RunPredicate, Signer, sign_model
from graft.model.bases import WEIGHTS
from graft.recipe.text import recipe_text
from graft.records import Dataset, Inputs, Record, canonical_json, digest_folder
from graft_tasks.commands.adopt import adopt
from graft_tasks.commands.init import init
from graft_tasks.dvc.pointer import dvc_md5
from graft_tasks.dvc.repro import commit
from graft_tasks.registry import bases
from graft_tasks.registry.promote import publish
from graft_tasks.steps.context import STEPS, VERSIONS
from graft_tasks.workspace import Workspace
from tests.support.cli_runner import MESSAGES, csv_bytes

NAME = "known"
DAY = "2026-11-{:02}T10:00:00Z"


def invent_champions(folder: Path, base: Path, n_models: int = 3, *, forced: tuple[int, ...] = ()) -> Workspace:
    """Return a workspace whose recipe ``known`` has so many champions, one after the other.

    Args:
        forced: those that were promoted against their verdict.
    """
    workspace, _ = init(folder / "workspace")
    shutil.copytree(base, workspace.root / "base")
    commit(workspace.root, "a base", ["base"])
    (folder / "rows.csv").write_bytes(csv_bytes(MESSAGES))
    values = {"data.dataset": NAME, "data.train": "rows.csv", "data.text": "text", "data.label": "label",
              "data.id": "id", "choose_base.bases": ["base"]}  # fmt: skip
    adopt(workspace.recipe(NAME), {"rows.csv": folder / "rows.csv"}, recipe_text(NAME, values))
    for number in range(1, n_models + 1):
        promote(workspace, number, overrides=number in forced)
    return workspace


def promote(workspace: Workspace, number: int, *, overrides: bool = False) -> Promotion:
    """Add a model that is told from the others by its number, its run and its promotion."""
    ledger, signer = workspace.ledger(), Signer(workspace.private_key)
    run = finish_run(workspace, number, verdict="hold" if overrides else "promote")
    folder = workspace.recipe(NAME).registry / f"{number:04d}"
    shutil.copytree(workspace.recipe(NAME).model, folder)
    promotions = ledger.promotions(NAME)
    assert run.predicate.model_id is not None
    promotion = ledger.add_promotion(
        PromotionPredicate(
            recipe=NAME, number=f"{number:04d}", action="promote", model_id=run.predicate.model_id,
            model_number=f"{number:04d}", folder_md5=write_pointer(folder), signature_sha256=ledger.add_blob(
                sign_model(folder, signer.path)), run=run.entry, parent=promotions[-1].entry if promotions else None,
            reason=f"model {number}", by="Ada", at=DAY.format(number), overrides=overrides,
        ),
        signer,
    )  # fmt: skip
    publish(workspace.recipe(NAME), f"model {number}")
    return promotion


def write_pointer(folder: Path) -> str:
    """Write the pointer that ``dvc add`` would; return the MD5 in it."""
    files, _ = digest_folder(folder)
    out = {"md5": dvc_md5(folder, files), "size": sum(file.size for file in files), "nfiles": len(files), "hash": "md5",
           "path": folder.name}  # fmt: skip
    folder.with_name(f"{folder.name}.dvc").write_text(yaml.safe_dump({"outs": [out]}))
    return str(out["md5"])


def finish_run(workspace: Workspace, number: int, *, verdict: str = "promote") -> Run:
    """Write what a run leaves in the workspace, and its entry."""
    ledger, signer = workspace.ledger(), Signer(workspace.private_key)
    model = workspace.recipe(NAME).model
    shutil.rmtree(model, ignore_errors=True)
    model.mkdir(parents=True)
    (model / WEIGHTS).write_bytes(b"weights of model %d" % number)
    (model / "graft.json").write_text("{}")
    files, model_id = digest_folder(model)
    inputs, recipe = _pin(workspace, ledger, number)
    records = {}
    for step in STEPS:
        record = Record(step=step, recipe=NAME, passed=True, summary=f"of model {number}", inputs={}).model_dump(
            mode="json"
        )
        if step == "finetune":
            record["files"] = [file.model_dump(mode="json") for file in files]
        content = canonical_json(record)
        path = workspace.recipe(NAME).record(step)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        records[step] = ledger.add_blob(content)
    base = inputs.bases[0]
    champion = [inputs.champion.entry] if inputs.champion else []
    heads = ledger.heads(NAME).ended
    return ledger.add_run(
        RunPredicate.model_validate(
            {"recipe": NAME, "recipe_sha256": recipe, "inputs_sha256": ledger.add_blob(canonical_json(inputs)),
             "dataset_sha256": inputs.dataset.sha256, "base_id": base.id, "base_sha256": base.sha256, "records": records,
             "verdict": verdict, "headline": "h", "model_id": model_id, "model_files": files, "parents": champion,
             "previous": [entry for _, entry in heads], "graft_version": "0", "finished_at": DAY.format(number), "costs": {}}
        ),
        signer,
    )  # fmt: skip


def _pin(workspace: Workspace, ledger: Ledger, number: int) -> tuple[Inputs, str]:
    promotions = ledger.promotions(NAME)
    files, digest = digest_folder(workspace.dataset(NAME))
    champion = None
    if promotions:
        last = promotions[-1]
        champion = {"number": last.predicate.number, "entry": last.entry, "model_id": last.predicate.model_id,
                    "base_sha256": "a" * 64, "folder": f"registry/{NAME}/{last.predicate.model_number}"}  # fmt: skip
    recipe = ledger.add_blob(workspace.recipe(NAME).path.read_bytes())
    inputs = Inputs.model_validate(
        {"recipe": NAME, "recipe_sha256": recipe, "dataset": Dataset(name=NAME, sha256=digest, files=files),
         "bases": [bases.pin(workspace, "base", "text")], "champion": champion, "rolled_back": [],
         "looks": {str(k): "" for k in range(number)}, "steps": VERSIONS}
    )  # fmt: skip
    workspace.recipe(NAME).inputs.parent.mkdir(parents=True, exist_ok=True)
    workspace.recipe(NAME).inputs.write_bytes(canonical_json(inputs))
    return inputs, recipe
