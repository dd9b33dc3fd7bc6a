"""finetune: the candidate. Rows, features and the chosen base in, a model folder out."""

from __future__ import annotations

import platform
import time
from pathlib import Path

from graft import __version__
from graft.data import TEST, TRAIN
from graft.model.bases import WEIGHTS, count_parameters
from graft.model.checkpoint import Checkpoint, training_key
from graft.model.finetune import fit_full, fit_head
from graft.model.folder import card_for, save_model
from graft.model.reference import save_reference
from graft.records import BaseChoiceRecord, ModelRecord, digest_folder, sha256_file
from tasks.bases import locate
from tasks.disk import Writing
from tasks.rows import read_features, read_rows
from tasks.steps import VERSIONS, Context

CHECKPOINT_SECONDS = 30.0
"""Between two checkpoints: what a crash costs at most, and a hundred times what writing one of a small encoder takes."""


def run(context: Context) -> ModelRecord:
    """Train with the recipe's strategy and write the model folder."""
    choice = context.record("choose_base", BaseChoiceRecord)
    base = next(base for base in context.pinned.bases if base.id == choice.base)
    rows = read_rows(context, TRAIN, TEST, content=True)
    modality = context.recipe.data.modality
    on_train = (rows["side"] == TRAIN).to_numpy()
    features = read_features(context, base.id)[on_train]
    train = rows[on_train]
    labels = train["label"].to_numpy(dtype=str)
    settings = context.recipe.finetune
    C = next(score.C for score in choice.scores if score.base == base.id)
    folder = locate(context.workspace, base)
    if choice.strategy == "head":
        classifier = fit_head(
            folder, features, labels, modality=modality, C=C, max_tokens=context.recipe.embed.max_tokens
        )
        context.progress(1, 1, "head")
    else:
        checkpoint = _checkpoint(context, folder)
        with Writing(checkpoint.path):
            classifier = fit_full(
                folder,
                features,
                train["content"].tolist(),
                labels,
                modality=modality,
                C=C,
                max_tokens=context.recipe.embed.max_tokens,
                n_epochs=settings.n_epochs,
                batch_size=settings.batch_size,
                learning_rate=settings.learning_rate,
                seed=settings.seed,
                checkpoint=checkpoint,
                progress=context.progress,
            )
    target = context.workspace.model(context.recipe.name)
    dataset = context.pinned.dataset
    card = card_for(
        context.recipe.name, base, choice.strategy, dataset.name, dataset.sha256, len(train), len(classifier.labels)
    )
    with Writing(target):
        save_model(classifier, target, card=card)
        save_reference(target, features, labels.tolist(), train["key"].tolist())
    files, model_id = digest_folder(target)
    loss = f", loss {classifier.loss[0]:.2f} to {classifier.loss[-1]:.2f}" if classifier.loss else ""
    epochs = f"{len(classifier.loss)} epochs" if classifier.loss else "head"
    return ModelRecord(
        step="finetune",
        recipe=context.recipe.name,
        passed=True,
        summary=f"{epochs}, {classifier.n_trained_parameters:,} parameters{loss}",
        inputs=context.digests,
        model_id=model_id,
        files=files,
        base=base.id,
        base_sha256=base.sha256,
        strategy=choice.strategy,
        n_train=len(train),
        n_parameters=count_parameters(target / WEIGHTS) + classifier.weight.numel() + classifier.bias.numel(),
        n_trained_parameters=classifier.n_trained_parameters,
        loss=classifier.loss,
    )


def _checkpoint(context: Context, base: Path) -> Checkpoint:
    """Return where the checkpoint of this training lies: outside the step's files, which DVC removes before a step runs."""
    facts = {
        "graft": __version__,
        "step": VERSIONS["finetune"],
        "machine": platform.machine(),
        "read": context.digests,
        "base": {path.name: sha256_file(path) for path in base.iterdir() if path.is_file()},
        "modality": context.recipe.data.modality,
        "embed": context.recipe.embed.model_dump(),
        "finetune": context.recipe.finetune.model_dump(),
    }
    path = context.workspace.root / ".graft" / "checkpoints" / context.recipe.name / "finetune.safetensors"
    return Checkpoint(path, training_key(facts), clock=time.monotonic, seconds=CHECKPOINT_SECONDS)
