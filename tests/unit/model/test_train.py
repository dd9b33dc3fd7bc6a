"""The training loop and what surrounds it: each setting does what the recipe says of it."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import graft.model.train
from graft.errors import InputError, StepError
from graft.model.checkpoint import Checkpoint
from graft.model.classifier import Classifier, fit_head, predict
from graft.model.contrastive import contrast, paired_epochs
from graft.model.encoder import embed, load_encoder
from graft.model.examples import Examples, hold_out, one_hot
from graft.model.finetune import finetune
from graft.model.train import Rows, Training, cross_entropy, measure, shuffled
from graft.records import digest_folder
from tests.support.slow_cases import slow
from tests.support.tiny_models import finetune_settings, without_dropout, write_tiny_base, write_tiny_image_base
from tests.unit.model.test_image_model import Digits
from tests.unit.model.test_text_model import messages

STRATEGIES = ["head", "top_k", "lora", "full", "contrastive"]
TUNED = ["full", *slow("top_k", "lora", "contrastive")]
Train = Callable[..., Classifier]


@pytest.fixture(scope="module")
def base_without_dropout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny base without dropout."""
    return without_dropout(write_tiny_base(tmp_path_factory.mktemp("bases") / "still"))


@pytest.fixture(scope="module")
def examples(base_without_dropout: Path) -> Examples:
    """Texts of four classes, eight of each."""
    texts, labels = messages(4)
    return Examples(
        texts,
        embed(base_without_dropout, texts, modality="text", max_tokens=32)[0],
        labels,
        [f"row {k}" for k in range(32)],
    )


@pytest.fixture(scope="module")
def train(base_without_dropout: Path, examples: Examples) -> Train:
    def run(examples: Examples = examples, checkpoint: Checkpoint | None = None, **changed: object) -> Classifier:
        how = finetune_settings(**{"n_layers": 1, **changed})
        return finetune(
            base_without_dropout, examples, how, modality="text", C=10.0, max_tokens=32, checkpoint=checkpoint
        )

    return run


def weights(classifier: Classifier) -> dict[str, torch.Tensor]:
    head = {"head.weight": classifier.weight, "head.bias": classifier.bias}
    return {name: t.clone() for name, t in (classifier.encoder.network.state_dict() | head).items()}


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(tensor, other[name]) for name, tensor in one.items())


@pytest.mark.parametrize("strategy", TUNED)
def test_alpha_at_its_ends(train: Train, strategy: str) -> None:
    """At 0 encoder and head are those of the base and its probe, at 1 the tuned ones, bit for bit; between, neither."""
    base, tuned = weights(train(strategy="head")), weights(train(strategy=strategy))
    keys = {"strategy": strategy}
    assert equal(weights(train(**keys, interpolation=0.0)), base)
    assert equal(weights(train(**keys, interpolation=1.0)), tuned)
    half = weights(train(**keys, interpolation=0.5))
    moved = {name for name in base if not torch.equal(base[name], tuned[name])}
    assert "head.weight" in moved
    assert len(moved) > 5
    for name in base:
        assert torch.allclose(half[name], (base[name] + tuned[name]) / 2, atol=1e-6)


def test_alpha_is_chosen_on_held_out_rows(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    """``auto`` scores accuracy and closeness to the base on held-out rows: scored by closeness alone, it is the base."""
    chosen = train(interpolation="auto", held_out=0.25)
    assert chosen.alpha in (0.0, 0.25, 0.5, 0.75, 1.0)
    monkeypatch.setattr("graft.model.finetune.KEEP", 1.0)
    at_base = train(interpolation="auto", held_out=0.25)
    assert at_base.alpha == 0.0
    assert equal(weights(at_base), weights(train(interpolation=0.0, held_out=0.25)))


def test_training_begins_at_the_probe(train: Train, base_without_dropout: Path, examples: Examples) -> None:
    """The loss that training begins with is the fitted head's, and below that of a head drawn at random."""
    encoder = load_encoder(base_without_dropout, "text", max_tokens=32)
    start = train(strategy="head")
    rows = Rows(encoder.prepare(examples.contents)[0], one_hot(examples.labels, start.labels), torch.ones(32))
    head = torch.nn.Linear(32, 4)
    at_random = measure(encoder, head, rows)[0]
    head.load_state_dict({"weight": start.weight, "bias": start.bias})
    at_probe, accuracy = measure(encoder, head, rows)
    scores = predict(start, examples.contents)
    codes = rows.shares.argmax(dim=1).numpy()
    assert at_probe == pytest.approx(-np.log(scores[np.arange(32), codes]).mean(), abs=1e-5)
    assert accuracy == pytest.approx((scores.argmax(axis=1) == codes).mean())
    assert train(n_epochs=1, learning_rate=1e-12).loss[0] == pytest.approx(at_probe, abs=1e-5)
    assert at_probe < at_random


@pytest.mark.parametrize(("smoothing", "classes"), [(0.0, "none"), (0.3, "none"), (0.0, "balanced"), (0.3, "balanced")])
def test_the_loss_is_what_it_says(train: Train, examples: Examples, smoothing: float, classes: str) -> None:
    """Weighted, smoothed cross-entropy, computed by hand from the probe's predictions on rows of unlike classes."""
    few = examples.take(np.array([*range(8), *range(8, 11), *range(16, 18)]))
    n = np.array([8] * 8 + [3] * 3 + [2] * 2)
    row_weights = 13 / (3 * n) if classes == "balanced" else np.ones(13)
    keys = {"label_smoothing": smoothing, "class_weights": classes}
    scores = predict(train(few, strategy="head", class_weights=classes), few.contents)
    labels = sorted(set(few.labels))
    wanted = np.eye(3)[[labels.index(label) for label in few.labels]] * (1 - smoothing) + smoothing / 3
    expected = (row_weights * -(wanted * np.log(scores)).sum(axis=1)).mean()
    assert row_weights.mean() == pytest.approx(1)
    assert train(few, n_epochs=1, learning_rate=1e-12, **keys).loss[0] == pytest.approx(expected, abs=1e-5)


def test_balanced_classes_help_the_rare_one(train: Train, examples: Examples) -> None:
    """With balanced class weights the head, too, thinks more of a class that has one row in nine."""
    few = examples.take(np.arange(9))
    plain, balanced = (
        predict(train(few, strategy="head", class_weights=one), few.contents) for one in ("none", "balanced")
    )
    rare = sorted(set(few.labels)).index(few.labels[8])
    assert balanced[:, rare].mean() > plain[:, rare].mean() + 0.1


@pytest.mark.parametrize("strategy", ["full", "lora", "top_k"])
def test_rates_of_layers(
    base_without_dropout: Path, examples: Examples, monkeypatch: pytest.MonkeyPatch, strategy: str
) -> None:
    """The head learns at the recipe's rate, the last layer at half of it, the one before at a quarter, and so on down."""
    rates: dict[str, float] = {}

    class Told(Training):
        def __post_init__(self) -> None:
            super().__post_init__()
            names = {id(p): name for name, p in self._moving.items()}
            rates.update(
                (names[id(p)], group["peak"]) for group in self._optimizer.param_groups for p in group["params"]
            )

    monkeypatch.setattr("graft.model.finetune.Training", Told)
    how = finetune_settings(strategy=strategy, n_layers=1, layer_decay=0.5, learning_rate=0.08, n_epochs=1)
    finetune(base_without_dropout, examples, how, modality="text", C=10.0, max_tokens=32)
    assert rates.pop("head.weight") == rates.pop("head.bias") == 0.08
    found = {(name.split(".")[0], *re.findall(r"layer\.(\d)\.", name), rate) for name, rate in rates.items()}
    last, first, before = ("encoder", "1", 0.04), ("encoder", "0", 0.02), ("embeddings", 0.01)
    behind_a_cut = ("encoder", "0", 0.04)
    assert found == {"full": {last, first, before}, "lora": {last, first}, "top_k": {behind_a_cut}}[strategy]


def test_the_schedule() -> None:
    """Up over the first tenth of the steps, then down in a straight line, never zero before the end."""
    rates = [graft.model.train._linear(step, 100) for step in range(100)]
    assert rates[:10] == pytest.approx([(k + 1) / 10 for k in range(10)])
    assert rates[10:] == pytest.approx([(100 - k) / 90 for k in range(10, 100)])
    assert [graft.model.train._linear(step, 1) for step in range(1)] == [1.0]


def test_early_stop(base_without_dropout: Path, examples: Examples) -> None:
    """Training stops so many epochs after the best on held-out rows, with the weights of the best epoch."""
    encoder = load_encoder(base_without_dropout, "text", max_tokens=32)
    items = encoder.prepare(examples.contents)[0]
    wanted = one_hot(examples.labels, tuple(sorted(set(examples.labels))))
    upside_down = wanted[torch.arange(31, -1, -1)]  # what is learned is wrong there, after a while
    start = fit_head(encoder, examples.features, examples.labels, C=1e-3)
    head = torch.nn.Linear(32, 4)
    head.load_state_dict({"weight": start.weight, "bias": start.bias})
    held_out = Rows(items, 0.7 * upside_down + 0.3 * wanted, torch.ones(32))
    trained = {name: p for name, p in encoder.network.named_parameters() if not name.startswith("pooler")}
    rows = Rows(items, wanted, torch.ones(32))
    how = finetune_settings(n_epochs=30, patience=3, held_out=0.1, learning_rate=3e-3)
    stand = Training(encoder, head, rows, how, trained, held_out=held_out).run()
    losses = [loss for loss, _ in stand.held_out]
    best = losses.index(min(losses))
    assert len(losses) == len(stand.losses) == best + 1 + 3 < 30
    assert measure(encoder, head, held_out)[0] == pytest.approx(min(losses), abs=1e-6)
    assert losses[-1] > min(losses) + 1e-3


@pytest.mark.parametrize("strategy", ["full", "lora", "top_k"])
def test_memory_for_time(
    base_without_dropout: Path, examples: Examples, strategy: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Gradient checkpointing changes no loss and no file, and says nothing to the person."""
    ends = []
    for is_on in (False, True):
        how = finetune_settings(strategy=strategy, n_layers=1, gradient_checkpointing=is_on)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            ends.append(finetune(base_without_dropout, examples, how, modality="text", C=10.0, max_tokens=32))
        assert [str(one.message) for one in said if "checkpoint" in str(one.message)] == []
    assert ends[0].loss == pytest.approx(ends[1].loss, abs=1e-5)
    assert all(torch.allclose(t, weights(ends[1])[name], atol=1e-5) for name, t in weights(ends[0]).items())
    assert capfd.readouterr() == ("", "")
    assert ends[0].encoder.network.config.to_dict() == ends[1].encoder.network.config.to_dict()


def test_memory_for_time_where_it_is_not_known(tiny_image_base: Path, digits: Digits) -> None:
    """A network that keeps all activations whatever one asks is refused with the key to change."""
    features, _ = embed(tiny_image_base, digits[0][:20], modality="image", max_tokens=0)
    some = Examples(digits[0][:20], features, digits[1][:20])
    with pytest.raises(InputError, match="ResNetModel knows no gradient checkpointing"):
        finetune(
            tiny_image_base, some, finetune_settings(gradient_checkpointing=True), modality="image", C=1.0, max_tokens=0
        )


@pytest.mark.parametrize("strategy", TUNED)
def test_half_the_bits_learn(train: Train, strategy: str) -> None:
    """In bf16 the weights that come out are float32, not those of fp32, and the loss falls as it does there."""
    keys = {"strategy": strategy, "n_epochs": 4, "learning_rate": 3e-3}
    half, whole = train(**keys, precision="bf16"), train(**keys)
    assert all(t.dtype != torch.bfloat16 for t in weights(half).values())
    assert not equal(weights(half), weights(whole))
    assert half.loss[-1] < half.loss[0]
    assert half.loss == pytest.approx(whole.loss, abs=0.1)


@pytest.mark.parametrize("key", ["augment", "mixup", "l2_sp", "label_smoothing", "layer_decay"])
def test_each_key_does_something_and_learns(train: Train, key: str) -> None:
    """Each key changes what comes out, twice the same, and the loss still falls."""
    value = {"augment": 0.2, "mixup": 0.4, "l2_sp": 1.0, "label_smoothing": 0.1, "layer_decay": 0.7}[key]
    keys = {"n_epochs": 3, "learning_rate": 3e-3}
    changed = train(**keys, **{key: value})
    assert equal(weights(changed), weights(train(**keys, **{key: value})))
    assert not equal(weights(changed), weights(train(**keys)))
    assert changed.loss[-1] < changed.loss[0]


def test_pull_to_the_base(train: Train) -> None:
    """The stronger the pull, the nearer the weights stay to the base; at its strongest they do not move."""
    base = weights(train(strategy="head"))
    ways = []
    for pull in (0.0, 30.0, 1e9):
        end = weights(train(l2_sp=pull, learning_rate=3e-3))
        ways.append(sum(float((end[name] - base[name]).norm()) for name in base if name.startswith("encoder")))
    assert ways[0] > 1.2 * ways[1]
    assert ways[1] > 0
    assert ways[2] == 0


def scripted(base_without_dropout: Path, examples: Examples, loss_of: Any) -> tuple[Training, torch.nn.Linear]:
    encoder = load_encoder(base_without_dropout, "text", max_tokens=32)
    rows = Rows(encoder.prepare(examples.contents)[0], one_hot(examples.labels, tuple(sorted(set(examples.labels)))),
                torch.ones(32), examples.names)  # fmt: skip
    head = torch.nn.Linear(32, 4)
    trained = {name: p for name, p in encoder.network.named_parameters() if not name.startswith("pooler")}
    return Training(encoder, head, rows, finetune_settings(), trained, loss_of=loss_of), head


@pytest.mark.parametrize("kind", ["loss", "slope"])
def test_a_step_that_would_break_the_weights_is_not_taken(
    base_without_dropout: Path, examples: Examples, tmp_path: Path, kind: str
) -> None:
    """Where loss or gradient is no number, training says step and rows, and weights and last checkpoint are those before."""
    n_steps = 0

    def breaks(features: torch.Tensor, logits: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
        nonlocal n_steps
        n_steps += 1
        losses = cross_entropy(features, logits, shares)
        if n_steps < 6:
            return losses
        return losses * torch.nan if kind == "loss" else losses + (logits * 0).sum(dim=1).sqrt()

    training, head = scripted(base_without_dropout, examples, breaks)
    kept = Checkpoint(tmp_path / "c" / "finetune.safetensors", "k", clock=lambda: 0.0, seconds=0.0)
    with pytest.raises(StepError, match=r"no longer a number in epoch 2, step 6 of 12") as said:
        training.run(kept)
    assert said.value.where.startswith("8 rows: row ")
    assert all(torch.isfinite(p).all() for p in (head.weight, *training.trained.values()))
    again, _ = scripted(base_without_dropout, examples, cross_entropy)
    notes: list[str] = []
    stand = again.run(kept, lambda _done, _total, note: notes.append(note))
    assert notes[0] == "goes on after step 5"
    assert math.isfinite(stand.losses[-1])


def test_contrast_against_its_formula() -> None:
    """Equation 2 of the source by hand; a row alone in its class has no loss, and its gradient is a number."""
    rng = np.random.default_rng(0)
    points = rng.normal(0, 1, (7, 5))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    codes = np.array([0, 0, 0, 1, 1, 2, 3])
    expected = np.zeros(7)
    for i in range(7):
        others = [j for j in range(7) if j != i]
        total = np.log(sum(np.exp(points[i] @ points[j] / 0.1) for j in others))
        mates = [j for j in others if codes[j] == codes[i]]
        expected[i] = -np.mean([points[i] @ points[j] / 0.1 - total for j in mates]) if mates else 0
    features = torch.tensor(points, dtype=torch.float32, requires_grad=True)
    losses = contrast(features, torch.zeros(7, 4), torch.eye(4)[codes])
    assert losses.detach().numpy() == pytest.approx(expected, abs=1e-4)
    losses.sum().backward()  # type: ignore[no-untyped-call]
    assert torch.isfinite(features.grad).all()


@pytest.mark.parametrize("size", [1, 4, 5, 100])
def test_pairs(size: int) -> None:
    """Every row stands in each epoch, beside one of its class; batches are no larger than asked, but for a pair."""
    labels = np.array([0] * 7 + [1] * 4 + [2])
    epochs = paired_epochs(labels, list(range(12)), size, 3, seed=1)
    assert len(epochs) == 3
    for epoch in epochs:
        assert set(np.concatenate(epoch)) == set(range(12))
        for batch in epoch:
            assert len(batch) <= max(2, size)
            assert (labels[batch[::2]] == labels[batch[1::2]]).all()
    assert not np.array_equal(np.concatenate(epochs[0]), np.concatenate(epochs[1]))


def test_batches_have_another_company_in_each_epoch() -> None:
    """Every row once; lengths in a batch lie near one another; rows of one length, sorted by class in the file, are mixed."""
    places, rng = np.repeat([10, 40], 64), np.random.default_rng(0)
    first, second = shuffled(places, 16, rng), shuffled(places, 16, rng)
    for epoch in (first, second):
        assert sorted(np.concatenate(epoch)) == list(range(128))
        assert all(len(set(places[batch])) == 1 for batch in epoch)
        assert all(np.ptp(batch) > 32 for batch in epoch), "neighbours of the file stand together"
    assert {frozenset(batch) for batch in first}.isdisjoint(frozenset(batch) for batch in second)
    assert any(len(set(places[batch])) == 2 for batch in shuffled(places, 16, rng, jitter=9.0))
    assert max(len(batch) for batch in shuffled([0] * 20, 16, rng)) == 16


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_one_row_a_class(train: Train, examples: Examples, strategy: str) -> None:
    """With one row of each class every strategy trains; with nothing to hold out, the sentence names the key."""
    few = examples.take(np.arange(0, 32, 8))
    scores = predict(train(few, strategy=strategy), few.contents)
    assert np.isfinite(scores).all()
    with pytest.raises(InputError, match=r"finetune.held_out 0.2 holds out no row: every class has too few"):
        train(few, strategy=strategy, held_out=0.2)


def test_what_is_held_out(examples: Examples) -> None:
    """The share of each class, never its last row, never a row without a label, twice the same, by the seed."""
    labels = np.array(["a"] * 10 + ["b"] * 20 + ["c"] + [""] * 1)
    some = Examples(examples.contents, examples.features, labels, examples.names)
    train, held_out = hold_out(some, finetune_settings(held_out=0.3))
    assert held_out is not None
    assert sorted(held_out.labels) == ["a"] * 3 + ["b"] * 6
    assert sorted([*train.names, *held_out.names]) == sorted(examples.names)
    assert set(train.labels) == {"a", "b", "c", ""}
    assert hold_out(some, finetune_settings(held_out=0.3))[1].names == held_out.names
    assert hold_out(some, finetune_settings(held_out=0.3, seed=6))[1].names != held_out.names


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_unlabelled_rows_are_learned_from(train: Train, examples: Examples, strategy: str) -> None:
    """Rows without a label get those of their neighbours; classes stay those that are known."""
    labels = examples.labels.copy()
    labels[np.arange(32) % 8 > 1] = ""
    some = Examples(examples.contents, examples.features, labels)
    classifier = train(some, strategy=strategy, class_weights="balanced")
    assert classifier.labels == tuple(sorted(set(examples.labels)))
    hits = np.array(classifier.labels)[predict(classifier, examples.contents).argmax(axis=1)] == examples.labels
    assert hits.mean() > 0.7


def test_a_thousand_classes(base_without_dropout: Path) -> None:
    """A thousand classes of two rows each are trained on in a few steps."""
    rng = np.random.default_rng(0)
    words = ["red", "blue", "cat", "dog", "car", "tree", "money", "card", "order", "bill"]
    texts = [" ".join(words[int(digit)] for digit in f"{k // 2:03d}") for k in range(2000)]
    features = rng.normal(0, 1, (2000, 32)).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    some = Examples(texts, features, np.array([f"class {k // 2}" for k in range(2000)]))
    how = finetune_settings(strategy="top_k", n_layers=1, n_epochs=1, batch_size=512)
    classifier = finetune(base_without_dropout, some, how, modality="text", C=1e-6, max_tokens=16)
    assert len(classifier.labels) == 1000
    assert predict(classifier, texts[:4]).shape == (4, 1000)


def test_contrast_keeps_no_epoch_by_a_head_that_is_not_its_own(train: Train) -> None:
    """Held-out rows of a contrastive training measure nothing on the way: its head is fitted at the end."""
    assert train(strategy="contrastive", held_out=0.2).held_out == ()
    with pytest.raises(ValueError, match="no patience"):
        finetune_settings(strategy="contrastive", held_out=0.2, patience=1)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_on_a_gpu(tmp_path: Path, digits: Digits, strategy: str, precision: str) -> None:
    """Where there is a GPU the network is on it, whatever is done, and what is saved is loaded again."""
    from tests.unit.model.test_image_model import save

    base = write_tiny_image_base(tmp_path / "vit", architecture="vit")
    features, _ = embed(base, digits[0][:40], modality="image", max_tokens=0)
    how = finetune_settings(strategy=strategy, n_layers=1, precision=precision, held_out=0.2, interpolation="auto")
    kept = Checkpoint(tmp_path / "c" / "finetune.safetensors", "k", clock=lambda: 0.0, seconds=0.0)
    some = Examples(digits[0][:40], features, digits[1][:40])
    for _ in range(2):
        classifier = finetune(base, some, how, modality="image", C=1.0, max_tokens=0, checkpoint=kept)
        assert next(classifier.encoder.network.parameters()).is_cuda
    assert predict(classifier, digits[0][:4]).shape[0] == 4
    assert digest_folder(save(classifier, tmp_path / "model", base))
