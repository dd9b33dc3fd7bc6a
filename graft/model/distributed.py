"""One training in several processes, started by ``torchrun``: each takes its part of every batch, and the gradients are added up.

With one process, nothing here does anything.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import distributed

from graft.errors import StepError


def launch(arguments: Sequence[str]) -> None:
    """Start the processes of a training as ``torchrun`` does with these arguments, and wait until all have ended.

    Raises:
        StepError: one was killed or failed, and all others ended with it.
    """
    from torch.distributed import run  # slow, and for the process alone that starts the others
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    try:
        run.run(run.parse_args(list(arguments)))  # type: ignore[no-untyped-call]
    except ChildFailedError as error:
        number, failure = error.get_first_failure()
        by = failure.signal_name() if failure.exitcode < 0 else f"exit status {failure.exitcode}"
        raise StepError(
            "A process of the training ended before its time, and all others with it.",
            where=f"process {number}, by {by}",
            do="the same command goes on from the last checkpoint",
        ) from error


@contextmanager
def joined() -> Iterator[None]:
    """Join the other processes that ``torchrun`` started: over NCCL with a GPU each, else over gloo.

    Raises:
        StepError: there are fewer GPUs than processes.
    """
    if torch.cuda.is_available():
        place, n_gpus = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if place >= n_gpus:
            do = f"set it to {n_gpus}"
            raise StepError(f"finetune.n_processes wants a GPU each, and this machine has {n_gpus}.", do=do)
        torch.cuda.set_device(place)
    distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield
    finally:
        distributed.destroy_process_group()


@contextmanager
def threads_shared(n_processes: int) -> Iterator[int]:
    """Compute with as many threads as each of several processes may, and give their number: checkpoints depend on it."""
    before = torch.get_num_threads()
    n_threads = max(1, before // n_processes)
    torch.set_num_threads(n_threads)
    try:
        yield n_threads
    finally:
        torch.set_num_threads(before)


def rank() -> int:
    """Return this process's number."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def size() -> int:
    """Return how many processes there are."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def add_up(loss: float, parameters: Iterable[torch.Tensor]) -> float:
    """Add up loss and gradients over all processes; a parameter has a gradient in all of them or in none."""
    if size() == 1:
        return loss
    total = _tensor((loss,))
    distributed.all_reduce(total)
    for parameter in parameters:
        if parameter.grad is not None:
            distributed.all_reduce(parameter.grad)
    return float(total)


def of_first(measured: tuple[float, float]) -> tuple[float, float]:
    """Return what the first process measured: the others stop where it does, though their last bits be others."""
    if size() == 1:
        return measured
    tensor = _tensor(measured)
    distributed.broadcast(tensor, 0)
    return float(tensor[0]), float(tensor[1])


def check_same(n_done: int) -> None:
    """Check that all processes go on from the same step.

    Raises:
        StepError: they read different checkpoints.
    """
    if of_first((n_done, 0.0))[0] != n_done:
        raise StepError("The processes of this training read different checkpoints.", do="run it again")


def _tensor(values: tuple[float, ...]) -> torch.Tensor:
    device = "cuda" if distributed.get_backend() == "nccl" else "cpu"
    return torch.tensor(values, dtype=torch.float64, device=device)
