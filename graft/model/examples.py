"""Rows to learn from, and which of them are set aside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from graft.errors import InputError
from graft.model.encoder import Contents
from graft.recipe import Finetune
from graft.rows import NO_LABEL

Features = npt.NDArray[np.float32]
Labels = npt.NDArray[np.str_]


@dataclass(frozen=True)
class Examples:
    """Rows to learn from: contents, the base's features of them, shape (n, d), and labels, "" for none.

    ``names`` are what people call them.
    """

    contents: Contents
    features: Features
    labels: Labels
    names: Sequence[str] = ()

    def take(self, rows: npt.NDArray[np.int_]) -> Examples:
        """Return some of the rows."""
        names = [self.names[i] for i in rows] if self.names else ()
        return Examples([self.contents[i] for i in rows], self.features[rows], self.labels[rows], names)


def hold_out(examples: Examples, config: Finetune) -> tuple[Examples, Examples | None]:
    """Return the rows to train on and a share of the labelled rows of each class, held out; each class keeps one row."""
    if not config.held_out:
        return examples, None
    rng = np.random.default_rng(config.seed)
    held: list[int] = []
    for label in np.unique(examples.labels[examples.labels != NO_LABEL]):
        rows = rng.permutation(np.flatnonzero(examples.labels == label))
        held += rows[: min(len(rows) - 1, round(config.held_out * len(rows)))].tolist()
    if not held:
        raise InputError(
            f"finetune.held_out {config.held_out:g} holds out no row: every class has too few.",
            do="set it to 0, or add rows",
        )
    others = np.setdiff1d(np.arange(len(examples.labels)), held)
    return examples.take(others), examples.take(np.sort(held))


def one_hot(labels: Labels, classes: tuple[str, ...]) -> torch.Tensor:
    """Return which class each row is of, shape (n, classes), float32."""
    places = {label: k for k, label in enumerate(classes)}
    return torch.eye(len(classes))[[places[str(label)] for label in labels]]
