"""The cheap models without pretraining, for images and for texts."""

from __future__ import annotations

import numpy as np
import pytest

from graft.errors import InputError
from graft.model.scratch import SCRATCH, fit_scratch

Digits = tuple[list[bytes], np.ndarray]
N = 200


def test_pixels_are_a_baseline(digits: Digits) -> None:
    """Logistic regression on pixels recognises most unseen digits, whatever file they come in, and gives labels."""
    contents, labels = digits
    model = fit_scratch(contents[:N], labels[:N], modality="image")
    predicted = model.predict(contents[N : 3 * N])
    assert (predicted == labels[N : 3 * N]).mean() > 0.8
    again = fit_scratch(contents[:N], labels[:N], modality="image")
    assert (again.predict(contents[N : 3 * N]) == predicted).all()
    with pytest.raises(InputError, match="not an image") as caught:
        model.predict([contents[0], b"cat"])
    assert caught.value.where == "image 2"
    assert set(SCRATCH) == {"text", "image"}


def test_words_are_a_baseline() -> None:
    """TF-IDF ignores case and accents, and learns from a handful of texts."""
    texts = ["my card is lost", "cancel the order", "a new card please", "please cancel"]
    model = fit_scratch(texts, np.array(["card", "cancel", "card", "cancel"]), modality="text")
    assert model.predict(["the CARD", "CANCÉL"]).tolist() == ["card", "cancel"]
