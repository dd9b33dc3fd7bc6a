"""finetune: the candidate. Rows, features and the chosen base in, a model folder out."""

from __future__ import annotations

import platform
import time
from pathlib import Path
from typing import Any

from graft import __version__
from graft.data import TEST, TRAIN
from graft.model.auto import choose
from graft.model.bases import WEIGHTS, count_parameters
from graft.model.checkpoint import Checkpoint, training_key
from graft.model.finetune import Examples, finetune
from graft.model.folder import card_for, save_model
from graft.model.reference import save_reference
from graft.recipe import Finetune
from graft.records import BaseChoiceRecord, ModelRecord, Trial, digest_folder, sha256_file
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
    on_train = (rows["side"] == TRAIN).to_numpy()
    features, train = read_features(context, base.id)[on_train], rows[on_train]
    labels = train["label"].to_numpy(dtype=str)
    folder = locate(context.workspace, base)
    examples = Examples(train["content"].tolist(), features, labels, train["row"].tolist())
    facts: dict[str, Any] = {
        "modality": context.recipe.data.modality,
        "C": next(score.C for score in choice.scores if score.base == base.id),
        "max_tokens": context.recipe.embed.max_tokens,
        "progress": context.progress,
    }
    how, trials = context.recipe.finetune, tuple[Trial, ...]()
    checkpoints = _Checkpoints(context, folder)
    with Writing(checkpoints.of(how, "finetune").path):
        if how.strategy == "auto":
            how, trials = choose(folder, examples, how, checkpoint_of=checkpoints.of, **facts)
        classifier = finetune(folder, examples, how, checkpoint=checkpoints.of(how, "finetune"), **facts)
    target = context.workspace.model(context.recipe.name)
    dataset = context.pinned.dataset
    card = card_for(
        context.recipe.name, base, how.strategy, dataset.name, dataset.sha256, len(train), len(classifier.labels)
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
        strategy=how.strategy,
        n_train=len(train),
        n_parameters=count_parameters(target / WEIGHTS) + classifier.weight.numel() + classifier.bias.numel(),
        n_trained_parameters=classifier.n_trained_parameters,
        loss=classifier.loss,
        held_out=classifier.held_out,
        alpha=classifier.alpha,
        trials=trials,
    )


class _Checkpoints:
    """Where the checkpoints of a step's trainings lie: outside the step's files, which DVC removes before a step runs."""

    def __init__(self, context: Context, base: Path) -> None:
        self.folder = context.workspace.root / ".graft" / "checkpoints" / context.recipe.name
        self.facts = {
            "graft": __version__,
            "step": VERSIONS["finetune"],
            "machine": platform.machine(),
            "read": context.digests,
            "base": {path.name: sha256_file(path) for path in base.iterdir() if path.is_file()},
            "modality": context.recipe.data.modality,
            "embed": context.recipe.embed.model_dump(),
        }

    def of(self, how: Finetune, name: str) -> Checkpoint:
        """Return the checkpoint of one training: a trial of ``auto``, or the one that makes the candidate."""
        key = training_key({**self.facts, "name": name, "finetune": how.model_dump()})
        return Checkpoint(self.folder / f"{name}.safetensors", key, clock=time.monotonic, seconds=CHECKPOINT_SECONDS)
