"""The bundled dataset keeps what its description promises."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from graft.data import Part, place_rows, read_table
from graft.modality.text.normalize import content_key
from graft.modality.text.oddities import N_DAMAGE, describe_texts
from graft.model.encoder import embed
from graft.model.scratch import fit_scratch
from graft.recipe import load_recipe
from graft.rows import SIDES
from graft.stats import choose_C, fit_probe

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "data" / "datasets" / "support"
COLUMNS = ["message_id", "received_at", "customer_id", "channel", "variety", "product", "text", "intent"]


def n_damaged(texts: pd.Series) -> int:
    flags = describe_texts(pa.array(texts, type=pa.string()))["flags"]
    return int((flags % 2**N_DAMAGE > 0).sum())


def table(name: str) -> pd.DataFrame:
    return read_table(FOLDER / name, COLUMNS)


@pytest.fixture(scope="module")
def messages(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """The messages with the side that the recipe puts them on."""
    data = load_recipe(ROOT / "recipes" / "support.yaml")[0].data
    folder = tmp_path_factory.mktemp("placed")
    placed = place_rows([Part(FOLDER / data.train, "train")], data, {}, folder, lambda *_: None)
    keys = [f"{key:016x}" for key in placed.gathered.index["key"].tolist()]
    sides = [SIDES[code] for code in placed.sides.side]
    return table(data.train).assign(key=keys, side=sides, label=lambda rows: rows[data.label])


@pytest.fixture(scope="module")
def features(messages: pd.DataFrame, minilm: Path) -> np.ndarray:
    return embed(minilm, messages["text"].tolist(), modality="text", max_tokens=128)[0]


def test_shape(messages: pd.DataFrame) -> None:
    """At least 900 messages, 10 to 12 intents, six months, unique ids, and every cell filled."""
    assert len(messages) >= 900
    assert 10 <= messages["intent"].nunique() <= 12
    assert messages["received_at"].str[:7].nunique() == 6
    assert messages["message_id"].is_unique
    assert (messages[COLUMNS] != "").all(axis=None)
    assert n_damaged(messages["text"]) == 0


def test_varieties_are_spread_evenly(messages: pd.DataFrame) -> None:
    """At least four varieties of English, each with the same share of every intent and 60 test rows or more."""
    counts = pd.crosstab(messages["intent"], messages["variety"])
    assert counts.shape[1] >= 4
    assert counts.max(axis=None) <= 1.2 * counts.min(axis=None)
    assert messages[messages["side"] == "test"]["variety"].value_counts().min() >= 60


def test_no_leak(messages: pd.DataFrame) -> None:
    """No message stands twice, and no customer lies on both sides."""
    assert messages["key"].is_unique
    assert messages.groupby("customer_id")["side"].nunique().max() == 1


def test_blind_relabels_agree(messages: pd.DataFrame) -> None:
    """A second reader, who saw only the text, gave the same intent to at least 90% of 150 messages."""
    second = read_table(FOLDER / "second_labels.csv", ["message_id", "intent"])
    both = second.merge(messages, on="message_id", suffixes=("_second", ""))
    assert len(both) == len(second) == 150
    assert (both["intent_second"] == both["intent"]).mean() >= 0.9


@pytest.mark.slow
def test_no_near_twins(features: np.ndarray) -> None:
    """No two messages lie at a cosine of 0.95 or more."""
    cosine = features @ features.T
    np.fill_diagonal(cosine, 0)
    assert cosine.max() < 0.95


@pytest.mark.slow
def test_transfer_has_something_to_give(messages: pd.DataFrame, features: np.ndarray) -> None:
    """Words alone stay below 90% on the test rows; the frozen base reaches 80% and is better than words."""
    on_train = (messages["side"] == "train").to_numpy()
    labels = messages["intent"].to_numpy(dtype=str)
    texts = messages["text"].to_numpy()
    scratch = fit_scratch(texts[on_train].tolist(), labels[on_train], modality="text").predict(texts[~on_train])
    C, _ = choose_C(features[on_train], labels[on_train], n_folds=5, seed=0)
    probe = fit_probe(features[on_train], labels[on_train], C=C).predict(features[~on_train])
    by_words, by_base = ((predicted == labels[~on_train]).mean() for predicted in (scratch, probe))
    assert by_words < 0.90
    assert by_base >= 0.80
    assert by_base > by_words


def test_broken_batch_is_broken(messages: pd.DataFrame) -> None:
    """The broken batch has damaged texts, repeats, missing labels and labels that nobody knows; the usual one has none."""
    known = set(messages["intent"])
    for name, is_broken in (("batch_broken.csv", True), ("batch_usual.csv", False)):
        batch = table(name)
        troubles = {
            "damaged": n_damaged(batch["text"]),
            "repeated": batch["text"].map(content_key).duplicated().sum(),
            "unlabelled": (batch["intent"] == "").sum(),
            "unknown": (~batch["intent"].isin({*known, ""})).sum(),
        }
        assert {trouble: n > 0 for trouble, n in troubles.items()} == dict.fromkeys(troubles, is_broken)


def test_shifted_batch_has_the_new_product(messages: pd.DataFrame) -> None:
    """The shifted batch is about a product that no message knew, in at least a third of its rows; the usual one is not."""
    assert "home_alarm" not in set(messages["product"])
    assert (table("batch_shifted.csv")["product"] == "home_alarm").mean() > 1 / 3
    assert set(table("batch_usual.csv")["product"]) <= set(messages["product"])
    for name in ("batch_shifted.csv", "batch_usual.csv"):
        assert set(table(name)["intent"]) <= set(messages["intent"])
        assert not set(table(name)["message_id"]) & set(messages["message_id"])
