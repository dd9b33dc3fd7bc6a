"""What fine-tuning makes: an encoder with a linear head; and what it predicts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from graft.model.encoder import Contents, Encoder, Progress, embed_items, silent
from graft.stats.probe import fit_probe


@dataclass
class Classifier:
    """An encoder with a linear head: logits = features @ weight.T + bias, classes in the order of ``labels``.

    ``loss`` is the mean training loss of each epoch, ``held_out`` loss and accuracy on held-out rows after each, and ``alpha``
    the share of the way from the base to the tuned weights.
    """

    encoder: Encoder
    weight: torch.Tensor
    bias: torch.Tensor
    labels: tuple[str, ...]
    n_trained_parameters: int
    loss: tuple[float, ...] = ()
    held_out: tuple[tuple[float, float], ...] = ()
    alpha: float = 1.0


def fit_head(
    encoder: Encoder,
    features: npt.NDArray[np.float32],
    labels: npt.NDArray[np.str_],
    *,
    C: float,
    weights: npt.NDArray[np.float32] | None = None,
) -> Classifier:
    """Fit only a head, by a convex solver on frozen features: no seed, no epochs.

    Args:
        features: shape (n, d), the encoder's embedding of the training rows.
        labels: shape (n,).
        C: inverse L2 penalty.
        weights: shape (n,), how much each row counts; None: all alike.

    Cost: seconds; see ``graft.stats.fit_probe``.
    """
    probe = fit_probe(features, labels, C=C, weights=weights)
    weight, bias = np.asarray(probe.coef_), np.asarray(probe.intercept_)
    if len(weight) == 1:  # two classes: scikit-learn keeps the log odds of the second alone
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    return Classifier(
        encoder=encoder,
        weight=torch.tensor(weight, dtype=torch.float32),
        bias=torch.tensor(bias, dtype=torch.float32),
        labels=tuple(str(label) for label in probe.classes_),
        n_trained_parameters=weight.size + bias.size,
    )


def predict(
    classifier: Classifier, contents: Contents, *, batch_size: int = 32, progress: Progress = silent
) -> npt.NDArray[np.float32]:
    """Return the probability of each class, shape (n, classes), float32, rows summing to 1."""
    return score(classifier, features_of(classifier, contents, batch_size=batch_size, progress=progress))


def features_of(
    classifier: Classifier, contents: Contents, *, batch_size: int = 32, progress: Progress = silent
) -> npt.NDArray[np.float32]:
    """Return the encoder's features of each content, shape (n, dimension)."""
    items, _ = classifier.encoder.prepare(contents)
    return embed_items(classifier.encoder, items, batch_size=batch_size, progress=progress).numpy()


def score(classifier: Classifier, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return what the head makes of features: the probability of each class, shape (n, classes)."""
    with torch.inference_mode():
        scores = torch.softmax(torch.from_numpy(features) @ classifier.weight.T + classifier.bias, dim=1)
    return scores.numpy()
