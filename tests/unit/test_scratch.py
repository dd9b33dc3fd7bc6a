"""The cheap models without pretraining, for images and for texts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from graft.errors import InputError
from graft.model.checkpoint import Checkpoint
from graft.model.scratch import SCRATCH, fit_scratch, predict_from_scratch, train_from_scratch
from tests.tiny import settings

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


TEXTS = ["please pay my bill", "where is the parcel", "pay the order", "the parcel is late"] * 6
LABELS = np.array(["pay", "parcel"] * 12)
FACTS = {"modality": "text", "max_tokens": 16}


def test_random_weights_have_nothing_of_the_base(tiny_base: Path) -> None:
    """Word embeddings are drawn anew and trained too; the seed says what is drawn; no epoch leaves a head."""
    still, again = (train_from_scratch(tiny_base, TEXTS, LABELS, settings().model_copy(update={"n_epochs": 0}), **FACTS)
                    for _ in range(2))  # fmt: skip
    trained = train_from_scratch(tiny_base, TEXTS, LABELS, settings(), **FACTS)
    base = train_from_scratch(tiny_base, TEXTS, LABELS, settings(seed=6).model_copy(update={"n_epochs": 0}), **FACTS)
    words = [one.encoder.network.get_input_embeddings().weight for one in (still, again, trained, base)]
    assert torch.equal(words[0], words[1])
    assert not torch.equal(words[0], words[2])
    assert not torch.equal(words[0], words[3])
    assert still.loss == ()
    assert len(trained.loss) == 3


def test_a_network_that_learns_nothing_is_no_error(tiny_base: Path, tmp_path: Path) -> None:
    """Where the loss is no longer a number nothing is right, as it stands in the way of nobody's candidate; and that is kept."""
    first, last = (
        Checkpoint(tmp_path / f"{name}.safetensors", "0" * 64, clock=lambda: 0.0, seconds=1e9)
        for name in ("training", "finished")
    )
    for rate in (1e30, 1e-3):  # the second would learn, if it were trained
        how = settings(n_epochs=5, learning_rate=rate)
        said = predict_from_scratch(tiny_base, TEXTS, LABELS, TEXTS[:3], how, training=first, finished=last, **FACTS)
        assert said.tolist() == ["", "", ""]
