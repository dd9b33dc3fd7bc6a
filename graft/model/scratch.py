"""How far does one come without any pretraining? What a transfer must beat: the same network untaught, and a cheap model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from graft.model.budget import ALONE
from graft.model.checkpoint import Checkpoint, Stand
from graft.model.classifier import Classifier, fit_head, predict
from graft.model.encoder import Contents, Progress, embed_items, load_encoder, silent
from graft.model.examples import one_hot
from graft.model.finetune import tune
from graft.model.train import Rows
from graft.pictures import grey
from graft.recipe import Finetune, Modality

SCRATCH: dict[Modality, str] = {
    "text": "TF-IDF and logistic regression",
    "image": "logistic regression on pixels",
}
"""What the model is called."""


def fit_scratch(contents: Contents, labels: npt.NDArray[np.str_], *, modality: Modality) -> Any:
    """Fit the strongest cheap model without any pretraining: an object whose ``predict(contents)`` gives labels.

    Texts: TF-IDF of words and pairs. Images: brightness at 32 x 32 pixels, standardised. Then logistic regression.

    Raises:
        InputError: an image cannot be read.
    Cost: texts: O(words x classes) an iteration, seconds for 10,000 short ones. Images: O(1,024 x classes) a row and iteration.
    """
    if modality == "text":
        words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, strip_accents="unicode")
        return make_pipeline(words, LogisticRegression(C=10.0, max_iter=1000)).fit(list(contents), labels)
    pixels = FunctionTransformer(_pixels)
    return make_pipeline(pixels, StandardScaler(), LogisticRegression(C=0.01, max_iter=1000)).fit(contents, labels)


def _pixels(contents: Contents) -> npt.NDArray[np.float64]:
    """Return the brightness of each image, shape (n, 1024)."""
    return np.stack([grey(content, f"image {k:,}").ravel() for k, content in enumerate(contents, start=1)]) / 255.0


SCRATCH_RATE = 5e-4
"""Peak learning rate of from-scratch training: five times what a pretrained network stands."""
C_UNTAUGHT = 30.0
"""Penalty of the head that from-scratch training begins with: random features want a weak one (docs/experiments.md)."""


def train_from_scratch(
    folder: Path,
    contents: Contents,
    labels: npt.NDArray[np.str_],
    how: Finetune,
    *,
    modality: Modality,
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
        how: epochs, batch size, peak learning rate, seed and precision; the strategy is always that of all layers.

    Returns:
        the classifier; the same inputs, seed and machine type give the same bits.

    Cost: 3 forward passes a row and epoch.
    """
    encoder = load_encoder(folder, modality, max_tokens=max_tokens).untrained(how.seed)
    items, _ = encoder.prepare(contents)
    start = fit_head(encoder, embed_items(encoder, items).numpy(), labels, C=C_UNTAUGHT)
    rows = Rows(items, one_hot(labels, start.labels), torch.ones(len(items)), names)
    alone = how.model_copy(update={**ALONE, "strategy": "full", "l2_sp": 0.0, "layer_decay": 1.0})
    return tune(start, rows, None, alone, checkpoint, progress)


def predict_from_scratch(
    folder: Path,
    contents: Contents,
    labels: npt.NDArray[np.str_],
    asked: Contents,
    how: Finetune,
    *,
    training: Checkpoint,
    finished: Checkpoint,
    modality: Modality,
    max_tokens: int,
    names: Sequence[str] = (),
    progress: Progress = silent,
) -> npt.NDArray[np.str_]:
    """Return what the architecture, trained from scratch, says of other rows; what it said once is not trained for again.

    Args:
        asked: the rows to be predicted.
        training, finished: where an interrupted training goes on from, and where predictions are kept.
    """
    classes, kept = np.unique(labels), {"said": torch.zeros(len(asked), dtype=torch.int32)}
    if not finished.restore(kept, None)[0].n_done:
        network = train_from_scratch(
            folder, contents, labels, how, modality=modality, max_tokens=max_tokens, names=names, checkpoint=training,
            progress=progress,
        )  # fmt: skip
        kept["said"] = torch.from_numpy(predict(network, asked, progress=progress).argmax(axis=1)).int()
        finished.save(kept, None, Stand(n_done=1))
    said: npt.NDArray[np.str_] = classes[kept["said"].numpy()]
    return said
