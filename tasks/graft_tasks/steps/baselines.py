"""What each model that a candidate is compared with says of the test rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from graft.errors import TamperError
from graft.evaluation.baselines import SCRATCH
from graft.model.budget import epochs_within
from graft.model.classifier import predict
from graft.model.folder import load_model
from graft.model.reference import load_trained_on
from graft.model.scratch import SCRATCH_RATE, fit_scratch, predict_from_scratch
from graft.records import Champion, ModelRecord
from graft_tasks.processes.disk import Writing
from graft_tasks.registry.models import open_model
from graft_tasks.steps.checkpoints import Checkpoints, catching_ctrl_c
from graft_tasks.steps.context import Context

Strings = npt.NDArray[np.str_]


def cheap(context: Context, train: pd.DataFrame, test: pd.DataFrame) -> Strings:
    """Return what the strongest cheap model without pretraining says."""
    model = fit_scratch(
        train["content"].tolist(), train["label"].to_numpy(dtype=str), modality=context.recipe.data.modality
    )
    y_pred: Strings = model.predict(test["content"].tolist())
    return y_pred


def scratch_network(
    context: Context, base: Path, model: ModelRecord, train: pd.DataFrame, test: pd.DataFrame
) -> tuple[Strings, float]:
    """Return what the base's architecture from random weights says, and the TFLOPs of its training.

    It gets the labelled rows and as many operations as embedding, trials and training of the candidate took by the fixed table;
    where the candidate is a head on frozen features, so is it. What it takes to choose between training and the head that it
    begins with comes on top. It is not trained again while the candidate and what it was made from stay the same.

    Args:
        base: the folder of the candidate's base.
    """
    modality, asked = context.recipe.data.modality, test["content"].tolist()
    texts, labels = train["content"].tolist(), train["label"].to_numpy(dtype=str)
    n_epochs, tflops = epochs_within(len(texts), model.tflops, forward=model.tflops_forward)
    config = context.recipe.finetune.model_copy(update={"n_epochs": n_epochs, "learning_rate": SCRATCH_RATE})
    checkpoints = Checkpoints(context, base)
    finished = checkpoints.of(config, SCRATCH, place="cache/untaught")
    with Writing(finished.path), catching_ctrl_c() as checkpoints.is_asked_to_stop:
        y_pred = predict_from_scratch(
            base, texts, labels, asked, config, modality=modality, max_tokens=context.recipe.embed.max_tokens,
            names=train["row"].tolist(), trial=checkpoints.of(config, f"{SCRATCH}-trial"),
            training=checkpoints.of(config, SCRATCH), finished=finished, progress=context.progress,
        )  # fmt: skip
    return y_pred, tflops


def predecessor(
    context: Context, pinned: Champion, test: pd.DataFrame
) -> tuple[Strings, npt.NDArray[np.bool_], set[str]]:
    """Return a promoted model's predictions, which rows it was not trained on, and the classes that it knows.

    Raises:
        InputError, TamperError: the model's folder is not here, or not what was promoted.
    """
    _, recipe, number = pinned.folder.split("/")
    folder = open_model(context.workspace.recipe(recipe), number, pinned.model_id)
    model = load_model(folder)
    scores = predict(model, test["content"].tolist(), progress=context.progress)
    fair = ~test["key"].isin(load_trained_on(folder)).to_numpy()
    if not fair.any():
        raise TamperError(f"Champion {pinned.number} was trained on every test row.", where=str(folder))
    return np.array(model.labels)[scores.argmax(axis=1)], fair, set(model.labels)
