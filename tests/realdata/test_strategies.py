"""Every strategy on the pretrained base: messages of ten intents, twenty of each to learn from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from graft.data import read_table
from graft.model.auto import choose
from graft.model.classifier import predict
from graft.model.encoder import embed, load_encoder
from graft.model.examples import Examples
from graft.model.finetune import finetune
from graft.model.layers import Cut
from graft.recipe import Finetune

pytestmark = [pytest.mark.realdata, pytest.mark.slow]

FACTS = {"modality": "text", "C": 10.0, "max_tokens": 64}
N_CLASSES, N_TRAIN, N_TEST = 10, 20, 30


@pytest.fixture(scope="module")
def sides(shared_data: Path, minilm: Path) -> tuple[Examples, Examples]:
    """Training and test rows of the ten classes that come first in the alphabet."""
    folder = shared_data / "text" / "banking77"
    if not folder.is_dir():
        pytest.skip(f"shared data absent: {folder}")
    made = []
    for name, n_rows in (("train.csv", N_TRAIN), ("test.csv", N_TEST)):
        table = read_table(folder / name, ["text", "category"])
        few = table[table["category"].isin(sorted(set(table["category"]))[:N_CLASSES])].groupby("category").head(n_rows)
        texts = few["text"].tolist()
        features, _ = embed(minilm, texts, modality="text", max_tokens=64)
        made.append(Examples(texts, features, few["category"].to_numpy(dtype=str)))
    return made[0], made[1]


def strategy_settings(strategy: str, **changed: object) -> Finetune:
    quick = {"n_epochs": 3, "batch_size": 32, "learning_rate": 1e-4, "seed": 17}
    return Finetune.model_validate({"strategy": strategy, **quick, **changed})


@pytest.mark.parametrize("strategy", ["head", "top_k", "lora", "full", "contrastive"])
def test_each_strategy(minilm: Path, sides: tuple[Examples, Examples], strategy: str) -> None:
    """Each learns its rows and recognises at least nine in ten of unseen messages; the loss, where there is one, falls."""
    train, test = sides
    settings = strategy_settings(strategy, **({"learning_rate": 1e-3} if strategy == "lora" else {}))
    classifier = finetune(minilm, train, settings, **FACTS)
    for one, least in ((train, 0.95), (test, 0.9)):
        hits = np.array(classifier.labels)[predict(classifier, one.contents).argmax(axis=1)] == one.labels
        assert hits.mean() >= least
    assert strategy == "head" or classifier.loss[-1] < classifier.loss[0]


@pytest.mark.parametrize("n_layers", [1, 3, 5])
def test_the_pretrained_base_is_cut_anywhere(minilm: Path, sides: tuple[Examples, Examples], n_layers: int) -> None:
    """Wherever it is cut, features are those of the whole network, to 1e-5."""
    encoder = load_encoder(minilm, "text", max_tokens=64)
    items = encoder.prepare(sides[1].contents[:64])[0]
    cut = Cut(encoder, n_layers)
    kept, _ = cut.prepare(items)
    with_cut = cut.pool(cut.collate(kept)).detach().cpu().numpy()
    assert np.abs(with_cut - sides[1].features[:64]).max() < 1e-5


def test_auto(minilm: Path, sides: tuple[Examples, Examples]) -> None:
    """Under a budget for some of the trials, the choice is the same twice, and the head where it is as good."""
    train, test = sides
    choice = choose(minilm, train, strategy_settings("auto", budget=1.0), **FACTS)
    assert choice == choose(minilm, train, strategy_settings("auto", budget=1.0), **FACTS)
    assert choice.trials[0].name == "head"
    assert any(trial.accuracy is None for trial in choice.trials)
    classifier = finetune(minilm, train, choice.config, **FACTS)
    hits = np.array(classifier.labels)[predict(classifier, test.contents).argmax(axis=1)] == test.labels
    assert hits.mean() >= 0.9
