"""Fine-tuning: from a base and labelled rows to an encoder and a linear head, by one of the strategies of a recipe.

Every training starts from the head fitted on frozen features (LP-FT): tuning begins where the probe is, not at random.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from graft.errors import InputError
from graft.model import blend, distributed, lora
from graft.model.budget import first_of
from graft.model.checkpoint import Checkpoint, TrainingState
from graft.model.classifier import Classifier, fit_head, predict
from graft.model.contrastive import contrast, paired_epochs
from graft.model.device import gpu_memory
from graft.model.encoder import Body, Encoder, Progress, embed_items, load_encoder, silent
from graft.model.examples import Examples, Features, hold_out, one_hot
from graft.model.layers import Cut, find_stack
from graft.model.train import Rows, Training, cross_entropy
from graft.recipe import Finetune
from graft.rows import NO_LABEL
from graft.stats.cka import linear_cka
from graft.stats.spread import spread_labels

KEEP = 0.1
"""What closeness to the base counts against accuracy where the share of the way to the tuned weights is chosen."""


def finetune(
    folder: Path,
    examples: Examples,
    config: Finetune,
    *,
    modality: str,
    C: float,
    max_tokens: int,
    checkpoint: Checkpoint | None = None,
    progress: Progress = silent,
) -> Classifier:
    """Fine-tune a base on examples.

    Args:
        folder: the base.
        how: the strategy, which is not ``auto``, and its settings.
        C: inverse L2 penalty of the head.
        max_tokens: where texts are cut.
        checkpoint: where to go on from, if it is of this training, and what to write now and then and at the end.

    Returns:
        the classifier. The same inputs, seed, machine type and number of threads give the same bits, however often training was
        interrupted.

    Raises:
        InputError: the base does not allow the strategy.
        StepError: the loss is no longer a number, or a library that the strategy needs is not installed.
        OSError, SafetensorError: a checkpoint could not be written.
    Cost: see ``graft.model.budget``; images are decoded anew in each epoch, but by ``head`` and ``top_k``.
    Source: LP-FT: Kumar, Raghunathan, Jones, Ma, Liang 2022.
    """
    encoder = load_encoder(folder, modality, max_tokens=max_tokens)
    train, held_out = hold_out(examples, config)
    start = _start(encoder, train, config, C=C)

    def learn(rows: Examples, first: Finetune, part: Checkpoint | None) -> Classifier:
        return finetune(
            folder, rows, first, modality=modality, C=C, max_tokens=max_tokens, checkpoint=part, progress=progress
        )

    shares = _guess(start, train, config, learn, checkpoint)
    if config.strategy == "head":
        has_more = len(train.labels) > (train.labels != NO_LABEL).sum()
        return _refit(encoder, train.features, shares, start.labels, config, C=C) if has_more else start
    rows = Rows(encoder.prepare(train.contents)[0], shares, _weigh(shares, config), train.names)
    held_rows = None
    if held_out:
        wanted = one_hot(held_out.labels, start.labels)
        held_rows = Rows(encoder.prepare(held_out.contents)[0], wanted, torch.ones(len(wanted)), held_out.names)
    is_between = config.interpolation != 1.0
    before = {name: tensor.clone() for name, tensor in encoder.network.state_dict().items()} if is_between else {}
    tuned = tune(start, rows, held_rows, config, checkpoint, progress)
    if config.strategy == "contrastive":
        refit = _refit(encoder, embed_items(encoder, rows.items).numpy(), shares, start.labels, config, C=C)
        tuned = replace(tuned, weight=refit.weight, bias=refit.bias)
    return _interpolate(tuned, start, before, held_rows, held_out, config) if is_between else tuned


def _start(encoder: Encoder, train: Examples, config: Finetune, *, C: float) -> Classifier:
    """Return the encoder with a head fitted to the labelled rows.

    It is not fitted to what unlabelled rows are taken for: training that begins where all of them are learned already has less
    to learn from (measured, docs/experiments.md).
    """
    known = train.take(np.flatnonzero(train.labels != NO_LABEL))
    weights = _weigh(one_hot(known.labels, tuple(np.unique(known.labels))), config)
    return fit_head(encoder, known.features, known.labels, weights=weights.numpy(), C=C)


def _guess(
    start: Classifier,
    train: Examples,
    config: Finetune,
    learn: Callable[..., Classifier],
    checkpoint: Checkpoint | None,
) -> torch.Tensor:
    """Return the class of each row, shape (n, classes): of unlabelled ones what a first model and their neighbours say.

    The first model is tuned on the labelled rows alone. What it thinks is spread among neighbours in the features of the base,
    not in its own, where it has put its mistakes among the rows that it takes them for.

    Args:
        learn: ``finetune`` with examples, settings and a checkpoint of another name to be given.
        checkpoint: keeps what came of it.
    """
    is_known = train.labels != NO_LABEL
    classes = torch.zeros(len(is_known), len(start.labels))
    classes[is_known] = one_hot(train.labels[is_known], start.labels)
    if is_known.all():
        return classes
    first_guess, part = {"classes": classes}, checkpoint.part("first") if checkpoint else None
    if part and part.restore(first_guess, None)[0].n_done:
        return first_guess["classes"]
    others = train.take(np.flatnonzero(~is_known))
    if config.strategy == "head":
        thought = torch.softmax(torch.from_numpy(others.features) @ start.weight.T + start.bias, dim=1)
    else:
        first = learn(train.take(np.flatnonzero(is_known)), first_of(config), part)
        thought = torch.from_numpy(predict(first, others.contents))
    classes[~is_known] = thought
    likeliest = spread_labels(train.features, classes.numpy(), is_known).argmax(axis=1)
    first_guess["classes"] = torch.eye(len(start.labels))[likeliest]
    if part and distributed.rank() == 0:
        part.save(first_guess, None, TrainingState(n_done=1))
    return first_guess["classes"]


def _refit(
    encoder: Encoder, features: Features, shares: torch.Tensor, labels: tuple[str, ...], config: Finetune, *, C: float
) -> Classifier:
    """Return a head fitted to the class that is wanted of each row."""
    codes = shares.argmax(dim=1).numpy()
    return fit_head(encoder, features, np.array(labels)[codes], weights=_weigh(shares, config).numpy(), C=C)


def _weigh(shares: torch.Tensor, config: Finetune) -> torch.Tensor:
    """Return how much each row counts, mean 1; with balanced class weights each class counts the same in all."""
    if config.class_weights == "none":
        return torch.ones(len(shares))
    weights = shares @ (1 / shares.sum(dim=0).clamp(min=1e-6))
    return weights / weights.mean()


@gpu_memory()
def tune(
    start: Classifier,
    rows: Rows,
    held_out: Rows | None,
    config: Finetune,
    checkpoint: Checkpoint | None,
    progress: Progress,
) -> Classifier:
    """Train what the strategy names, in place, and return the classifier as it is then.

    Contrast moves features away from the head that training began with, so nothing is measured with it on the way.
    """
    torch.manual_seed(config.seed)
    encoder = start.encoder
    head = torch.nn.Linear(encoder.dimension, len(start.labels), device=next(encoder.network.parameters()).device)
    head.load_state_dict({"weight": start.weight, "bias": start.bias})
    for parameter in encoder.frozen():
        parameter.requires_grad_(False)
    if config.gradient_checkpointing:
        _save_memory(encoder)
    through: Body = encoder
    adapter = lora.adapt(encoder.network, rank=config.lora_rank) if config.strategy == "lora" else None
    if config.strategy == "top_k":
        through = cut = Cut(encoder, config.n_layers)
        rows = replace(rows, items=cut.prepare(rows.items, progress=progress)[0])
        held_out = replace(held_out, items=cut.prepare(held_out.items, progress=progress)[0]) if held_out else None
    trained = _moving(through, config)
    is_contrast = config.strategy == "contrastive"
    codes, places = rows.shares.argmax(dim=1).numpy(), through.batch_order(rows.items)
    training = Training(
        through,
        head,
        rows,
        config,
        trained,
        loss_of=contrast if is_contrast else cross_entropy,
        vary=encoder.augment,
        epochs=paired_epochs(codes, places, config.batch_size, config.n_epochs, config.seed) if is_contrast else None,
        held_out=None if is_contrast else held_out,
        from_scratch=not encoder.is_pretrained,
    )
    stand = training.run(checkpoint, progress)
    if adapter is not None:
        encoder = encoder.with_network(adapter.merge_and_unload())
    return Classifier(
        encoder=encoder,
        weight=head.weight.detach().cpu(),
        bias=head.bias.detach().cpu(),
        labels=start.labels,
        n_trained_parameters=sum(p.numel() for p in (*trained.values(), head.weight, head.bias)),
        loss=stand.losses,
        held_out=stand.held_out,
    )


def _save_memory(encoder: Encoder) -> None:
    """Keep no activations of the layers in the forward pass: the backward pass computes them again.

    Raises:
        InputError: the network cannot do that.
    """
    network = encoder.network
    enable = getattr(network, "activation_checkpointing_enable", None) or network.gradient_checkpointing_enable
    try:
        enable({"use_reentrant": False})
    except ValueError as error:
        name = type(network).__name__
        raise InputError(
            f"A {name} knows no gradient checkpointing.", do="set finetune.gradient_checkpointing: false"
        ) from error


def _moving(through: Body, config: Finetune) -> dict[str, torch.nn.Parameter]:
    """Return the encoder's parameters that the strategy trains."""
    parameters = {name: p for name, p in through.network.named_parameters() if p.requires_grad}
    if config.strategy != "top_k":
        return parameters
    stack = find_stack(through.network)
    return {name: p for name, p in parameters.items() if stack.depth(name) < stack.n_layers}


def _interpolate(
    tuned: Classifier,
    start: Classifier,
    before: dict[str, torch.Tensor],
    held_rows: Rows | None,
    held_out: Examples | None,
    config: Finetune,
) -> Classifier:
    """Move encoder and head to where the recipe wants them on the way from the base, which the start's head belongs to."""
    network = tuned.encoder.network
    after = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    head = torch.nn.Linear(tuned.encoder.dimension, len(tuned.labels))
    first, last = ({"weight": model.weight, "bias": model.bias} for model in (start, tuned))

    def move(alpha: float) -> None:
        blend.blend(network.state_dict(), before, after, alpha)
        blend.blend(head.state_dict(), first, last, alpha)

    def score(alpha: float) -> float:
        move(alpha)
        assert held_rows is not None  # noqa: S101 - the recipe asks for held-out rows
        assert held_out is not None  # noqa: S101 - likewise
        features = embed_items(tuned.encoder, held_rows.items)
        hits = (head(features).argmax(dim=1) == held_rows.shares.argmax(dim=1)).float().mean()
        return (1 - KEEP) * float(hits) + KEEP * linear_cka(held_out.features, features.numpy())

    alpha = blend.choose_alpha(score)[0] if config.interpolation == "auto" else config.interpolation
    move(alpha)
    return replace(tuned, weight=head.weight.detach(), bias=head.bias.detach(), alpha=alpha)
