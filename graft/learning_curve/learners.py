"""The ways to learn that a curve compares: each from some of the training rows to something that says what other rows are.

What an arm needs of the base's features it computes anew, so that its time holds all that it takes from rows to a classifier.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from graft.errors import StepError
from graft.model.budget import ALONE
from graft.model.classifier import Classifier, predict
from graft.model.encoder import Progress, embed, embed_items, load_encoder
from graft.model.examples import Examples
from graft.model.finetune import finetune
from graft.model.scratch import epochs_from_scratch, fit_scratch, train_from_scratch, tune_scratch
from graft.recipe import Finetune
from graft.rows import NO_LABEL
from graft.stats.probe import GRID, choose_C, fit_probe

Labels = npt.NDArray[np.str_]
Rows = npt.NDArray[np.int_]
Predict = Callable[[Examples], Labels]
C_UNTUNED = GRID[1]
"""Inverse penalty of a probe on one row of each class, which leaves nothing to choose by."""


class Learned(NamedTuple):
    """What an arm learned: labels for examples, and the settings that it chose by cross-validation on its training rows."""

    predict: Predict
    chosen: dict[str, float]


@dataclass(frozen=True, eq=False)
class ArmInputs:
    """What all arms share.

    Args:
        folder: the base.
        how: how transfer trains; the strategy is not ``auto``.
        n_folds, max_rows: folds, and rows at most, by which C is chosen.
        train: every row that a draw may take, with the base's features.
        unlabelled: rows that only transfer may learn from; None: nor may it, and rows beyond a draw's are left alone.
        test: the rows that are predicted.
    """

    folder: Path
    modality: str
    max_tokens: int
    config: Finetune
    n_folds: int
    max_rows: int
    train: Examples
    unlabelled: Examples | None
    test: Examples

    def embed(self, rows: Examples) -> npt.NDArray[np.float32]:
        """Return the base's features of rows, computed now."""
        return embed(self.folder, rows.contents, modality=self.modality, max_tokens=self.max_tokens)[0]


def transfer(bench: ArmInputs, order: Rows, n: int, draw: int, progress: Progress) -> Learned:
    """Fine-tune the base on the first n rows of an order as the recipe does, with another seed for each draw.

    Rows held out by the recipe's settings are trained on where a class has too few to hold one out.
    """
    rows = bench.train.take(order[:n])
    C = _choose(bench, features := bench.embed(rows), rows.labels, draw)
    examples = replace(rows, features=features)
    if bench.unlabelled is not None:
        others = _joined(bench.train.take(order[n:]), bench.unlabelled)
        others = replace(others, features=bench.embed(others), labels=np.full(len(others.labels), NO_LABEL))
        examples = _joined(examples, others)
    config = bench.config.model_copy(update={"seed": bench.config.seed + draw})
    counts = np.unique(rows.labels, return_counts=True)[1]
    if config.held_out and not np.minimum(np.round(config.held_out * counts), counts - 1).any():
        config = config.model_copy(update=ALONE)
    tuned = finetune(
        bench.folder, examples, config, modality=bench.modality, C=C, max_tokens=bench.max_tokens, progress=progress
    )
    return Learned(_says(tuned), {"C": C})


def frozen_probe(bench: ArmInputs, order: Rows, n: int, draw: int, _progress: Progress) -> Learned:
    """Fit a head on frozen features of the first n rows of an order."""
    rows = bench.train.take(order[:n])
    return _probe(bench, bench.embed(rows), rows.labels, draw)


def shuffled_labels(bench: ArmInputs, order: Rows, n: int, draw: int, _progress: Progress) -> Learned:
    """Fit a head as ``frozen_probe`` does to labels that were dealt anew: what it gets right is chance, or a leak."""
    rows = bench.train.take(order[:n])
    rng = np.random.default_rng([n, draw])
    return _probe(bench, rows.features, rng.permutation(rows.labels), draw)


def random_encoder(bench: ArmInputs, order: Rows, n: int, draw: int, _progress: Progress) -> Learned:
    """Fit a head on features of the base's architecture with random weights: what the form alone knows."""
    train, test = _untaught(bench, draw)
    C = _choose(bench, train[order[:n]], bench.train.labels[order[:n]], draw)
    probe = fit_probe(train[order[:n]], bench.train.labels[order[:n]], C=C)
    return Learned(lambda _examples: np.asarray(probe.predict(test)), {"C": C})


def scratch(bench: ArmInputs, order: Rows, n: int, draw: int, _progress: Progress) -> Learned:
    """Fit the cheap model without pretraining to the first n rows of an order."""
    rows = bench.train.take(order[:n])
    some = rows.take(_to_choose_by(rows.labels, bench.max_rows, draw))
    C, chosen = None, dict[str, float]()
    if len(np.unique(some.labels)) > 1:
        C = tune_scratch(some.contents, some.labels, modality=bench.modality, n_folds=bench.n_folds, seed=draw)
        chosen = {"C": C}
    model = fit_scratch(rows.contents, rows.labels, modality=bench.modality, C=C)
    return Learned(lambda examples: np.asarray(model.predict(examples.contents)), chosen)


def scratch_network(
    bench: ArmInputs, order: Rows, n: int, draw: int, progress: Progress, *, learning_rate: float
) -> Learned:
    """Train the base's architecture from random weights on the first n rows of an order.

    A training whose loss is no longer a number has learned nothing: it gets no row right.
    """
    rows = bench.train.take(order[:n])
    config = Finetune(
        strategy="full",
        n_epochs=epochs_from_scratch(n),
        batch_size=bench.config.batch_size,
        learning_rate=learning_rate,
        seed=bench.config.seed + draw,
        precision=bench.config.precision,
    )
    chosen = {"learning_rate": learning_rate, "n_epochs": config.n_epochs}
    try:
        trained = train_from_scratch(
            bench.folder, rows.contents, rows.labels, config,
            modality=bench.modality, max_tokens=bench.max_tokens, names=rows.names, progress=progress,
        )  # fmt: skip
    except StepError:
        return Learned(lambda examples: np.full(len(examples.labels), NO_LABEL), chosen)
    return Learned(_says(trained), chosen)


def _probe(bench: ArmInputs, features: npt.NDArray[np.float32], labels: Labels, draw: int) -> Learned:
    C = _choose(bench, features, labels, draw)
    probe = fit_probe(features, labels, C=C)
    return Learned(lambda examples: np.asarray(probe.predict(examples.features)), {"C": C})


def _choose(bench: ArmInputs, features: npt.NDArray[np.float32], labels: Labels, draw: int) -> float:
    """Return the C of a head, chosen on training rows as far as there are two of a class."""
    rows = _to_choose_by(labels, bench.max_rows, draw)
    if len(np.unique(labels[rows])) < 2:
        return C_UNTUNED
    return choose_C(features[rows], labels[rows], n_folds=bench.n_folds, seed=draw)[0]


def _to_choose_by(labels: Labels, max_rows: int, draw: int) -> Rows:
    """Return at most so many rows, of classes that have at least two of them."""
    rng = np.random.default_rng(draw)
    rows = np.sort(rng.permutation(len(labels))[:max_rows])
    classes, counts = np.unique(labels[rows], return_counts=True)
    return np.asarray(rows[np.isin(labels[rows], classes[counts >= 2])])


@functools.lru_cache(maxsize=1)
def _untaught(bench: ArmInputs, seed: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return the features that random weights make of all training and all test rows; those of one seed are kept.

    Random features share a large mean. It is taken off, and every direction counts alike, with rows of norm one on average as the
    penalties that are tried assume: the placebo is the stronger for it, .66 against .61 with 26 rows a class of banking77.
    """
    encoder = load_encoder(bench.folder, bench.modality, max_tokens=bench.max_tokens).untrained(seed)

    def features(rows: Examples) -> Any:
        return embed_items(encoder, encoder.prepare(rows.contents)[0]).numpy()

    train, test = features(bench.train), features(bench.test)
    scale = np.maximum(train.std(axis=0), 1e-6) * np.sqrt(train.shape[1], dtype=np.float32)
    return (train - train.mean(axis=0)) / scale, (test - train.mean(axis=0)) / scale


def _joined(first: Examples, second: Examples) -> Examples:
    return Examples(
        [*first.contents, *second.contents],
        np.concatenate([first.features, second.features]),
        np.concatenate([first.labels, second.labels]),
        [*first.names, *second.names],
    )


def _says(classifier: Classifier) -> Predict:
    labels = np.array(classifier.labels)
    return lambda examples: np.asarray(labels[predict(classifier, examples.contents).argmax(axis=1)])
