"""One training in several processes, started by ``torchrun``: each takes its part of every batch, and the gradients are added up.

With one process, nothing here does anything.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

import torch
from torch import distributed


def join() -> None:
    """Join the other processes, if ``torchrun`` started this one: over NCCL with a GPU each, else over gloo."""
    if "TORCHELASTIC_RUN_ID" in os.environ and not distributed.is_initialized():
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")


def rank() -> int:
    """Return this process's number."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def size() -> int:
    """Return how many processes there are."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def add_up(loss: float, parameters: Iterable[torch.Tensor]) -> float:
    """Add up loss and gradients over all processes; a parameter without a gradient in one has one of zeros there."""
    if size() == 1:
        return loss
    total = torch.tensor(loss, device="cuda" if distributed.get_backend() == "nccl" else "cpu")
    distributed.all_reduce(total)
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        distributed.all_reduce(parameter.grad)
    return float(total)
