"""Embedding, fine-tuning, saving and predicting images, on tiny bases."""

from __future__ import annotations

import json
import shutil
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from graft.errors import InputError
from graft.modality.image import PROCESSOR
from graft.model.bases import describe_base
from graft.model.classifier import Classifier, fit_head, predict
from graft.model.encoder import batches, embed, load_encoder
from graft.model.examples import Examples
from graft.model.finetune import finetune
from graft.model.folder import card_for, load_model, save_model
from graft.records import digest_folder
from graft.stats import fit_probe
from tests.support.slow_cases import slow
from tests.support.tiny_models import finetune_settings, write_tiny_base, write_tiny_image_base

Digits = tuple[list[bytes], np.ndarray]
N, N_FEW = 200, 80


@pytest.fixture(scope="module", params=["resnet", *slow("vit")])
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base with convolutions and batch normalisation, and one of tokens."""
    return write_tiny_image_base(tmp_path_factory.mktemp("bases") / request.param, architecture=request.param)


def train(base: Path, strategy: str, digits: Digits, n: int = N_FEW, **changed: object) -> Classifier:
    contents, labels = digits[0][:n], digits[1][:n]
    features, n_cut = embed(base, contents, modality="image", max_tokens=0)
    assert n_cut == 0
    how = finetune_settings(
        **{"strategy": strategy, "n_layers": 1, "n_epochs": 2, "batch_size": 16, "learning_rate": 3e-3, **changed}
    )
    return finetune(base, Examples(contents, features, labels), how, modality="image", C=100.0, max_tokens=0)


def save(classifier: Classifier, folder: Path, base: Path) -> Path:
    card = card_for("post", describe_base("bases/tiny", base), "full", "digits", "d" * 64, N, len(classifier.labels))
    save_model(classifier, folder, card=card)
    return folder


def test_features_do_not_depend_on_the_other_images(base: Path, digits: Digits) -> None:
    """An image's features are of unit norm, and the same up to 1e-5 whatever its order, its batch and its neighbours."""
    contents = digits[0][:40]
    features, _ = embed(base, contents, modality="image", max_tokens=0)
    assert features.shape == (40, load_encoder(base, "image", max_tokens=0).dimension)
    assert features.dtype == np.float32
    assert np.linalg.norm(features, axis=1) == pytest.approx(np.ones(40), abs=1e-5)
    order = np.random.default_rng(0).permutation(40)
    shuffled, _ = embed(base, [contents[i] for i in order], modality="image", max_tokens=0, batch_size=7)
    assert np.abs(shuffled - features[order]).max() < 1e-5
    assert np.abs(features[0] - features[1]).max() > 1e-4


def test_features_are_those_of_the_published_way(base: Path, digits: Digits) -> None:
    """Features are the network's pooled maps or its tokens' mean, computed here by hand from the processor's pixels."""
    from PIL import Image

    encoder = load_encoder(base, "image", max_tokens=0)
    batch = encoder.collate(encoder.prepare(digits[0][:3])[0])
    assert batch["pixel_values"].shape == (3, 3, 32, 32)
    assert batch["pixel_values"].dtype == torch.float32
    pixels = np.asarray(Image.open(BytesIO(digits[0][0])).convert("RGB").resize((32, 32), Image.Resampling.BILINEAR))
    assert batch["pixel_values"][0].permute(1, 2, 0).numpy() == pytest.approx(pixels / 127.5 - 1, abs=1e-6)
    with torch.inference_mode():
        hidden = encoder.network(pixel_values=batch["pixel_values"]).last_hidden_state
        pooled = hidden.mean(dim=(2, 3)) if hidden.ndim == 4 else hidden.mean(dim=1)
        expected = (pooled / pooled.norm(dim=1, keepdim=True)).numpy()
        assert encoder.pool(batch).numpy() == pytest.approx(expected, abs=1e-6)


def test_head_is_the_probe(base: Path, digits: Digits) -> None:
    """A head gives scikit-learn's probabilities and leaves the encoder as it was."""
    contents, labels = digits[0][:N], digits[1][:N]
    features, _ = embed(base, contents, modality="image", max_tokens=0)
    classifier = train(base, "head", digits, N)
    probe = fit_probe(features, labels, C=100.0)
    assert predict(classifier, contents) == pytest.approx(probe.predict_proba(features), abs=1e-5)
    assert classifier.labels == tuple("0123456789")


@pytest.mark.slow
def test_full_training_learns(base: Path, digits: Digits) -> None:
    """Full training lowers the loss, and recognises more unseen digits than the head on random features does."""
    contents, labels = digits[0][N : 2 * N], digits[1][N : 2 * N]
    accuracies = []
    for strategy in ("head", "full"):
        classifier = train(base, strategy, digits, N, n_epochs=12)
        accuracies.append((np.array(classifier.labels)[predict(classifier, contents).argmax(axis=1)] == labels).mean())
    assert classifier.loss[-1] < 0.5 * classifier.loss[0]
    assert accuracies[1] > accuracies[0] + 0.05
    assert accuracies[1] > 0.5


def test_running_statistics_stay(tiny_image_base: Path, digits: Digits) -> None:
    """Full training changes convolutions and the scale of batch normalisation, but none of its running statistics."""
    before, after = (
        train(tiny_image_base, strategy, digits).encoder.network.state_dict() for strategy in ("head", "full")
    )
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    running = {name for name in before if "running_" in name or "num_batches" in name}
    assert running
    assert changed == set(before) - running


def test_a_pooler_that_is_not_used_is_not_trained(tmp_path: Path, digits: Digits) -> None:
    """The features of a vision transformer do not come from its pooler, which is neither trained nor counted."""
    base = write_tiny_image_base(tmp_path / "vit", architecture="vit")
    classifier = train(base, "full", digits)
    before = load_encoder(base, "image", max_tokens=0).network.state_dict()
    after = classifier.encoder.network.state_dict()
    assert {n for n in before if torch.equal(before[n], after[n])} == {"pooler.dense.weight", "pooler.dense.bias"}
    n_all = sum(p.numel() for name, p in classifier.encoder.network.named_parameters() if "pooler" not in name)
    assert classifier.n_trained_parameters == n_all + 10 * 33


@pytest.mark.parametrize("strategy", ["head", "full", *slow("top_k", "lora", "contrastive")])
def test_same_inputs_same_bytes(base: Path, tmp_path: Path, digits: Digits, strategy: str) -> None:
    """The same inputs give the same folder, byte for byte; another seed gives another model where a seed matters."""
    first, second = (digest_folder(save(train(base, strategy, digits), tmp_path / name, base)) for name in "ab")
    assert first == second
    if strategy == "full":
        other = digest_folder(save(train(base, strategy, digits, seed=6), tmp_path / "c", base))
        assert other[1] != first[1]


def test_rows_sorted_by_class_are_mixed(tiny_image_base: Path, digits: Digits) -> None:
    """A folder that is sorted by class gives batches of several classes, the same ones for any order of the rows."""
    encoder = load_encoder(tiny_image_base, "image", max_tokens=0)
    order = np.argsort(digits[1], kind="stable")
    items, _ = encoder.prepare([digits[0][i] for i in order])
    seen = [len(set(digits[1][order[rows]])) for rows in batches(encoder.batch_order(items), 16) if len(rows) == 16]
    assert min(seen) >= 4
    forwards = {frozenset(rows) for rows in batches(encoder.batch_order(encoder.prepare(digits[0])[0]), 16)}
    backwards = {frozenset(order[rows]) for rows in batches(encoder.batch_order(items), 16)}
    assert forwards == backwards


@pytest.mark.parametrize("strategy", ["head", "full", *slow("top_k", "lora", "contrastive")])
def test_a_saved_model_predicts_the_same(base: Path, tmp_path: Path, digits: Digits, strategy: str) -> None:
    """What is loaded predicts as what was saved did; the folder says its modality and holds safetensors alone."""
    classifier = train(base, strategy, digits)
    folder = save(classifier, tmp_path / "model", base)
    again = load_model(folder)
    contents = digits[0][N : N + 30]
    assert np.abs(predict(again, contents) - predict(classifier, contents)).max() < 1e-6
    names = {path.name for path in folder.rglob("*")}
    assert {"model.safetensors", "head.safetensors", "config.json", PROCESSOR, "graft.json", "README.md"} <= names
    assert not [name for name in names if name.endswith((".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt"))]
    settings = json.loads((folder / "graft.json").read_text())
    assert settings["modality"] == "image"
    assert "max_tokens" not in settings
    front = yaml.safe_load((folder / "README.md").read_text().split("---")[1])
    assert front["pipeline_tag"] == "image-classification"


def test_only_one_batch_is_decoded(tiny_image_base: Path, digits: Digits, monkeypatch: pytest.MonkeyPatch) -> None:
    """An image is decoded when its batch comes up, not before."""
    import graft.model.image as module

    opened: list[str] = []
    really = module.open_picture
    monkeypatch.setattr(module, "open_picture", lambda content, where: opened.append(where) or really(content, where))
    seen = []
    embed(
        tiny_image_base,
        digits[0][:20],
        modality="image",
        max_tokens=0,
        batch_size=5,
        progress=lambda done, total, note: seen.append((done, total, note, len(opened))),
    )
    assert seen == [(k, 20, "images", k) for k in (5, 10, 15, 20)]
    assert len(set(opened)) == 20


def test_an_image_that_cannot_be_read_is_named(tiny_image_base: Path, digits: Digits) -> None:
    """A damaged file among the rows stops embedding with its number."""
    with pytest.raises(InputError, match="damaged") as caught:
        embed(tiny_image_base, [*digits[0][:3], digits[0][3][:60]], modality="image", max_tokens=0)
    assert caught.value.where == "image 4"


def test_a_pooler_that_is_absent_does_not_matter(tmp_path: Path, digits: Digits) -> None:
    """Published vision transformers often lack the pooler: features are the same without it, and models the same bytes."""
    from safetensors.torch import load_file, save_file

    whole = write_tiny_image_base(tmp_path / "whole", architecture="vit")
    without = tmp_path / "without"
    shutil.copytree(whole, without)
    tensors = load_file(whole / "model.safetensors")
    kept = {name: tensor for name, tensor in tensors.items() if not name.startswith("pooler.")}
    assert len(kept) < len(tensors)
    save_file(kept, without / "model.safetensors", metadata={"format": "pt"})
    features = [embed(folder, digits[0][:9], modality="image", max_tokens=0)[0] for folder in (whole, without)]
    assert (features[0] == features[1]).all()
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)  # the absent weights are drawn, and not from here
        found.append(digest_folder(save(train(without, "full", digits), tmp_path / str(seed), without)))
    assert found[0] == found[1]


def test_no_modality_means_text(tmp_path: Path) -> None:
    """A model folder without a modality is one of texts, as all were before there were images."""
    base = write_tiny_base(tmp_path / "tiny")
    features = np.random.default_rng(0).normal(0, 1, (6, 32)).astype(np.float32)
    encoder = load_encoder(base, "text", max_tokens=16)
    classifier = fit_head(encoder, features, np.array(list("ababab")), C=1.0)
    folder = save(classifier, tmp_path / "model", base)
    assert "modality" not in json.loads((folder / "graft.json").read_text())
    assert load_model(folder).encoder.modality == "text"
