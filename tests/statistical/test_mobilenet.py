"""The one end-to-end check that image weights, decoding, resizing and network are right: a published ImageNet prediction."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from graft.modality.image.pictures import open_picture
from graft.model.encoder import embed, load_encoder
from graft.model.source_head import source_probabilities
from tests.support.mobilenet import LABELS, PICTURE, WEIGHTS, write_mobilenet

pytestmark = pytest.mark.realdata


@pytest.fixture(scope="module")
def published(shared_data: Path) -> Path:
    if not (shared_data / WEIGHTS).is_file():
        pytest.skip(f"shared data absent: {shared_data / WEIGHTS}")
    return shared_data


def test_grace_hopper(published: Path, tmp_path: Path) -> None:
    """The portrait of Grace Hopper is a military uniform with the probability of the original weights, 0.927.

    The published figure is that of the TensorFlow Lite file which the weights were taken from. With symmetric instead of
    TensorFlow's padding it would be 0.36; with nearest-neighbour resizing 0.87.
    """
    import torch
    from transformers import MobileNetV2ForImageClassification

    folder = write_mobilenet(published, tmp_path / "mobilenet", classifier=True)
    network = MobileNetV2ForImageClassification.from_pretrained(folder).eval()
    encoder = load_encoder(folder, "image", max_tokens=0)
    picture = (published / PICTURE).read_bytes()
    assert open_picture(picture, "portrait").size == (512, 600)
    batch = encoder.collate(encoder.prepare([picture])[0])
    with torch.inference_mode():
        probability = torch.softmax(network(**batch).logits, dim=1)[0].numpy()
    labels = (published / LABELS).read_text().splitlines()
    assert len(labels) == len(probability) == 1001
    features, _ = embed(folder, [picture], modality="image", max_tokens=0)
    own = source_probabilities(folder, encoder, [picture], features)
    assert own is not None
    assert own[0] == pytest.approx(probability, abs=1e-5), "what LEEP is computed from"
    assert labels[probability.argmax()] == "military uniform"
    assert probability.max() == pytest.approx(0.927, abs=5e-4)


def test_the_base_gives_the_classifier_s_features(published: Path, tmp_path: Path) -> None:
    """The base without its classes, as Graft embeds with it, gives the direction of what the classifier is fed with."""
    import torch
    from transformers import MobileNetV2ForImageClassification

    base = write_mobilenet(published, tmp_path / "base", side=96)
    whole = write_mobilenet(published, tmp_path / "whole", side=96, classifier=True)
    picture = (published / PICTURE).read_bytes()
    features, _ = embed(base, [picture, picture], modality="image", max_tokens=0)
    assert features.shape == (2, 1280)
    encoder = load_encoder(base, "image", max_tokens=0)
    batch = encoder.collate(encoder.prepare([picture])[0])
    assert batch["pixel_values"].shape == (1, 3, 96, 96)
    network = MobileNetV2ForImageClassification.from_pretrained(whole).eval()
    with torch.inference_mode():
        fed = network.mobilenet_v2(**batch).pooler_output[0].numpy()
    assert features[0] == pytest.approx(fed / np.linalg.norm(fed), abs=1e-6)
