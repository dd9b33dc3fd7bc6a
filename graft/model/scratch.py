"""What a transfer must beat: models without any pretraining, a cheap one and the same network from random weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from graft.errors import InputError, StepError
from graft.modality import MODALITIES
from graft.model.budget import ALONE
from graft.model.checkpoint import Checkpoint, TrainingState
from graft.model.classifier import Classifier, fit_head, predict
from graft.model.encoder import Contents, Progress, embed_items, load_encoder, silent
from graft.model.examples import Examples, hold_out, one_hot
from graft.model.finetune import tune
from graft.model.train import Rows
from graft.recipe import Finetune
from graft.stats.probe import choose_C


def fit_scratch(contents: Contents, labels: npt.NDArray[np.str_], *, modality: str, C: float | None = None) -> Any:
    """Fit the strongest cheap model without any pretraining: an object whose ``predict(contents)`` gives labels.

    Logistic regression on the modality's features. Texts: TF-IDF of words and pairs. Images: brightness at 32 x 32 pixels,
    standardised.

    Args:
        C: inverse L2 penalty; None: that of the modality's ``baseline``.

    Raises:
        InputError: a content cannot be read.
    Cost: texts: O(words x classes) an iteration, seconds for 10,000 short ones. Images: O(1,024 x classes) a row and iteration.
    """
    baseline = MODALITIES[modality].baseline
    penalty = baseline.C if C is None else C
    model = make_pipeline(baseline.features(), LogisticRegression(C=penalty, max_iter=1000))
    return model.fit(list(contents), labels)


def tune_scratch(contents: Contents, labels: npt.NDArray[np.str_], *, modality: str, n_folds: int, seed: int) -> float:
    """Choose the C of ``fit_scratch`` by cross-validation on training rows, of which every class has at least two.

    Cost: ``n_folds`` fits for each C of the modality's grid.
    """
    baseline = MODALITIES[modality].baseline
    features = baseline.features().fit_transform(list(contents))
    return choose_C(features, labels, n_folds=n_folds, seed=seed, grid=baseline.grid)[0]


RATES_FROM_SCRATCH = (3e-4, 1e-3)
"""Peak learning rates worth trying: ten times what a pretrained network stands (docs/experiments.md)."""
SCRATCH_RATE = RATES_FROM_SCRATCH[1]
C_FROM_SCRATCH = 30.0
"""Penalty of the head that from-scratch training begins with: random features want a weak one."""
HELD_OUT = 0.2
"""Share of the training rows on which training and the head that it begins with are compared."""
ROWS_SEEN = 40_000
MOST_EPOCHS, LEAST_EPOCHS = 80, 10


def epochs_from_scratch(n_rows: int) -> int:
    """Return how many passes over so many rows training from random weights gets, so that it comes to its end.

    Some 40,000 rows are seen, whichever they are; no row more than 80 times, and none less than 10 times.
    """
    return min(MOST_EPOCHS, max(LEAST_EPOCHS, round(ROWS_SEEN / n_rows)))


def train_from_scratch(
    folder: Path,
    contents: Contents,
    labels: npt.NDArray[np.str_],
    config: Finetune,
    *,
    modality: str,
    max_tokens: int,
    names: Sequence[str] = (),
    checkpoint: Checkpoint | None = None,
    progress: Progress = silent,
) -> Classifier:
    """Train a base's architecture, all of it, from random weights: what the same network does without its pretraining.

    It keeps the base's tokenizer or processor. Like every training it begins with the head fitted to the features as they are.

    Args:
        folder: the base.
        contents, labels: n labelled rows, at least two classes.
        how: epochs, batch size, peak learning rate, seed and precision; the strategy is always that of all layers. No epoch
            at all leaves a head on the features of random weights.

    Returns:
        the classifier; the same inputs, seed and machine type give the same bits.

    Cost: 3 forward passes a row and epoch.
    """
    base = load_encoder(folder, modality, max_tokens=max_tokens)
    encoder = base.untrained(config.seed)
    encoder.network.to(next(base.network.parameters()).device)
    items, _ = encoder.prepare(contents)
    start = fit_head(encoder, embed_items(encoder, items).numpy(), labels, C=C_FROM_SCRATCH)
    if config.n_epochs == 0:
        return start
    rows = Rows(items, one_hot(labels, start.labels), torch.ones(len(items)), names)
    alone = config.model_copy(update={**ALONE, "strategy": "full", "l2_sp": 0.0, "layer_decay": 1.0})
    return tune(start, rows, None, alone, checkpoint, progress)


def best_from_scratch(
    folder: Path,
    contents: Contents,
    labels: npt.NDArray[np.str_],
    config: Finetune,
    *,
    modality: str,
    max_tokens: int,
    names: Sequence[str] = (),
    trial: Checkpoint | None = None,
    checkpoint: Checkpoint | None = None,
    progress: Progress = silent,
) -> Classifier:
    """Train from random weights, or leave it at the head on random features: whichever is right more often on held-out rows.

    Few steps at a high rate can leave a network that knows less than the head that it began with. A fifth of the training rows
    is held out to tell: both are tried without them, and the winner is fitted to all rows. Where they are equal, where no row can
    be held out, or where the loss is no longer a number, it is the head.

    Args:
        trial, checkpoint: where the interrupted trial and the interrupted training go on from.

    Cost: as ``train_from_scratch``, and the trial four fifths of that on top.
    """

    def learn(rows: Examples, n_epochs: int, interrupted: Checkpoint | None = None) -> Classifier:
        return train_from_scratch(
            folder, rows.contents, rows.labels, config.model_copy(update={"n_epochs": n_epochs}), modality=modality,
            max_tokens=max_tokens, names=rows.names, checkpoint=interrupted, progress=progress,
        )  # fmt: skip

    rows = Examples(list(contents), np.empty((len(labels), 0), dtype=np.float32), labels, names)
    try:
        rest, held = hold_out(rows, config.model_copy(update={"held_out": HELD_OUT}))
        if config.n_epochs and held and _hits(learn(rest, config.n_epochs, trial), held) > _hits(learn(rest, 0), held):
            return learn(rows, config.n_epochs, checkpoint)
    except (InputError, StepError):  # no row can be held out, or training came to nothing: the head is what is left
        progress(1, 1, "the head on random features")
    return learn(rows, 0)


def _hits(classifier: Classifier, rows: Examples) -> int:
    """Return how many rows a classifier gets right."""
    y_pred = np.array(classifier.labels)[predict(classifier, rows.contents).argmax(axis=1)]
    return int((y_pred == rows.labels).sum())


def predict_from_scratch(
    folder: Path,
    contents: Contents,
    labels: npt.NDArray[np.str_],
    asked: Contents,
    config: Finetune,
    *,
    trial: Checkpoint,
    training: Checkpoint,
    finished: Checkpoint,
    modality: str,
    max_tokens: int,
    names: Sequence[str] = (),
    progress: Progress = silent,
) -> npt.NDArray[np.str_]:
    """Return what the architecture, trained from scratch, says of other rows; what it said once is not trained for again.

    Args:
        asked: the rows to be predicted.
        trial, training, finished: where interrupted trainings go on from, and where predictions are kept.

    Returns:
        labels, shape (rows,): those of ``best_from_scratch``.
    """
    classes, answers = np.unique(labels), {"said": torch.zeros(len(asked), dtype=torch.int32)}
    if not finished.restore(answers, None)[0].n_done:
        network = best_from_scratch(
            folder, contents, labels, config, modality=modality, max_tokens=max_tokens, names=names,
            trial=trial, checkpoint=training, progress=progress,
        )  # fmt: skip
        answers["said"] = torch.from_numpy(predict(network, asked, progress=progress).argmax(axis=1)).int()
        finished.save(answers, None, TrainingState(n_done=1))
    y_pred: npt.NDArray[np.str_] = classes[answers["said"].numpy()]
    return y_pred
