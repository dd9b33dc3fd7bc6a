"""Fine-tuning: from a base and labelled rows to an encoder and a linear head."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from graft.errors import StepError
from graft.model.checkpoint import Checkpoint, Stand
from graft.model.encoder import Contents, Encoder, Progress, batches, load_encoder, silent
from graft.recipe import Modality
from graft.stats.probe import fit_probe

WARM_UP = 0.1
WEIGHT_DECAY = 0.01


@dataclass
class Classifier:
    """An encoder with a linear head: logits = features @ weight.T + bias, classes in the order of ``labels``."""

    encoder: Encoder
    weight: torch.Tensor
    bias: torch.Tensor
    labels: tuple[str, ...]
    n_trained_parameters: int
    loss: tuple[float, ...] = ()


def fit_head(
    folder: Path,
    features: npt.NDArray[np.float32],
    labels: npt.NDArray[np.str_],
    *,
    modality: Modality,
    C: float,
    max_tokens: int,
) -> Classifier:
    """Fit only a head, by a convex solver on frozen features: no seed, no epochs.

    Args:
        folder: the base.
        features: shape (n, d), the base's embedding of the training rows.
        labels: shape (n,).
        C: inverse L2 penalty.

    Cost: seconds; see ``graft.stats.fit_probe``.
    """
    encoder = load_encoder(folder, modality, max_tokens=max_tokens)
    probe = fit_probe(features, labels, C=C)
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


def fit_full(
    folder: Path,
    features: npt.NDArray[np.float32],
    contents: Contents,
    labels: npt.NDArray[np.str_],
    *,
    modality: Modality,
    C: float,
    max_tokens: int,
    n_epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    checkpoint: Checkpoint | None = None,
    progress: Progress = silent,
) -> Classifier:
    """Fine-tune all layers, starting from the fitted head (LP-FT), with AdamW, linear warm-up and decay.

    What ``Encoder.frozen`` names stays as it is, and so do the running statistics of batch normalisation: a batch of few
    rows estimates them badly, a row's features would depend on its neighbours, and the head was fitted under those of the
    base.

    Args:
        contents, labels: n training rows; ``features`` their embedding by the base.
        learning_rate: peak; 2e-5 to 1e-4 for small encoders.
        checkpoint: where to go on from, if it is of this training, and what to write now and then and at the end.

    Returns:
        the classifier with the mean loss of each epoch. The same inputs, seed, machine type and number of threads give the
        same bits, however often training was interrupted.

    Raises:
        StepError: the loss is no longer a number.
        OSError, SafetensorError: a checkpoint could not be written.
    Cost: 6 x (parameters without embeddings) x tokens x epochs FLOPs; images are decoded anew in each epoch.
        Memory holds one batch of them.
    Source: LP-FT: Kumar, Raghunathan, Jones, Ma, Liang 2022.
    """
    start = fit_head(folder, features, labels, modality=modality, C=C, max_tokens=max_tokens)
    torch.manual_seed(seed)
    encoder = start.encoder
    for parameter in encoder.frozen():
        parameter.requires_grad_(False)
    weight, bias = start.weight.clone().requires_grad_(), start.bias.clone().requires_grad_()
    trained = {name: p for name, p in encoder.network.named_parameters() if p.requires_grad}
    trained |= {"head.weight": weight, "head.bias": bias}
    optimizer = torch.optim.AdamW(trained.values(), lr=learning_rate, weight_decay=WEIGHT_DECAY, fused=True)

    items, _ = encoder.prepare(contents)
    index = {label: k for k, label in enumerate(start.labels)}
    targets = torch.tensor([index[str(label)] for label in labels])
    plan = list(batches(encoder.places(items), batch_size))
    rng = np.random.default_rng(seed)
    order = [plan[k] for _ in range(n_epochs) for k in rng.permutation(len(plan))]

    moving, stand = {**trained, **dict(encoder.network.named_buffers())}, Stand()
    if checkpoint:
        stand, note = checkpoint.restore(moving, optimizer)
        if note:
            progress(stand.n_done, len(order), note)
    _train_mode(encoder.network)
    for step in range(stand.n_done, len(order)):
        epoch, k = divmod(step, len(plan))
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * _linear(step, len(order))
        rows = order[step]
        loss = _step(encoder, trained, optimizer, [items[i] for i in rows], targets[rows])
        if not math.isfinite(loss):
            raise StepError(
                f"The loss is no longer a number in epoch {epoch + 1}, step {k + 1}.",
                do="lower finetune.learning_rate in the recipe",
            )
        total = stand.total + loss * len(rows)
        if k + 1 < len(plan):
            stand = Stand(n_done=step + 1, total=total, losses=stand.losses)
        else:
            stand = Stand(n_done=step + 1, losses=(*stand.losses, round(total / len(items), 6)))
        if checkpoint and (step + 1 == len(order) or checkpoint.due()):
            checkpoint.save(moving, optimizer, stand)
        progress(step + 1, len(order), f"epoch {epoch + 1} of {n_epochs}, loss {loss:.3f}")
    encoder.network.eval()
    return Classifier(
        encoder=encoder,
        weight=weight.detach(),
        bias=bias.detach(),
        labels=start.labels,
        n_trained_parameters=sum(p.numel() for p in trained.values()),
        loss=stand.losses,
    )


def _step(
    encoder: Encoder,
    trained: dict[str, torch.Tensor],
    optimizer: torch.optim.Optimizer,
    items: list[Any],
    targets: torch.Tensor,
) -> float:
    """Take one step on a batch and return its mean loss."""
    logits = encoder.pool(encoder.collate(items)) @ trained["head.weight"].T + trained["head.bias"]
    loss = torch.nn.functional.cross_entropy(logits, targets)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]  # torch publishes no type for it
    torch.nn.utils.clip_grad_norm_(trained.values(), 1.0)
    optimizer.step()
    return float(loss.detach())


def _train_mode(network: torch.nn.Module) -> None:
    """Set dropout to work, and batch normalisation to its running statistics."""
    network.train()
    for module in network.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.eval()


def _linear(step: int, n_steps: int) -> float:
    """Return the share of the peak learning rate at a step: up over the first tenth, then down to zero."""
    warm = max(1, round(WARM_UP * n_steps))
    return (step + 1) / warm if step < warm else max(0.0, (n_steps - step) / max(1, n_steps - warm))


def predict(
    classifier: Classifier, contents: Contents, *, batch_size: int = 32, progress: Progress = silent
) -> npt.NDArray[np.float32]:
    """Return the probability of each class, shape (n, classes), float32, rows summing to 1."""
    encoder = classifier.encoder
    items, _ = encoder.prepare(contents)
    scores = np.zeros((len(items), len(classifier.labels)), dtype=np.float32)
    done = 0
    with torch.inference_mode():
        for rows in batches(encoder.places(items), batch_size):
            features = encoder.pool(encoder.collate([items[i] for i in rows]))
            scores[rows] = torch.softmax(features @ classifier.weight.T + classifier.bias, dim=1).numpy()
            done += len(rows)
            progress(done, len(items), f"{encoder.modality}s")
    return scores
