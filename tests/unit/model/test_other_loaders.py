"""A promoted model in other hands: standard loaders give the right answer or refuse, and the card's lines need no Graft."""

from __future__ import annotations

import re
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
import yaml
from PIL import ExifTags, Image

from graft.modality import ModalityName
from graft.model.classifier import Classifier, predict
from graft.model.encoder import load_encoder
from graft.model.examples import Examples
from graft.model.finetune import finetune
from graft.model.folder import load_model
from tests.support.slow_cases import slow
from tests.support.tiny_models import finetune_settings, write_tiny_base, write_tiny_image_base
from tests.unit.model import test_image_model, test_text_model
from tests.unit.model.test_image_model import Digits
from tests.unit.model.test_layers import IMAGE_NETWORKS, TEXT_NETWORKS
from tests.unit.model.test_odd_bases import replaced
from tests.unit.model.test_text_model import messages

STRATEGIES = [
    "head",
    "full",
    *slow("lora", "top_k", "contrastive"),
]
HEADS: dict[ModalityName, Any] = {
    "text": transformers.AutoModelForSequenceClassification,
    "image": transformers.AutoModelForImageClassification,
}
LINES = re.compile(r"```python\n(.*?)```", re.DOTALL)


def lines_of(folder: Path) -> Callable[..., dict[str, float]]:
    """Run the code in a model's card, which imports nothing of Graft, and return what it defines."""
    (code,) = LINES.findall((folder / "README.md").read_text())
    assert "import graft" not in code
    assert "from graft" not in code
    names: dict[str, Any] = {}
    exec(compile(code, "README.md", "exec"), names)  # noqa: S102 - the claim is that these lines run
    return names["classify"]


def refuse(folder: Path, modality: ModalityName) -> None:
    """Check that loaders of classifiers refuse, with and without a number of classes, and that encoders are right."""
    for more in ({}, {"num_labels": 3}):
        with pytest.raises(RuntimeError, match="ignore_mismatched_sizes"):
            HEADS[modality].from_pretrained(folder, **more)
    asked = "good cat" if modality == "text" else Image.new("RGB", (8, 8))
    with pytest.raises(
        KeyError, match="logits"
    ):  # it takes the encoder then, as the settings name it, and has no answer
        transformers.pipeline(f"{modality}-classification", str(folder))(asked)
    ours = load_encoder(folder, modality, max_tokens=16).network.state_dict()
    theirs, found = transformers.AutoModel.from_pretrained(folder, output_loading_info=True)
    assert not found["missing_keys"]
    assert all(torch.equal(tensor, theirs.state_dict()[name]) for name, tensor in ours.items())


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_text_model_without_graft(tiny_base: Path, tmp_path: Path, strategy: str) -> None:
    """Classifiers are not loaded by mistake, the encoder is; the card's lines say what Graft says, of long texts too."""
    classifier = test_text_model.train(tiny_base, strategy, n_epochs=1)
    folder = test_text_model.save(classifier, tmp_path / "model", tiny_base)
    refuse(folder, "text")
    classify, texts = lines_of(folder), ["good cat", "please pay my bill", "cat " * 60, "money"]
    ours = predict(load_model(folder), texts)
    for text, shares in zip(texts, ours, strict=True):
        said = classify(text, folder)
        assert tuple(said) == classifier.labels
        assert list(said.values()) == pytest.approx(shares.tolist(), abs=1e-5)


@pytest.mark.parametrize(
    ("architecture", "strategy"),
    [
        ("resnet", "full"),
        *slow(("resnet", "lora"), ("vit", "head")),
    ],
)
def test_an_image_model_without_graft(tmp_path: Path, digits: Digits, architecture: Any, strategy: str) -> None:
    """Likewise for images, features of a pooler and of tokens, and pictures that a camera held upright."""
    base = write_tiny_image_base(tmp_path / "base", architecture=architecture)
    classifier = test_image_model.train(base, strategy, (digits[0][:60], digits[1][:60]), n_epochs=1)
    folder = test_image_model.save(classifier, tmp_path / "model", base)
    refuse(folder, "image")
    lying, exif = BytesIO(), Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.open(BytesIO(digits[0][64])).resize((40, 24)).save(lying, format="PNG", exif=exif)
    classify, pictures = lines_of(folder), [*digits[0][60:64], lying.getvalue()]
    for picture, shares in zip(pictures, predict(load_model(folder), pictures), strict=True):
        said = classify(BytesIO(picture), folder)
        assert tuple(said) == classifier.labels
        assert list(said.values()) == pytest.approx(shares.tolist(), abs=1e-5)


NETWORKS = [*(("text", name) for name in TEXT_NETWORKS if name != "t5"), *(("image", name) for name in IMAGE_NETWORKS)]


@pytest.mark.slow
@pytest.mark.parametrize(("modality", "name"), NETWORKS)
def test_whatever_the_architecture(tmp_path: Path, modality: ModalityName, name: str, digits: Digits) -> None:
    """Whatever an architecture calls its head, classifiers are refused, and the card's lines are right."""
    write, networks = (
        (write_tiny_base, TEXT_NETWORKS) if modality == "text" else (write_tiny_image_base, IMAGE_NETWORKS)
    )
    base = replaced(write(tmp_path / "base"), networks[name])
    contents: list[Any] = messages(2)[0] if modality == "text" else digits[0][:8]
    labels = np.array(list("ab") * (len(contents) // 2))
    encoder = load_encoder(base, modality, max_tokens=16)
    features = np.random.default_rng(0).normal(0, 1, (len(labels), encoder.dimension)).astype(np.float32)
    classifier: Classifier = finetune(
        base,
        Examples(contents, features, labels),
        finetune_settings(strategy="head"),
        modality=modality,
        C=1.0,
        max_tokens=16,
    )
    folder = (test_text_model if modality == "text" else test_image_model).save(classifier, tmp_path / "model", base)
    refuse(folder, modality)
    classify = lines_of(folder)
    for content, shares in zip(contents[:2], predict(classifier, contents[:2]), strict=True):
        said = classify(content if modality == "text" else BytesIO(content), folder)
        assert list(said.values()) == pytest.approx(shares.tolist(), abs=1e-5)


def test_a_model_serves_as_a_base_for_others(tiny_base: Path, tmp_path: Path) -> None:
    """A model made from a model holds each blank once, and its card does not claim that transformers loads all of it."""
    first = test_text_model.save(test_text_model.train(tiny_base, "head"), tmp_path / "first", tiny_base)
    second = test_text_model.save(test_text_model.train(first, "full", n_epochs=1), tmp_path / "second", first)
    refuse(second, "text")
    front = yaml.safe_load((second / "README.md").read_text().split("---")[1])
    assert (front["library_name"], front["pipeline_tag"]) == ("graft", "text-classification")


def test_sentence_encoders_read_it(tiny_base: Path, tmp_path: Path) -> None:
    """sentence-transformers, where it is installed, gives Graft's features, and its classifiers refuse."""
    library = pytest.importorskip("sentence_transformers")
    folder = test_text_model.save(test_text_model.train(tiny_base, "full", n_epochs=1), tmp_path / "model", tiny_base)
    theirs = library.SentenceTransformer(str(folder), device="cpu").encode(["good cat"], normalize_embeddings=True)
    ours = test_text_model.embed(folder, ["good cat"], max_tokens=32)[0]
    assert theirs == pytest.approx(ours, abs=1e-5)
    with pytest.raises(RuntimeError, match="ignore_mismatched_sizes"):
        library.CrossEncoder(str(folder), device="cpu")
