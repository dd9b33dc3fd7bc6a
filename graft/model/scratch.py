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

from graft.errors import StepError
from graft.model.budget import ALONE
from graft.model.checkpoint import Checkpoint, Stand
from graft.model.classifier import Classifier, fit_head, predict
from graft.model.encoder import Contents, Progress, embed_items, load_encoder, silent
from graft.model.examples import UNLABELLED, one_hot
from graft.model.finetune import tune
from graft.model.train import Rows
from graft.pictures import grey
from graft.recipe import Finetune, Modality
from graft.stats.probe import choose_C

SCRATCH: dict[Modality, str] = {
    "text": "TF-IDF and logistic regression",
    "image": "logistic regression on pixels",
}
"""What the model is called."""


C_SCRATCH: dict[Modality, float] = {"text": 10.0, "image": 0.01}
"""Its inverse penalty, unless another is given."""
GRID_SCRATCH: dict[Modality, tuple[float, ...]] = {"text": (1.0, 10.0, 100.0), "image": (0.001, 0.01, 0.1)}
"""What ``tune_scratch`` tries."""


def fit_scratch(contents: Contents, labels: npt.NDArray[np.str_], *, modality: Modality, C: float | None = None) -> Any:
    """Fit the strongest cheap model without any pretraining: an object whose ``predict(contents)`` gives labels.

    Texts: TF-IDF of words and pairs. Images: brightness at 32 x 32 pixels, standardised. Then logistic regression.

    Args:
        C: inverse L2 penalty; None: that of ``C_SCRATCH``.

    Raises:
        InputError: an image cannot be read.
    Cost: texts: O(words x classes) an iteration, seconds for 10,000 short ones. Images: O(1,024 x classes) a row and iteration.
    """
    penalty = C_SCRATCH[modality] if C is None else C
    model = make_pipeline(_reader(modality), LogisticRegression(C=penalty, max_iter=1000))
    return model.fit(list(contents), labels)


def tune_scratch(
    contents: Contents, labels: npt.NDArray[np.str_], *, modality: Modality, n_folds: int, seed: int
) -> float:
    """Choose the C of ``fit_scratch`` by cross-validation on training rows, of which every class has at least two.

    Cost: ``n_folds`` fits for each C of ``GRID_SCRATCH``.
    """
    features = _reader(modality).fit_transform(list(contents))
    return choose_C(features, labels, n_folds=n_folds, seed=seed, grid=GRID_SCRATCH[modality])[0]


def _reader(modality: Modality) -> Any:
    """Return what makes features of contents, not yet fitted."""
    if modality == "text":
        return TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, strip_accents="unicode")
    return make_pipeline(FunctionTransformer(_pixels), StandardScaler())


def _pixels(contents: Contents) -> npt.NDArray[np.float64]:
    """Return the brightness of each image, shape (n, 1024)."""
    return np.stack([grey(content, f"image {k:,}").ravel() for k, content in enumerate(contents, start=1)]) / 255.0


RATES_UNTAUGHT = (3e-4, 1e-3)
"""Peak learning rates worth trying: ten times what a pretrained network stands (docs/experiments.md)."""
SCRATCH_RATE = RATES_UNTAUGHT[1]
C_UNTAUGHT = 30.0
"""Penalty of the head that from-scratch training begins with: random features want a weak one."""
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
        how: epochs, batch size, peak learning rate, seed and precision; the strategy is always that of all layers. No epoch
            at all leaves a head on the features of random weights.

    Returns:
        the classifier; the same inputs, seed and machine type give the same bits.

    Cost: 3 forward passes a row and epoch.
    """
    encoder = load_encoder(folder, modality, max_tokens=max_tokens).untrained(how.seed)
    items, _ = encoder.prepare(contents)
    start = fit_head(encoder, embed_items(encoder, items).numpy(), labels, C=C_UNTAUGHT)
    if how.n_epochs == 0:
        return start
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

    Returns:
        labels, shape (rows,); none of them where the loss was no longer a number, as nothing was learned then.
    """
    classes, kept = np.unique(labels), {"said": torch.zeros(len(asked), dtype=torch.int32)}
    if not finished.restore(kept, None)[0].n_done:
        try:
            network = train_from_scratch(
                folder, contents, labels, how, modality=modality, max_tokens=max_tokens, names=names,
                checkpoint=training, progress=progress,
            )  # fmt: skip
            kept["said"] = torch.from_numpy(predict(network, asked, progress=progress).argmax(axis=1)).int()
        except StepError:
            kept["said"].fill_(-1)
        finished.save(kept, None, Stand(n_done=1))
    said: npt.NDArray[np.str_] = np.append(classes, UNLABELLED)[kept["said"].numpy()]
    return said
