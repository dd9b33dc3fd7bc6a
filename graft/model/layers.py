"""The layers of a network, whatever its architecture: which there are, how deep each parameter lies, and cutting between two.

A network is taken as what comes first (embeddings, a stem), a stack of layers, and what comes last. Where only the last
layers are trained, what the first ones make of a row never changes: it is computed once and kept.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from graft.errors import InputError
from graft.model.encoder import Batch, Encoder, Progress, batches, silent
from graft.recipe import Modality

TOLERANCE = 1e-4
"""How far features through the cut may lie from those of the whole network: rounding of float32 in other batch shapes."""


@dataclass(frozen=True)
class Stack:
    """Where a network's layers lie: the first child's name, and the dotted name of the list of layers."""

    entry: str
    name: str
    n_layers: int

    def depth(self, parameter: str) -> int:
        """Return how many layers lie above a parameter: 0 in the last layer and behind it, ``n_layers`` before the first."""
        if parameter.startswith(f"{self.name}."):
            return self.n_layers - 1 - int(parameter.removeprefix(f"{self.name}.").split(".")[0])
        return self.n_layers if parameter.startswith(f"{self.entry}.") else 0


def find_stack(network: nn.Module) -> Stack:
    """Return where a network's layers lie: its largest list of modules.

    Raises:
        InputError: it has no such list behind a first part.
    """
    lists = {name: module for name, module in network.named_modules() if isinstance(module, nn.ModuleList)}
    entry = next((name for name, _ in network.named_children()), "")
    if not lists or any(name.split(".")[0] == entry for name in lists):
        raise InputError(
            f"The layers of a {type(network).__name__} cannot be told apart.", do="use finetune.strategy: full"
        )
    name = max(lists, key=lambda one: sum(p.numel() for p in lists[one].parameters()))
    return Stack(entry, name, len(lists[name]))


def _given(entry: nn.Module) -> nn.Module:
    """Return a stand-in for what comes first: it gives ``value``, whatever it is called with. Networks look at its attributes."""
    stand_in = _shallow(entry)
    stand_in.value = torch.empty(0)
    stand_in.forward = lambda *_args, **_kwargs: stand_in.value
    return stand_in


class _ReachedError(Exception):
    """The forward pass has come to where it was cut."""


class _Stop(nn.Module):
    """Stands where the next layer would and keeps what comes to it."""

    value: torch.Tensor

    def forward(self, hidden: torch.Tensor, *_args: Any, **_kwargs: Any) -> torch.Tensor:
        self.value = hidden
        raise _ReachedError


def _with_layers(network: nn.Module, stack: Stack, layers: Sequence[nn.Module]) -> nn.Module:
    """Return a network that shares every module with another but for the list of its layers."""
    top = holder = _shallow(network)
    *path, last = stack.name.split(".")
    for name in path:
        inner = _shallow(getattr(holder, name))
        setattr(holder, name, inner)
        holder = inner
    setattr(holder, last, nn.ModuleList(layers))
    return top


def _shallow(module: nn.Module) -> nn.Module:
    other = copy.copy(module)
    other._modules = dict(module._modules)
    return other


class Cut:
    """An encoder cut before its last layers: items carry what the layers before made of them, without dropout.

    The layers behind the cut are those of the encoder itself, so that training them trains it.
    """

    def __init__(self, encoder: Encoder, n_layers: int) -> None:
        """Cut before the last ``n_layers``.

        Raises:
            InputError: the encoder has no more layers than that, or none that can be told apart.
        """
        stack = find_stack(encoder.network)
        if n_layers >= stack.n_layers:
            raise InputError(
                f"finetune.n_layers is {n_layers}, and this base has {stack.n_layers} layers.",
                do=f"take 1 to {stack.n_layers - 1}, or finetune.strategy: full",
            )
        layers = list(encoder.network.get_submodule(stack.name).children())
        self._stop, self._given = _Stop(), _given(encoder.network.get_submodule(stack.entry))
        before = _with_layers(encoder.network, stack, [*layers[:-n_layers], self._stop])
        behind = _with_layers(encoder.network, stack, layers[-n_layers:])
        setattr(behind, stack.entry, self._given)
        self._encoder, self._before, self._behind = encoder, encoder.with_network(before), encoder.with_network(behind)
        self.modality: Modality = encoder.modality
        self.network, self.dimension = behind, encoder.dimension

    def prepare(self, items: list[Any], *, batch_size: int = 32, progress: Progress = silent) -> tuple[list[Any], int]:
        """Return items with what the layers before the cut make of them.

        Memory: texts: tokens x width x 4 bytes; images: one map of the layer before the cut each.

        Raises:
            InputError: features through the cut are not those of the whole network, whose layers pass on more than one tensor.
        """
        kept: list[Any] = [None] * len(items)
        self._encoder.network.eval()
        done = 0
        with torch.inference_mode():
            for rows in batches(self._encoder.places(items), batch_size):
                batch = self._encoder.collate([items[i] for i in rows])
                hidden = self._hidden(batch)
                if not done:
                    self._check(batch, hidden)
                for i, one in zip(rows, hidden, strict=True):
                    size = self._encoder.places([items[i]])[0] if hidden.ndim == 3 and self.modality == "text" else None
                    kept[i] = (items[i], one[:size].clone())
                done += len(rows)
                progress(done, len(items), f"{self.modality}s through the first layers")
        return kept, 0

    def _hidden(self, batch: Batch) -> torch.Tensor:
        try:
            self._before.pool(batch)
        except _ReachedError:
            return self._stop.value
        raise InputError("This base does not use its layers one after another.", do="use finetune.strategy: full")

    def _check(self, batch: Batch, hidden: torch.Tensor) -> None:
        self._given.value = hidden
        if (self._behind.pool(batch) - self._encoder.pool(batch)).abs().max() > TOLERANCE:
            raise InputError("This base cannot be cut between two layers.", do="use finetune.strategy: full")

    def places(self, items: list[Any]) -> list[int]:
        """Return a number for each item, as the encoder does."""
        return self._encoder.places([item for item, _ in items])

    def collate(self, items: list[Any]) -> Batch:
        """Return items as one batch, with what stands before the cut as ``hidden``."""
        hidden = nn.utils.rnn.pad_sequence([one for _, one in items], batch_first=True)
        if self.modality == "image":  # nothing is decoded again
            return {"pixel_values": hidden, "hidden": hidden}
        return {**self._encoder.collate([item for item, _ in items]), "hidden": hidden}

    def pool(self, batch: Batch) -> torch.Tensor:
        """Return the features of a batch."""
        self._given.value = batch["hidden"]
        return self._behind.pool({name: tensor for name, tensor in batch.items() if name != "hidden"})
