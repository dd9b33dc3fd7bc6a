"""Embedding, fine-tuning, saving and predicting, on a tiny base."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from graft.errors import TamperError
from graft.model.classifier import Classifier, predict
from graft.model.encoder import embed as embed_contents
from graft.model.examples import Examples
from graft.model.finetune import finetune
from graft.model.folder import (
    card_for,
    load_model,
    save_model,
)
from graft.model.reference import load_reference, load_trained_on, save_reference
from graft.records import digest_folder
from graft.stats import fit_probe
from tests.support.refusals import refused
from tests.support.slow_cases import slow
from tests.support.tiny_models import finetune_settings, write_tiny_base

THINGS = {
    "money": "refund my money",
    "parcel": "my parcel is late",
    "account": "password for my account",
    "cat": "a red cat",
}
STRATEGIES = ["head", "lora", "full", *slow("top_k", "contrastive")]
embed = partial(embed_contents, modality="text")


def messages(n_classes: int) -> tuple[list[str], np.ndarray]:
    texts, labels = [], []
    for label in list(THINGS)[:n_classes]:
        for k in range(8):
            texts.append(f"{'please ' * (k % 3)}{THINGS[label]} {'ab c'[k % 4]} {k}")
            labels.append(label)
    return texts, np.array(labels)


def train(base: Path, strategy: str, n_classes: int = 4, **changed: object) -> Classifier:
    texts, labels = messages(n_classes)
    features, _ = embed(base, texts, max_tokens=32)
    how = finetune_settings(**{"strategy": strategy, "n_layers": 1, **changed})
    return finetune(base, Examples(texts, features, labels), how, modality="text", C=100.0, max_tokens=32)


def save(classifier: Classifier, folder: Path, base: Path) -> Path:
    from graft.model.bases import describe_base

    card = card_for("mail", describe_base("bases/tiny", base), "full", "mail", "d" * 64, 32, len(classifier.labels))
    save_model(classifier, folder, card=card)
    return folder


def test_features_do_not_depend_on_the_other_texts(tiny_base: Path) -> None:
    """A text's features are of unit norm, and the same up to 1e-5 whatever its order, its batch and its neighbours."""
    texts, _ = messages(4)
    texts += ["x", "where " * 20]
    features, _ = embed(tiny_base, texts, max_tokens=32)
    assert features.shape == (34, 32)
    assert np.linalg.norm(features, axis=1) == pytest.approx(np.ones(34), abs=1e-5)
    order = np.random.default_rng(0).permutation(len(texts))
    shuffled, _ = embed(tiny_base, [texts[i] for i in order], max_tokens=32, batch_size=5)
    assert np.abs(shuffled - features[order]).max() < 1e-5
    alone, _ = embed(tiny_base, texts[-2:-1], max_tokens=32)
    assert np.abs(alone[0] - features[-2]).max() < 1e-5
    assert np.abs(features[0] - features[20]).max() > 1e-3


def test_long_texts_are_cut_and_counted(tiny_base: Path) -> None:
    """Texts beyond ``max_tokens`` are counted, and what stands behind the cut does not matter."""
    features, n_cut = embed(tiny_base, ["cat", "cat " * 30 + "dog", "cat " * 30 + "tree"], max_tokens=16)
    assert n_cut == 2
    assert (features[1] == features[2]).all()
    _, n_cut = embed(tiny_base, ["cat " * 14], max_tokens=16)
    assert n_cut == 0


@pytest.mark.parametrize("n_classes", [2, 4])
def test_head_is_the_probe(tiny_base: Path, n_classes: int) -> None:
    """A head gives scikit-learn's probabilities, for two classes as for many, and leaves the encoder as it was."""
    texts, labels = messages(n_classes)
    features, _ = embed(tiny_base, texts, max_tokens=32)
    classifier = train(tiny_base, "head", n_classes)
    scores = predict(classifier, texts)
    probe = fit_probe(features, labels, C=100.0)
    assert classifier.labels == tuple(sorted(set(labels)))
    assert scores == pytest.approx(probe.predict_proba(features), abs=1e-5)
    assert scores.dtype == np.float32
    assert classifier.n_trained_parameters == n_classes * 33
    assert classifier.loss == ()


@pytest.mark.parametrize("n_classes", [2, 4])
def test_full_training_learns(tiny_base: Path, n_classes: int) -> None:
    """Full training lowers the loss, changes all layers but the word embeddings, and learns its rows."""
    classifier = train(tiny_base, "full", n_classes, n_epochs=6)
    texts, labels = messages(n_classes)
    scores = predict(classifier, texts)
    assert scores.sum(axis=1) == pytest.approx(np.ones(len(texts)), abs=1e-5)
    assert (np.array(classifier.labels)[scores.argmax(axis=1)] == labels).mean() > 0.9
    assert len(classifier.loss) == 6
    assert classifier.loss[-1] < classifier.loss[0]
    before, after = (c.encoder.network.state_dict() for c in (train(tiny_base, "head", n_classes), classifier))
    words = "embeddings.word_embeddings.weight"
    assert (before[words] == after[words]).all()
    changed = {name for name in before if not (before[name] == after[name]).all()}
    assert {name for name in before if "encoder.layer" in name and "key.bias" not in name} <= changed
    trained = {name: p for name, p in classifier.encoder.network.named_parameters() if not name.startswith("pooler")}
    n_encoder = sum(p.numel() for name, p in trained.items() if name != words)
    assert classifier.n_trained_parameters == n_encoder + n_classes * 33


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_same_seed_same_bytes(tiny_base: Path, tmp_path: Path, strategy: str) -> None:
    """The same inputs give the same folder, byte for byte; another seed gives another model where a seed matters."""
    first, second = (digest_folder(save(train(tiny_base, strategy), tmp_path / name, tiny_base)) for name in "ab")
    assert first == second
    if strategy == "full":
        other = digest_folder(save(train(tiny_base, strategy, seed=6), tmp_path / "c", tiny_base))
        assert other[1] != first[1]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("n_classes", [4, *slow(2)])
def test_a_saved_model_predicts_the_same(tiny_base: Path, tmp_path: Path, strategy: str, n_classes: int) -> None:
    """What is loaded predicts as what was saved did, up to rounding, and the folder holds safetensors and no pickle."""
    classifier = train(tiny_base, strategy, n_classes)
    folder = save(classifier, tmp_path / "model", tiny_base)
    again = load_model(folder)
    texts, _ = messages(4)
    assert again.labels == classifier.labels
    assert np.abs(predict(again, texts) - predict(classifier, texts)).max() < 1e-6
    assert (again.weight == classifier.weight).all()
    assert (again.bias == classifier.bias).all()
    names = {path.name for path in folder.rglob("*")}
    assert {
        "model.safetensors",
        "head.safetensors",
        "config.json",
        "tokenizer.json",
        "graft.json",
        "README.md",
    } <= names
    assert not [name for name in names if name.endswith((".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt"))]
    for path in folder.rglob("*"):
        assert not path.read_bytes().startswith((b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK\x03\x04"))


def test_card_names_where_the_model_comes_from(tiny_base: Path, tmp_path: Path) -> None:
    """The card's front matter names base, relation, licence and data; its text the base's digest and revision."""
    import yaml

    from graft.model.bases import describe_base, read_licence

    folder = save(train(tiny_base, "head"), tmp_path / "model", tiny_base)
    text = (folder / "README.md").read_text()
    front = yaml.safe_load(text.split("---")[1])
    assert (front["base_model"], front["base_model_relation"]) == ("bases/tiny", "finetune")
    assert (front["license"], front["datasets"]) == ("apache-2.0", ["mail"])
    assert front["pipeline_tag"] == "text-classification"
    base = describe_base("bases/tiny", tiny_base)
    assert base.sha256 in text
    assert base.revision in text
    assert read_licence(folder) == "apache-2.0"


def test_loss_that_is_no_number_stops(tmp_path: Path) -> None:
    """When the loss is no longer a number training stops with the epoch, the step and what to do."""
    base = write_tiny_base(tmp_path / "tiny")
    with refused("loss-not-finite") as caught:
        train(base, "full", learning_rate=1e30, n_epochs=5)
    assert "learning_rate" in caught.value.do


def test_reference_comes_back(tmp_path: Path) -> None:
    """The training rows' features come back in float32, to half precision, with their classes, and their keys as a set."""
    features = np.random.default_rng(0).normal(0, 1, (6, 4)).astype(np.float32)
    save_reference(tmp_path, features, ["b", "a", "b", "a", "c", "c"], ["k2", "k1", "k2", "k3", "k4", "k5"])
    (tmp_path / "graft.json").write_text('{"labels": ["a", "b", "c"]}')
    read, labels = load_reference(tmp_path)
    assert labels.tolist() == ["b", "a", "b", "a", "c", "c"]
    assert read.dtype == np.float32
    assert read == pytest.approx(features, rel=1e-3)
    assert load_trained_on(tmp_path) == {"k1", "k2", "k3", "k4", "k5"}


def test_what_is_no_model_is_refused(tiny_base: Path, tmp_path: Path) -> None:
    """A folder without an encoder is bad input; a head that does not fit its labels is tampering."""
    with refused("not-an-encoder"):
        embed(tmp_path, ["a"], max_tokens=8)
    folder = save(train(tiny_base, "head"), tmp_path / "model", tiny_base)
    settings = (folder / "graft.json").read_text()
    (folder / "graft.json").write_text(settings.replace('"account",', ""))
    with pytest.raises(TamperError, match="another number of classes"):
        load_model(folder)
