"""How far does one come without any pretraining? The cheap model that a transfer must beat."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from graft.model.encoder import Contents
from graft.pictures import grey
from graft.recipe import Modality

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
