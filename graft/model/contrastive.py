"""Contrastive tuning for few rows: rows of a class are drawn together, rows of others apart; then a head is fitted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from graft.model.train import Epoch, shuffled

TEMPERATURE = 0.1
JITTER = 1.0
"""How far lengths in a batch lie apart: among rows of one length a row finds few that are like it and of another class."""


def contrast(features: torch.Tensor, _logits: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
    """Return the supervised contrastive loss of each row, 0 where the batch holds no other row of its class.

    Args:
        features: shape (rows, d), unit norm.
        shares: shape (rows, classes).

    Source: Khosla et al. 2020, equation 2.
    """
    n = len(features)
    alike = features @ features.T / TEMPERATURE
    alike = alike.masked_fill(torch.eye(n, dtype=torch.bool, device=features.device), -torch.inf)
    same = shares @ shares.T
    same.fill_diagonal_(0)
    log_shares = torch.log_softmax(alike, dim=1).masked_fill(same == 0, 0)
    return -(same * log_shares).sum(dim=1) / same.sum(dim=1).clamp(min=1e-6)


def paired_epochs(
    labels: npt.NDArray[np.int_], places: Sequence[int], batch_size: int, n_epochs: int, seed: int
) -> list[Epoch]:
    """Return the batches of each epoch, made of pairs of rows of one class; an odd row is paired with one seen before.

    Args:
        labels: shape (n,), codes.
        places: n numbers; pairs whose larger ones are alike share a batch.
    """
    rng = np.random.default_rng(seed)
    place = np.array(places)
    epochs = []
    for _ in range(n_epochs):
        pairs = []
        for code in np.unique(labels):
            rows = rng.permutation(np.flatnonzero(labels == code))
            pairs.append(np.append(rows, rows[:1])[: len(rows) + len(rows) % 2].reshape(-1, 2))
        drawn = np.concatenate(pairs)
        larger = place[drawn].max(axis=1)
        epochs.append([drawn[rows].ravel() for rows in shuffled(larger, max(1, batch_size // 2), rng, jitter=JITTER)])
    return epochs
