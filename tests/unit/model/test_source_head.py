"""What a base's own head says of rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from graft.model.classifier import fit_head, predict
from graft.model.encoder import embed, load_encoder
from graft.model.folder import card_for, save_model
from graft.model.source_head import source_probabilities
from graft.records import Base
from tests.support.refusals import refused
from tests.support.tiny_models import write_tiny_base

TEXTS = ["cancel my order", "where is my parcel, please", "the bill is not right", "a red cat and a blue dog"] * 10
LABELS = np.array(list("abca") * 10)


def said(folder: Path) -> np.ndarray | None:
    features, _ = embed(folder, TEXTS, modality="text", max_tokens=32)
    return source_probabilities(folder, load_encoder(folder, "text", max_tokens=32), TEXTS, features)


def test_a_plain_encoder_has_no_head(tiny_base: Path) -> None:
    """A base that was published without a head says nothing of classes."""
    assert said(tiny_base) is None


def test_the_head_that_graft_made_reads_the_features(tiny_base: Path, tmp_path: Path) -> None:
    """Its probabilities are those that the whole model predicts; a head that does not fit is refused."""
    features, _ = embed(tiny_base, TEXTS, modality="text", max_tokens=32)
    classifier = fit_head(load_encoder(tiny_base, "text", max_tokens=32), features, LABELS, C=30.0)
    known = Base(id="tiny", revision="1", sha256="0" * 64, folder_sha256="0" * 64, n_parameters=1, licence="mit")
    save_model(classifier, tmp_path / "model", card=card_for("source", known, "head", "source", "0" * 64, 40, 3))
    theta = said(tmp_path / "model")
    assert theta is not None
    assert theta == pytest.approx(predict(classifier, TEXTS), abs=1e-5)
    (tmp_path / "model" / "graft.json").write_text('{"labels": ["a", "b"]}')
    with refused("head-misfit"):
        said(tmp_path / "model")


def with_published_head(folder: Path, n_labels: int) -> object:
    """Write a tiny BERT with a classification head, as others publish them, and return it."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    config = BertConfig.from_pretrained(write_tiny_base(folder))
    config.num_labels = n_labels
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        network = BertForSequenceClassification(config).eval()
    network.save_pretrained(folder)
    return network


def test_a_published_head_is_run(tmp_path: Path) -> None:
    """The softmax of the published network's own logits, text by text, whatever the batches."""
    import torch

    network = with_published_head(tmp_path / "base", 5)
    theta = said(tmp_path / "base")
    assert theta is not None
    assert theta.shape == (40, 5)
    assert theta.sum(axis=1) == pytest.approx(1, abs=1e-5)
    encoder = load_encoder(tmp_path / "base", "text", max_tokens=32)
    with torch.inference_mode():
        for k, item in enumerate(encoder.prepare(TEXTS[:4])[0]):
            logits = network(**encoder.collate([item])).logits  # type: ignore[operator]
            assert theta[k] == pytest.approx(torch.softmax(logits, dim=1)[0].numpy(), abs=1e-5)


def test_a_head_of_one_class_is_none(tmp_path: Path) -> None:
    """A regression's single output says nothing of classes."""
    with_published_head(tmp_path / "base", 1)
    assert said(tmp_path / "base") is None


def test_a_head_that_is_named_and_absent_is_none(tmp_path: Path) -> None:
    """Settings that name a classifier over weights that have none: no head is drawn at random in its place."""
    import json

    folder = write_tiny_base(tmp_path / "base")
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**settings, "architectures": ["BertForSequenceClassification"]}))
    assert said(folder) is None


def test_a_head_of_another_shape_is_refused(tmp_path: Path) -> None:
    """Weights that do not fit the settings are said to be no such base."""
    import json

    with_published_head(tmp_path / "base", 5)
    path = tmp_path / "base" / "config.json"
    labels = {str(k): str(k) for k in range(3)}
    changed = {"id2label": labels, "label2id": {name: int(k) for k, name in labels.items()}}
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))
    with refused("not-an-encoder"):
        said(tmp_path / "base")
