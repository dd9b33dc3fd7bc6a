"""Fine-tuning: from a base and labelled rows to an encoder and a linear head, by one of the strategies of a recipe.

Every training starts from the head fitted on frozen features (LP-FT): tuning begins where the probe is, not at random.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from graft.errors import InputError
from graft.model import blend, lora
from graft.model.checkpoint import Checkpoint
from graft.model.classifier import Classifier, embed_items, fit_head
from graft.model.contrastive import contrast, paired_epochs
from graft.model.encoder import Body, Contents, Encoder, Progress, load_encoder, silent
from graft.model.layers import Cut, find_stack
from graft.model.train import Rows, Training, cross_entropy
from graft.recipe import Finetune, Modality
from graft.stats.cka import linear_cka
from graft.stats.spread import spread_labels

Features = npt.NDArray[np.float32]
Labels = npt.NDArray[np.str_]
UNLABELLED = ""
KEEP = 0.1
"""What closeness to the base counts against accuracy where the share of the way to the tuned weights is chosen."""


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


def finetune(
    folder: Path,
    examples: Examples,
    how: Finetune,
    *,
    modality: Modality,
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
    train, held_out = hold_out(examples, how)
    start, shares = _start(encoder, train, C=C)
    if how.strategy == "head":
        return start
    rows = _rows(encoder, train, shares, start.labels, how)
    held_rows = _rows(encoder, held_out, None, start.labels, how) if held_out else None
    is_between = how.interpolation != 1.0
    before = {name: tensor.clone() for name, tensor in encoder.network.state_dict().items()} if is_between else {}
    tuned = _tune(start, rows, held_rows, how, checkpoint, progress)
    if how.strategy == "contrastive":
        features = embed_items(encoder, rows.items).numpy()
        labels, weights = _hard(shares, start.labels)
        refit = fit_head(encoder, features, labels, weights=weights, C=C)
        tuned = replace(tuned, weight=refit.weight, bias=refit.bias)
    return _interpolate(tuned, start, before, held_rows, held_out, how) if is_between else tuned


def hold_out(examples: Examples, how: Finetune) -> tuple[Examples, Examples | None]:
    """Return the rows to train on and a share of the labelled rows of each class, held out; each class keeps one row."""
    if not how.held_out:
        return examples, None
    rng = np.random.default_rng(how.seed)
    held: list[int] = []
    for label in np.unique(examples.labels[examples.labels != UNLABELLED]):
        rows = rng.permutation(np.flatnonzero(examples.labels == label))
        held += rows[: min(len(rows) - 1, round(how.held_out * len(rows)))].tolist()
    if not held:
        raise InputError(
            f"finetune.held_out {how.held_out:g} holds out no row: every class has too few.",
            do="set it to 0, or add rows",
        )
    others = np.setdiff1d(np.arange(len(examples.labels)), held)
    return examples.take(others), examples.take(np.sort(held))


def _start(encoder: Encoder, train: Examples, *, C: float) -> tuple[Classifier, torch.Tensor]:
    """Return the encoder with a fitted head, and the share of each class that is wanted of each row, (n, classes).

    Unlabelled rows get the classes that labelled rows and neighbours say.
    """
    is_known = train.labels != UNLABELLED
    start = fit_head(encoder, train.features[is_known], train.labels[is_known], C=C)
    places = {label: k for k, label in enumerate(start.labels)}
    thought = torch.from_numpy(train.features) @ start.weight.T + start.bias
    shares = torch.softmax(thought, dim=1).numpy()
    shares[is_known] = np.eye(len(places), dtype=np.float32)[[places[label] for label in train.labels[is_known]]]
    if not is_known.all():
        shares = spread_labels(train.features, shares, is_known)
        labels, weights = _hard(torch.from_numpy(shares), start.labels)
        start = fit_head(encoder, train.features, labels, weights=weights, C=C)
    return start, torch.from_numpy(shares)


def _hard(shares: torch.Tensor, labels: tuple[str, ...]) -> tuple[Labels, npt.NDArray[np.float32]]:
    """Return each row's likeliest class and how likely that is."""
    sure, codes = shares.max(dim=1)
    return np.array(labels)[codes.numpy()], sure.numpy()


def _rows(
    encoder: Encoder, examples: Examples, shares: torch.Tensor | None, labels: tuple[str, ...], how: Finetune
) -> Rows:
    """Return examples as training needs them; with balanced class weights each class weighs the same in all."""
    items, _ = encoder.prepare(examples.contents)
    if shares is None:
        places = {label: k for k, label in enumerate(labels)}
        shares = torch.eye(len(labels))[[places[str(label)] for label in examples.labels]]
    weights = torch.ones(len(items))
    if how.class_weights == "balanced":
        weights = shares @ (1 / shares.sum(dim=0).clamp(min=1e-6))
        weights = weights / weights.mean()
    return Rows(items, shares, weights, examples.names)


def _tune(
    start: Classifier,
    rows: Rows,
    held_out: Rows | None,
    how: Finetune,
    checkpoint: Checkpoint | None,
    progress: Progress,
) -> Classifier:
    """Train what the strategy names, in place, and return the classifier as it is then."""
    torch.manual_seed(how.seed)
    encoder = start.encoder
    head = torch.nn.Linear(encoder.dimension, len(start.labels), device=next(encoder.network.parameters()).device)
    head.load_state_dict({"weight": start.weight, "bias": start.bias})
    for parameter in encoder.frozen():
        parameter.requires_grad_(False)
    through: Body = encoder
    if how.strategy == "top_k":
        through = cut = Cut(encoder, how.n_layers)
        rows = replace(rows, items=cut.prepare(rows.items, progress=progress)[0])
        held_out = replace(held_out, items=cut.prepare(held_out.items, progress=progress)[0]) if held_out else None
    elif how.strategy == "lora":
        through = encoder.with_network(lora.adapted(encoder.network, rank=how.lora_rank))
    trained = _moving(through, how)
    if how.gradient_checkpointing:
        encoder.network.gradient_checkpointing_enable({"use_reentrant": False})
    pairs = paired_epochs(rows.shares.argmax(dim=1).numpy(), how.batch_size, how.n_epochs, how.seed)
    is_contrast = how.strategy == "contrastive"
    training = Training(
        through,
        head,
        rows,
        how,
        trained,
        loss_of=contrast if is_contrast else cross_entropy,
        vary=encoder.vary,
        epochs=pairs if is_contrast else None,
        held_out=held_out,
    )
    stand = training.run(checkpoint, progress)
    if how.strategy == "lora":
        encoder = encoder.with_network(lora.merged(through.network))
    return Classifier(
        encoder=encoder,
        weight=head.weight.detach().cpu(),
        bias=head.bias.detach().cpu(),
        labels=start.labels,
        n_trained_parameters=sum(p.numel() for p in (*trained.values(), head.weight, head.bias)),
        loss=stand.losses,
        held_out=stand.held_out,
    )


def _moving(through: Body, how: Finetune) -> dict[str, torch.nn.Parameter]:
    """Return the encoder's parameters that the strategy trains."""
    parameters = {name: p for name, p in through.network.named_parameters() if p.requires_grad}
    if how.strategy != "top_k":
        return parameters
    stack = find_stack(through.network)
    return {name: p for name, p in parameters.items() if stack.depth(name) < stack.n_layers}


def _interpolate(
    tuned: Classifier,
    start: Classifier,
    before: dict[str, torch.Tensor],
    held_rows: Rows | None,
    held_out: Examples | None,
    how: Finetune,
) -> Classifier:
    """Move encoder and head to where the recipe wants them on the way from the base, which the start's head belongs to."""
    network = tuned.encoder.network
    after = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    head = torch.nn.Linear(tuned.encoder.dimension, len(tuned.labels))
    ends = ({"weight": one.weight, "bias": one.bias} for one in (start, tuned))
    first, last = ends

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

    alpha = blend.choose_alpha(score)[0] if how.interpolation == "auto" else how.interpolation
    move(alpha)
    return replace(tuned, weight=head.weight.detach(), bias=head.bias.detach(), alpha=alpha)
