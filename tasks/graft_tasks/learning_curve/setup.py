"""What a curve is measured on: the rows, features, base and settings that a run of the recipe left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from graft.errors import InputError
from graft.learning_curve.learners import ArmInputs
from graft.model.examples import Examples
from graft.recipe import Finetune
from graft.records import Base, BaseChoiceRecord, DatasetRecord, EmbeddingRecord, ModelRecord, sha256_bytes
from graft.records.cost import Cost
from graft.rows import TEST, TRAIN, UNLABELLED
from graft_tasks.recipe_handle import RecipeHandle
from graft_tasks.registry.bases import locate
from graft_tasks.steps.context import Context, load_inputs
from graft_tasks.steps.cost import costs
from graft_tasks.steps.rows import FEATURES, ROWS, read_features, read_rows


@dataclass(frozen=True)
class Subject:
    """What is measured on: the bench of the arms, and the facts that say which rows and which base these are.

    ``read`` holds the digests of the records and files, ``unlabelled`` that of the rows without labels, and ``search`` what
    finetune took where it chose how to train: trials and the training that followed.
    """

    bench: ArmInputs
    dataset: DatasetRecord
    base: Base
    facts: dict[str, Any]
    unlabelled: str
    read: dict[str, str]
    search: Cost | None


def subject_of(handle: RecipeHandle) -> Subject:
    """Read what a run of the recipe left: rows, features, the base that was chosen, and how it was tuned.

    Raises:
        InputError: it has not been run so far, or a gate was closed.
    """
    recipe, _ = handle.load()
    context = Context(handle, recipe, load_inputs(handle), "curve", lambda *_: None)
    needed = ["ingest", "embed", "choose_base", *(["finetune"] if recipe.finetune.strategy == "auto" else [])]
    for step in needed:
        if not handle.record(step).is_file() or context.any_record(step).status == "skipped":
            raise InputError(
                f"A curve of {handle.name} needs a run of it, and {step} has not run.",
                do=f"graft run {handle.name}",
                code="curve-needs-run",
            )
    for step, file in (("ingest", ROWS), ("embed", FEATURES)):
        if not (handle.files(step) / file).is_file():
            raise InputError(f"A file of {step} is not here.", where=file, do="dvc checkout, or graft fetch")
    dataset, embedded = context.record("ingest", DatasetRecord), context.record("embed", EmbeddingRecord)
    choice = context.record("choose_base", BaseChoiceRecord)
    base = next(base for base in context.pinned.bases if base.id == choice.base)
    train, test = (_examples(context, base, side) for side in (TRAIN, TEST))
    others = _examples(context, base, UNLABELLED) if recipe.data.unlabelled else None
    bench = ArmInputs(
        folder=locate(handle.workspace, base),
        modality=recipe.data.modality,
        max_tokens=embedded.max_tokens or recipe.embed.max_tokens,
        config=_how(context),
        n_folds=recipe.choose_base.n_folds,
        max_rows=recipe.choose_base.max_rows,
        train=train,
        unlabelled=others,
        test=test,
    )
    facts = {
        "train": dataset.train_sha256,
        "test": dataset.test_sha256,
        "base": base.folder_sha256,
        "modality": bench.modality,
        "max_tokens": bench.max_tokens,
    }
    unlabelled = "" if others is None else sha256_bytes("\n".join(_keys(context, UNLABELLED)).encode())
    search = costs(handle).get("finetune") if recipe.finetune.strategy == "auto" else None
    return Subject(bench, dataset, base, facts, unlabelled, context.digests, search)


def _examples(context: Context, base: Base, side: str) -> Examples:
    """Return the rows of a side in the order of their contents' keys, whatever files they came in."""
    rows = read_rows(context, side, content=True)
    order = np.argsort(rows["key"].to_numpy(dtype=str), kind="stable")
    everything = Examples(
        rows["content"].tolist(),
        read_features(context, base.id, side),
        rows["label"].to_numpy(dtype=str),
        rows["row"].tolist(),
    )
    return everything.take(order)


def _keys(context: Context, side: str) -> list[str]:
    return sorted(read_rows(context, side)["key"].tolist())


def _how(context: Context) -> Finetune:
    """Return how transfer trains: as the recipe says, and where it says ``auto``, as finetune chose."""
    config = context.recipe.finetune.model_copy(update={"n_processes": 1})
    if config.strategy != "auto":
        return config
    model = context.record("finetune", ModelRecord)
    name = next((trial.name for trial in model.trials if trial.is_chosen), model.strategy)
    rate = name.partition(" ")[2]
    chosen: dict[str, Any] = {"strategy": model.strategy}
    chosen |= {"learning_rate": float(rate)} if rate else {}
    chosen |= {"augment": 0.0} if model.strategy == "top_k" else {}
    return config.model_copy(update=chosen)
