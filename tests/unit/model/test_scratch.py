"""The cheap models without pretraining, for images and for texts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from graft.errors import StepError
from graft.model import scratch
from graft.model.checkpoint import Checkpoint
from graft.model.classifier import predict
from graft.model.encoder import load_encoder
from graft.model.scratch import best_from_scratch, fit_scratch, predict_from_scratch, train_from_scratch
from tests.support.refusals import refused
from tests.support.tiny_models import finetune_settings

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
    with refused("image-unreadable") as caught:
        model.predict([contents[0], b"cat"])
    assert caught.value.where == "image 2"


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
    still, again = (train_from_scratch(tiny_base, TEXTS, LABELS, finetune_settings().model_copy(update={"n_epochs": 0}), **FACTS)
                    for _ in range(2))  # fmt: skip
    trained = train_from_scratch(tiny_base, TEXTS, LABELS, finetune_settings(), **FACTS)
    base = train_from_scratch(
        tiny_base, TEXTS, LABELS, finetune_settings(seed=6).model_copy(update={"n_epochs": 0}), **FACTS
    )
    words = [one.encoder.network.get_input_embeddings().weight for one in (still, again, trained, base)]
    assert torch.equal(words[0], words[1])
    assert not torch.equal(words[0], words[2])
    assert not torch.equal(words[0], words[3])
    assert still.loss == ()
    assert len(trained.loss) == 3


def test_a_network_that_diverges_leaves_the_head_and_that_is_kept(tiny_base: Path, tmp_path: Path) -> None:
    """Where the loss is no longer a number the head on random features answers; what it said is not computed again."""
    trial, first, last = (
        Checkpoint(tmp_path / f"{name}.safetensors", "0" * 64, clock=lambda: 0.0, seconds=1e9)
        for name in ("trial", "training", "finished")
    )
    head = train_from_scratch(tiny_base, TEXTS, LABELS, finetune_settings().model_copy(update={"n_epochs": 0}), **FACTS)
    wanted = np.array(head.labels)[predict(head, TEXTS[:3]).argmax(axis=1)]
    for rate, labels in ((1e30, LABELS), (1e-3, LABELS[::-1])):  # the second would learn otherwise, if it were trained
        said = predict_from_scratch(
            tiny_base, TEXTS, labels, TEXTS[:3], finetune_settings(n_epochs=5, learning_rate=rate),
            trial=trial, training=first, finished=last, **FACTS,
        )  # fmt: skip
        assert said.tolist() == wanted.tolist()


def test_training_that_ruins_the_head_is_never_reported(tiny_base: Path) -> None:
    """A rate that leaves less than the head knew gives the head, fitted to all rows; one that gains gives the network."""
    ruined = best_from_scratch(tiny_base, TEXTS, LABELS, finetune_settings(n_epochs=2, learning_rate=30.0), **FACTS)
    head = train_from_scratch(tiny_base, TEXTS, LABELS, finetune_settings().model_copy(update={"n_epochs": 0}), **FACTS)
    assert ruined.loss == ()
    assert torch.equal(ruined.weight, head.weight)
    order = [" ".join(one) for one in (("pay", "late"), ("late", "pay"), ("bill", "card"), ("card", "bill"))] * 6
    labels = np.array(["a", "b", "a", "b"] * 6)
    learned = best_from_scratch(tiny_base, order, labels, finetune_settings(n_epochs=12, learning_rate=3e-3), **FACTS)
    still = train_from_scratch(
        tiny_base, order, labels, finetune_settings().model_copy(update={"n_epochs": 0}), **FACTS
    )
    right = [(np.array(one.labels)[predict(one, order).argmax(axis=1)] == labels).mean() for one in (learned, still)]
    assert right[0] >= right[1]


@pytest.mark.parametrize("labels", [["a", "b"], ["a", "a", "b", "b"]])
def test_too_few_rows_to_hold_one_out_leave_the_head(tiny_base: Path, labels: list[str]) -> None:
    """One or two rows a class: nothing can be held out, so nothing is trained."""
    found = best_from_scratch(tiny_base, TEXTS[: len(labels)], np.array(labels), finetune_settings(), **FACTS)
    assert found.loss == ()


def test_the_untaught_network_is_where_the_base_is(tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a base on another device the network that is drawn at random goes there too, before a row is embedded."""
    seen = []

    def load(*args: object, **kwargs: object) -> object:
        encoder = load_encoder(*args, **kwargs)
        encoder.network.to("meta")
        return encoder

    def stop(encoder: object, *_: object) -> None:
        seen.append({parameter.device.type for parameter in encoder.network.parameters()})
        raise StepError("far enough")

    monkeypatch.setattr(scratch, "load_encoder", load)
    monkeypatch.setattr(scratch, "embed_items", stop)
    with pytest.raises(StepError):
        train_from_scratch(tiny_base, TEXTS, LABELS, finetune_settings(), **FACTS)
    assert seen == [{"meta"}]
