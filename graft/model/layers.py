"""The layers of a network, whatever its architecture: which there are, how deep each parameter lies, and cutting between two.

A network is taken as what comes first (embeddings, a stem), a stack of layers, and what comes last. Where only the last
layers are trained, what the first ones make of a row never changes: it is computed once and kept.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from graft.errors import InputError
from graft.modality import MODALITIES
from graft.model.encoder import Batch, Encoder, Progress, batches, on_device, silent

TOLERANCE = 1e-4
"""How far features through the cut may lie from those of the whole network: rounding of float32 in other batch shapes."""
N_CHECKED = 8
_MISFITS = (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError)
"""What networks raise whose layers hand on more than one tensor, or whose first part does not give the first layer its."""


@dataclass(frozen=True)
class Stack:
    """Where a network's layers lie: the children that come before them, and the dotted name of the list of layers."""

    before: tuple[str, ...]
    name: str
    n_layers: int

    def depth(self, parameter: str) -> int:
        """Return how many layers lie above a parameter: 0 in the last layer and behind it, ``n_layers`` before the first."""
        if parameter.startswith(f"{self.name}."):
            return self.n_layers - 1 - int(parameter.removeprefix(f"{self.name}.").split(".")[0])
        return self.n_layers if parameter.split(".", maxsplit=1)[0] in self.before else 0


def find_stack(network: nn.Module) -> Stack:
    """Return where a network's layers lie: its largest list of modules.

    Raises:
        InputError: it has no such list behind a first part.
    """
    lists = {name: module for name, module in network.named_modules() if isinstance(module, nn.ModuleList)}
    name = max(lists, key=lambda path: sum(p.numel() for p in lists[path].parameters()), default="")
    children = [child for child, _ in network.named_children()]
    before = children[: children.index(name.split(".")[0])] if name else []
    if not before:
        raise InputError(
            f"The layers of a {type(network).__name__} cannot be told apart.",
            do="use finetune.strategy: full, and finetune.layer_decay: 1.0",
        )
    return Stack(tuple(before), name, len(lists[name]))


class _ReachedError(Exception):
    """The forward pass has come to where it was cut."""


def _shallow(module: nn.Module) -> nn.Module:
    """Return a module that shares everything with another, until one of its children is set."""
    other = copy.copy(module)
    other._modules = dict(module._modules)
    return other


def _stand_in(module: nn.Module, forward: Callable[..., Any]) -> nn.Module:
    """Return a module that looks like another, for networks read their parts' attributes, and does something else."""
    other = _shallow(module)
    other.forward = forward
    return other


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


class Cut:
    """An encoder cut before its last layers: items carry what the layers before made of them, without dropout.

    The layers behind the cut are those of the encoder itself, so that training them trains it.
    """

    def __init__(self, encoder: Encoder, n_layers: int) -> None:
        """Cut before the last ``n_layers``.

        Raises:
            InputError: the encoder has no more layers than that, or none that can be distinguished.
        """
        stack = find_stack(encoder.network)
        if n_layers >= stack.n_layers:
            few = f"take 1 to {stack.n_layers - 1}, or " if stack.n_layers > 1 else "use "
            raise InputError(
                f"finetune.n_layers is {n_layers}, and this base has {stack.n_layers} layers.",
                do=f"{few}finetune.strategy: full",
            )
        self._given = self._reached = torch.empty(0)
        layers = list(encoder.network.get_submodule(stack.name).children())
        before = _with_layers(encoder.network, stack, [*layers[:-n_layers], _stand_in(layers[-n_layers], self._stop)])
        behind = _with_layers(encoder.network, stack, layers[-n_layers:])
        first = stack.before[0]
        setattr(behind, first, _stand_in(encoder.network.get_submodule(first), self._give))
        self._encoder, self._before, self._behind = encoder, encoder.with_network(before), encoder.with_network(behind)
        self.modality = encoder.modality
        self.network, self.dimension = behind, encoder.dimension

    def _stop(self, hidden: torch.Tensor, *_args: Any, **_kwargs: Any) -> None:
        """Stand where the next layer would, and keep what comes to it."""
        self._reached = hidden
        raise _ReachedError

    def _give(self, *_args: Any, **_kwargs: Any) -> torch.Tensor:
        """Stand where the network begins, and give what comes to the first layer behind the cut."""
        return self._given

    def prepare(self, items: list[Any], *, batch_size: int = 32, progress: Progress = silent) -> tuple[list[Any], int]:
        """Return items with what the layers before the cut make of them.

        Memory: what comes to the cut of each item; texts: tokens x width x 4 bytes; images: a map of the layer before.

        Raises:
            InputError: features through the cut are not those of the whole network, as where layers pass on more than one tensor.
        """
        self.check(items)
        stored: list[Any] = [None] * len(items)
        done = 0
        for rows in batches(self._encoder.batch_order(items), batch_size):
            for i, states in zip(rows, self._keep([items[i] for i in rows]), strict=True):
                stored[i] = states
            done += len(rows)
            progress(done, len(items), f"{MODALITIES[self.modality].plural} through the first layers")
        return stored, 0

    def check(self, items: list[Any]) -> None:
        """Compare features through the cut with those of the whole network, on a few items from the shortest to the longest.

        Raises:
            InputError: they are not the same.
        """
        order = np.argsort(self._encoder.batch_order(items), kind="stable")
        few = [items[i] for i in order[np.unique(np.linspace(0, len(items) - 1, N_CHECKED).round().astype(int))]]
        refusal = InputError("This base cannot be cut between two layers.", do="use finetune.strategy: full")
        self._encoder.network.eval()
        self.network.eval()
        try:
            with torch.inference_mode():
                through = self.pool(on_device(self, self.collate(self._keep(few))))
                whole = self._encoder.pool(on_device(self._encoder, self._encoder.collate(few)))
        except torch.OutOfMemoryError:  # a RuntimeError too, and no fault of the base
            raise
        except _MISFITS as error:
            raise refusal from error
        if not (through - whole).abs().max() <= TOLERANCE:
            raise refusal

    def _keep(self, items: list[Any]) -> list[Any]:
        """Return a batch of items, each with what comes to the cut, without its padding."""
        self._before.network.eval()
        try:
            with torch.inference_mode():
                self._before.pool(on_device(self._encoder, self._encoder.collate(items)))
        except _ReachedError:
            hidden = zip(items, self._reached.cpu(), self._encoder.lengths(items), strict=True)
            return [(item, states[:length].clone()) for item, states, length in hidden]
        raise InputError("This base does not use its layers one after another.", do="use finetune.strategy: full")

    def batch_order(self, items: list[Any]) -> list[int]:
        """Return a number for each item, as the encoder does."""
        return self._encoder.batch_order([item for item, _ in items])

    def collate(self, items: list[Any]) -> Batch:
        """Return items as one batch, with what stands before the cut as ``hidden``."""
        hidden = nn.utils.rnn.pad_sequence([states for _, states in items], batch_first=True)
        return self._encoder.collate_behind([item for item, _ in items], hidden)

    def pool(self, batch: Batch) -> torch.Tensor:
        """Return the features of a batch."""
        self._given = batch["hidden"]
        return self._behind.pool({name: tensor for name, tensor in batch.items() if name != "hidden"})
