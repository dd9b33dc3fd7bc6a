"""finetune: the candidate. Rows, features and the chosen base in, a model folder out."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from graft.model import budget
from graft.model.auto import Choice, choose
from graft.model.bases import count_parameters
from graft.model.classifier import Classifier
from graft.model.distributed import threads_shared
from graft.model.examples import Examples
from graft.model.finetune import finetune
from graft.model.folder import card_for, save_model
from graft.model.reference import save_reference
from graft.recipe import Finetune
from graft.records import Base, BaseChoiceRecord, ModelRecord, Trial, digest_folder
from graft.rows import NO_LABEL, TRAIN, UNLABELLED
from graft_tasks.processes.disk import Writing
from graft_tasks.registry.bases import locate
from graft_tasks.steps.checkpoints import Checkpoints, catching_ctrl_c
from graft_tasks.steps.context import Context
from graft_tasks.steps.distributed import train as train_together
from graft_tasks.steps.rows import read_features, read_rows


class Learned(NamedTuple):
    """A classifier, how it came about, and the rows: features and labels, "" for none, in their order."""

    classifier: Classifier
    config: Finetune
    trials: tuple[Trial, ...]
    tflops: float
    tflops_forward: float
    base: Base
    rows: pd.DataFrame
    features: npt.NDArray[np.float32]
    labels: npt.NDArray[np.str_]


def learn(context: Context) -> Learned:
    """Train with the recipe's strategy; with several processes, each of them does this."""
    choice = context.record("choose_base", BaseChoiceRecord)
    base = next(base for base in context.pinned.bases if base.id == choice.base)
    rows = read_rows(context, TRAIN, UNLABELLED, content=True)
    features, is_known = read_features(context, base.id, TRAIN, UNLABELLED), (rows["side"] == TRAIN).to_numpy()
    labels = np.where(is_known, rows["label"].to_numpy(dtype=str), NO_LABEL)
    folder = locate(context.workspace, base)
    examples = Examples(rows["content"].tolist(), features, labels, rows["row"].tolist())
    facts: dict[str, Any] = {
        "modality": context.recipe.data.modality,
        "C": next(score.C for score in choice.scores if score.base == base.id),
        "max_tokens": context.recipe.embed.max_tokens,
        "progress": context.progress,
    }
    config, trials, spent = Choice(context.recipe.finetune, ())
    checkpoints = Checkpoints(context, folder)
    with Writing(checkpoints.of(config, "finetune").path), catching_ctrl_c() as checkpoints.is_asked_to_stop:
        if config.strategy == "auto":
            config, trials, spent = choose(folder, examples, config, checkpoint_of=checkpoints.of, **facts)
        classifier = finetune(folder, examples, config, checkpoint=checkpoints.of(config, "finetune"), **facts)
    forward = budget.forward_flops(classifier.encoder, examples.contents)
    spent += budget.run_flops(classifier.encoder, examples, config, forward=forward) / budget.TERA
    return Learned(classifier, config, trials, spent, forward / budget.TERA, base, rows, features, labels)


def run(context: Context) -> ModelRecord:
    """Train and write the model folder."""
    wanted = context.recipe.finetune
    with threads_shared(wanted.n_processes) as n_threads:
        if wanted.n_processes > 1 and wanted.strategy != "head":
            train_together(context, n_threads=n_threads)
        classifier, config, trials, tflops, tflops_forward, base, rows, features, labels = learn(context)
    is_known = labels != NO_LABEL
    n_train = int(is_known.sum())
    target = context.handle.model
    dataset = context.pinned.dataset
    card = card_for(
        context.recipe.name,
        base,
        config.strategy,
        dataset.name,
        dataset.sha256,
        n_train,
        len(classifier.labels),
        n_unlabelled=len(rows) - n_train,
    )
    with Writing(target):
        save_model(classifier, target, card=card)
        save_reference(target, features[is_known], labels[is_known].tolist(), rows["key"].tolist())
    files, model_id = digest_folder(target)
    loss = f", loss {classifier.loss[0]:.2f} to {classifier.loss[-1]:.2f}" if classifier.loss else ""
    epochs = f"{len(classifier.loss)} epochs" if classifier.loss else "head"
    tried = [trial for trial in trials if trial.accuracy is not None]
    chosen = "".join(f"{trial.name} out of {len(tried)}, " for trial in tried if trial.is_chosen)
    return ModelRecord(
        step="finetune",
        recipe=context.recipe.name,
        passed=True,
        summary=f"{chosen}{epochs}, {classifier.n_trained_parameters:,} parameters{loss}",
        inputs=context.digests,
        model_id=model_id,
        files=files,
        base=base.id,
        base_sha256=base.sha256,
        strategy=config.strategy,
        n_train=n_train,
        n_unlabelled=len(rows) - n_train,
        n_parameters=count_parameters(target) + classifier.weight.numel() + classifier.bias.numel(),
        n_trained_parameters=classifier.n_trained_parameters,
        loss=classifier.loss,
        held_out=classifier.held_out,
        alpha=classifier.alpha,
        trials=trials,
        tflops=tflops,
        tflops_forward=tflops_forward,
    )
