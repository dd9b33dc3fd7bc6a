"""The training loop, one for every strategy: what moves, in which batches, and by which loss, comes from the caller."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from graft.errors import StepError
from graft.model import distributed
from graft.model.checkpoint import Checkpoint, TrainingState
from graft.model.encoder import Batch, Body, Progress, batches, on_device, silent
from graft.model.layers import find_stack
from graft.recipe import Finetune

WARM_UP = 0.1
WEIGHT_DECAY = 0.01
JITTER = 0.1

Epoch = list[npt.NDArray[np.int_]]
"""The rows of each batch of an epoch."""
Loss = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""From features (rows, d), logits and wanted shares, both (rows, classes), to the loss of each row, shape (rows,)."""


@dataclass(frozen=True)
class Rows:
    """Rows as training needs them.

    ``items`` are what ``collate`` takes, ``shares`` (n, classes) how much of each class is wanted, ``weights`` (n,) how much a
    row counts, with mean 1, and ``names`` what people call them.
    """

    items: list[Any]
    shares: torch.Tensor
    weights: torch.Tensor
    names: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.items)


def cross_entropy(_features: torch.Tensor, logits: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
    """Return the cross-entropy of each row."""
    return -(shares * functional.log_softmax(logits, dim=1)).sum(dim=1)


@dataclass
class Training:
    """A training in progress: AdamW with linear warm-up and decay, in place.

    Args:
        trained: the encoder's parameters that move, by their names in ``encoder.network``. All others stay as they are, and so
            do the running statistics of batch normalisation: a batch of few rows estimates them badly.
        vary: changes a batch at random, by ``how.augment``; None: rows stay as they are.
        epochs: the batches of each epoch; None: rows of like length together, in an order of the seed.
        held_out: rows that are not trained on. Loss and accuracy on them are taken after each epoch, training stops where the
            loss has not fallen for ``how.patience`` epochs, and the weights of the best epoch are those at the end.
        from_scratch: nothing is known yet: the statistics of batch normalisation are learned as well.
    """

    encoder: Body
    head: torch.nn.Linear
    rows: Rows
    config: Finetune
    trained: dict[str, torch.nn.Parameter]
    loss_of: Loss = cross_entropy
    vary: Callable[[Batch, float, np.random.Generator], Batch] | None = None
    epochs: Sequence[Epoch] | None = None
    held_out: Rows | None = None
    from_scratch: bool = False
    _stand: TrainingState = field(default=TrainingState(), init=False)

    def __post_init__(self) -> None:
        self._moving = {**self.trained, "head.weight": self.head.weight, "head.bias": self.head.bias}
        self._anchors = {name: p.detach().clone() for name, p in self.trained.items()} if self.config.l2_sp else {}
        best = {f"best/{name}": p.detach().clone() for name, p in self._moving.items()}
        self._best: dict[str, torch.Tensor] = best if self.held_out else {}
        self._optimizer = self._make_optimizer()
        rng = np.random.default_rng(self.config.seed)
        places = self.encoder.batch_order(self.rows.items)
        epochs = self.epochs or [shuffled(places, self.config.batch_size, rng) for _ in range(self.config.n_epochs)]
        self._n_epochs = len(epochs)
        self._order = [
            (n, k + 1 == len(epoch), batch) for n, epoch in enumerate(epochs) for k, batch in enumerate(epoch)
        ]

    def run(self, checkpoint: Checkpoint | None = None, progress: Progress = silent) -> TrainingState:
        """Train to the end, and return the mean loss of each epoch and what was measured on the held-out rows.

        The same inputs, seed, machine type and number of threads give the same bits, however often training was interrupted.

        Args:
            checkpoint: where to go on from, if it is of this training, and what to write now and then and at the end.

        Raises:
            StepError: the loss is no longer a number; the last checkpoint stays.
            KeyboardInterrupt: ``checkpoint`` was asked to stop, and has been written.
            OSError, SafetensorError: a checkpoint could not be written.
        """
        everything: dict[str, torch.Tensor] = {
            **self._moving,
            **self._best,
            **dict(self.encoder.network.named_buffers()),
        }
        if checkpoint:
            self._stand, note = checkpoint.restore(everything, self._optimizer)
            distributed.check_same(self._stand.n_done)
            if note:
                progress(self._stand.n_done, len(self._order), note)
        self._train_mode()
        while not self._has_ended():
            epoch, is_last, batch = self._order[self._stand.n_done]
            loss = self._step(batch, epoch)
            self._stand = self._stand.after_step(loss * len(batch))
            if is_last:
                self._end_epoch()
            if checkpoint and distributed.rank() == 0 and (self._has_ended() or checkpoint.due()):
                checkpoint.save(everything, self._optimizer, self._stand)
                checkpoint.stop_if_asked()
            progress(self._stand.n_done, len(self._order), f"epoch {epoch + 1} of {self._n_epochs}, loss {loss:.3f}")
        for name, best in self._best.items():
            self._moving[name.removeprefix("best/")].data.copy_(best)
        self.encoder.network.eval()
        return self._stand

    def _has_ended(self) -> bool:
        losses = [loss for loss, _ in self._stand.held_out]
        n_since_best = len(losses) - 1 - losses.index(min(losses)) if losses else 0
        has_stalled = self.config.patience is not None and n_since_best >= self.config.patience
        return self._stand.n_done == len(self._order) or has_stalled

    def _step(self, batch: npt.NDArray[np.int_], epoch: int) -> float:
        """Take one step on a batch and return its mean loss; of several processes each takes its part of the rows."""
        for group in self._optimizer.param_groups:
            group["lr"] = group["peak"] * _linear(self._stand.n_done, len(self._order))
        self._optimizer.zero_grad(set_to_none=True)
        mine = batch[distributed.rank() :: distributed.size()]
        share = self._loss(mine).sum() / len(batch) if len(mine) else 0.0 * self._loss(batch[:1]).sum()
        share.backward()  # type: ignore[no-untyped-call]  # torch publishes no type for it
        loss = distributed.add_up(float(share.detach()), self._moving.values())
        slope = torch.nn.utils.clip_grad_norm_(self._moving.values(), 1.0)
        if not (
            math.isfinite(loss) and math.isfinite(slope)
        ):  # a step along it would leave weights that are no numbers
            names = ", ".join(str(self.rows.names[i]) for i in batch[:5]) if self.rows.names else ""
            raise StepError(
                f"The loss is no longer a number in epoch {epoch + 1}, step {self._stand.n_done + 1:,} of {len(self._order):,}.",
                where=f"{len(batch)} rows: {names}{', ...' if len(batch) > 5 else ''}",
                do="lower finetune.learning_rate in the recipe",
                code="loss-not-finite",
            )
        self._optimizer.step()
        for name, anchor in self._anchors.items():
            self.trained[name].data.lerp_(anchor, min(1.0, self.config.l2_sp * self._optimizer.param_groups[0]["lr"]))
        return loss

    def _loss(self, batch: npt.NDArray[np.int_]) -> torch.Tensor:
        """Return the weighted loss of each row of a batch."""
        of_step = (
            self.config.seed,
            self._stand.n_done,
            distributed.rank(),
        )  # what was interrupted draws the same again
        rng = np.random.default_rng(of_step)
        if distributed.size() > 1:  # each process hides other units, and goes on from the first one's checkpoint
            torch.manual_seed(int(rng.integers(2**63)))
        inputs = self.encoder.collate([self.rows.items[i] for i in batch])
        if self.vary and self.config.augment:
            inputs = self.vary(inputs, self.config.augment, rng)
        device = self.head.weight.device
        shares, weights = self.rows.shares[batch].to(device), self.rows.weights[batch].to(device)
        shares = (1 - self.config.label_smoothing) * shares + self.config.label_smoothing / shares.shape[1]
        with torch.autocast(device.type, torch.bfloat16, enabled=self.config.precision == "bf16"):
            features = self.encoder.pool(on_device(self.encoder, inputs)).float()
        if self.config.mixup:
            share = float(rng.beta(self.config.mixup, self.config.mixup))
            others = torch.from_numpy(rng.permutation(len(batch))).to(device)
            features = share * features + (1 - share) * features[others]
            shares = share * shares + (1 - share) * shares[others]
        return self.loss_of(features, self.head(features), shares) * weights

    def _end_epoch(self) -> None:
        """Measure on the held-out rows and keep the weights if they are the best so far."""
        n_rows = sum(len(batch) for epoch, _, batch in self._order if epoch == len(self._stand.losses))
        if self.held_out is None:
            self._stand = self._stand.after_epoch(n_rows)
            return
        self._stand = self._stand.after_epoch(
            n_rows, distributed.of_first(measure(self.encoder, self.head, self.held_out))
        )
        self._train_mode()
        losses = [loss for loss, _ in self._stand.held_out]
        if losses[-1] < min(losses[:-1], default=math.inf):
            for name, best in self._best.items():
                best.copy_(self._moving[name.removeprefix("best/")].detach())

    def _train_mode(self) -> None:
        """Set dropout to work, and batch normalisation of a base to its running statistics."""
        self.encoder.network.train()
        for module in self.encoder.network.modules():
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm) and not self.from_scratch:
                module.eval()

    def _make_optimizer(self) -> torch.optim.AdamW:
        """Return AdamW with a peak rate for each depth: ``layer_decay`` to the power of the layers above, 1 for the head."""
        groups: dict[int, list[torch.Tensor]] = {}
        stack = find_stack(self.encoder.network) if self.config.layer_decay < 1 else None
        for name, parameter in self._moving.items():
            is_head = name.startswith("head.")
            depth = stack.depth(name) + 1 if stack and not is_head else 0
            groups.setdefault(depth, []).append(parameter)
        peaks = {depth: self.config.learning_rate * self.config.layer_decay**depth for depth in groups}
        return torch.optim.AdamW(
            [{"params": groups[depth], "peak": peaks[depth]} for depth in sorted(groups)],
            lr=self.config.learning_rate,
            weight_decay=0.0 if self.config.l2_sp else WEIGHT_DECAY,
            fused=True,
        )


def shuffled(places: npt.ArrayLike, size: int, rng: np.random.Generator, *, jitter: float = JITTER) -> Epoch:
    """Return the batches of an epoch: rows of like place together, in another company each time.

    Rows are sorted by place times a random factor of 1 to ``1 + jitter``: a few more tokens of padding than by place alone,
    which would put the same rows together in every epoch, and rows of one class where a file is sorted by class.
    """
    place = np.asarray(places)
    order = rng.permutation(len(place))
    near = place[order] * rng.uniform(1, 1 + jitter, len(order))
    plan = [order[rows] for rows in batches(near, size)]
    return [plan[k] for k in rng.permutation(len(plan))]


def measure(encoder: Body, head: torch.nn.Linear, rows: Rows, *, batch_size: int = 64) -> tuple[float, float]:
    """Return mean cross-entropy and accuracy on rows, without dropout."""
    encoder.network.eval()
    loss, hits = 0.0, 0
    with torch.inference_mode():
        for batch in batches(encoder.batch_order(rows.items), batch_size):
            inputs = on_device(encoder, encoder.collate([rows.items[i] for i in batch]))
            logits = head(encoder.pool(inputs))
            shares = rows.shares[batch].to(logits.device)
            loss += float(functional.cross_entropy(logits, shares, reduction="sum"))
            hits += int((logits.argmax(dim=1) == shares.argmax(dim=1)).sum())
    return round(loss / len(rows), 6), round(hits / len(rows), 6)


def _linear(step: int, n_steps: int) -> float:
    """Return the share of the peak learning rate at a step: up over the first tenth, then down to zero."""
    warm = max(1, round(WARM_UP * n_steps))
    return (step + 1) / warm if step < warm else max(0.0, (n_steps - step) / max(1, n_steps - warm))
