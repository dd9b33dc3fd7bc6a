"""A checkpoint: where a training stands, in one file. A killed training goes on from it, and ends with the same bits.

It is a convenience and never evidence. One that is damaged, or of another training, is not used: training starts anew then,
and takes longer. The file, of safetensors, holds every tensor that a step changes, whatever the strategy, and says in its
metadata which training it is of, how far that has come, and the digest of all this.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from graft.records import Value, canonical_json, sha256_bytes

PACKAGES = ("numpy", "pillow", "safetensors", "scikit-learn", "tokenizers", "torch", "transformers")
"""What a training computes with."""
MAX_SHARE = 1 / 20
"""Share of the time that writing checkpoints may take: a large model on a slow disk gets them less often."""
Tensors = dict[str, torch.Tensor]


class TrainingState(Value):
    """How far a training has come.

    Steps done and the summed loss of this epoch's rows; of each epoch before, the mean loss, and loss and accuracy on rows
    held out.
    """

    n_done: int = 0
    total: float = 0.0
    losses: tuple[float, ...] = ()
    held_out: tuple[tuple[float, float], ...] = ()

    def after_step(self, loss: float) -> TrainingState:
        """Return where a training stands after a step whose rows had this summed loss."""
        return self.model_copy(update={"n_done": self.n_done + 1, "total": self.total + loss})

    def after_epoch(self, n_rows: int, held_out: tuple[float, float] | None = None) -> TrainingState:
        """Return where a training stands after the last step of an epoch of so many rows."""
        measured = (held_out,) if held_out else ()
        losses = (*self.losses, round(self.total / n_rows, 6))
        return self.model_copy(update={"total": 0.0, "losses": losses, "held_out": (*self.held_out, *measured)})


def surroundings() -> dict[str, Any]:
    """Return what computes here, and what times and last bits depend on: packages, threads, instruction set, device."""
    return {
        "packages": {name: version(name) for name in PACKAGES},
        "threads": torch.get_num_threads(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
    }


def training_key(facts: dict[str, Any]) -> str:
    """Return the name of a training: the digest of what it depends on.

    Args:
        facts: data, base, settings and the version of the code, as JSON.

    Returns:
        sha256 of the facts and of ``surroundings``.
    """
    return sha256_bytes(canonical_json({"facts": facts, "here": surroundings()}))


@dataclass
class Checkpoint:
    """Where the checkpoint of a training lies, and when one is due.

    Args:
        path: the file, in a folder of its own.
        key: the training's name, by ``training_key``.
        clock: seconds since any time. It decides when a checkpoint is written, and nothing of what a training makes.
        seconds: the time between two of them, at least.
        is_asked_to_stop: whether a person wants to stop and go on later.
    """

    path: Path
    key: str
    clock: Callable[[], float]
    seconds: float
    is_asked_to_stop: Callable[[], bool] = bool
    _next: float = field(init=False)

    def __post_init__(self) -> None:
        self._next = self.clock() + self.seconds

    def part(self, name: str) -> Checkpoint:
        """Return the checkpoint of something that comes before this training and belongs to it."""
        path = self.path.with_stem(f"{self.path.stem}-{name}")
        return Checkpoint(path, f"{self.key} {name}", self.clock, self.seconds, self.is_asked_to_stop)

    def due(self) -> bool:
        """Return whether it is time for a checkpoint."""
        return self.clock() >= self._next or self.is_asked_to_stop()

    def stop_if_asked(self) -> None:
        """Raise KeyboardInterrupt if a person wants to stop."""
        if self.is_asked_to_stop():
            raise KeyboardInterrupt

    def save(self, moving: Tensors, optimizer: torch.optim.Optimizer | None, stand: TrainingState) -> None:
        """Write where a training stands; a crash leaves the checkpoint before or this one.

        Args:
            moving: every tensor that a step changes, by name; all that the optimizer steps are among them.
            optimizer: None where a training has ended, and what came of it is all that is kept.

        Raises:
            OSError, SafetensorError: the disk is full or may not be written.
        """
        started = self.clock()
        tensors = _tensors(moving, optimizer)
        metadata = {"key": self.key, "stand": canonical_json(stand).decode()}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        for left in self.path.parent.glob(".*"):  # by a process that was killed while it wrote
            left.unlink()
        beside = self.path.with_name(f".{self.path.name}.new")
        save_file(tensors, beside, metadata={**metadata, "sha256": digest_tensors(tensors, metadata)})
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(beside, self.path)
        ended = self.clock()
        self._next = ended + max(self.seconds, (ended - started) / MAX_SHARE)

    def restore(self, moving: Tensors, optimizer: torch.optim.Optimizer | None) -> tuple[TrainingState, str]:
        """Bring a training to where its checkpoint stands: tensors, optimizer and torch's random states.

        Args:
            moving: as in ``save``.
            optimizer: one that has not stepped yet; as in ``save``.

        Returns:
            how far the training has come, and a note for people. Without a checkpoint that is whole, of this training and of
            these tensors, nothing is changed.
        """
        if not self.path.is_file():
            return TrainingState(), ""
        try:
            with safe_open(self.path, framework="pt") as file:
                metadata = dict(file.metadata() or {})
            if metadata.get("key") != self.key:
                return TrainingState(), "starts anew, the checkpoint is of another training"
            tensors = load_file(self.path)
            if metadata.pop("sha256", "") != digest_tensors(tensors, metadata):
                return TrainingState(), "starts anew, the checkpoint is damaged"
            stand = TrainingState.model_validate_json(metadata.get("stand", ""))
        except (OSError, SafetensorError, ValidationError):
            return TrainingState(), "starts anew, the checkpoint is damaged"
        if not _fits(tensors, moving):
            return TrainingState(), "starts anew, the checkpoint is of another network"
        _restore(tensors, moving, optimizer)
        return stand, f"goes on after step {stand.n_done:,}"


def _tensors(moving: Tensors, optimizer: torch.optim.Optimizer | None) -> Tensors:
    """Return what a file holds: ``value/NAME``, what the optimizer keeps of it as ``KIND/NAME``, and random states."""
    tensors = _random_states()
    for name, tensor in moving.items():
        tensors[f"value/{name}"] = tensor
        of_it = optimizer.state.get(tensor, {}) if optimizer else {}
        tensors |= {f"{kind}/{name}": value for kind, value in of_it.items()}
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def _random_states() -> Tensors:
    """Return torch's random states that a training draws from: the CPU's and, where there is a GPU, this process's."""
    states = {"random/torch": torch.get_rng_state()}
    return {**states, "random/cuda": torch.cuda.get_rng_state()} if torch.cuda.is_available() else states


def digest_tensors(tensors: Tensors, metadata: Mapping[str, str]) -> str:
    """Return the sha256 of what a file says and of each tensor's name, type, shape and bytes."""
    forms = {name: [str(tensor.dtype), list(tensor.shape)] for name, tensor in tensors.items()}
    digest = hashlib.sha256(canonical_json({"told": dict(metadata), "tensors": forms}))
    for name in sorted(tensors):
        digest.update(tensors[name].reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _fits(tensors: Tensors, moving: Tensors) -> bool:
    """Return whether a file holds the tensors that move, in type and shape, and nothing of others."""
    values = {name.removeprefix("value/"): tensor for name, tensor in tensors.items() if name.startswith("value/")}
    random = {name for name in tensors if name.startswith("random/")}
    owners = {name.partition("/")[2] for name in tensors.keys() - random}
    return (
        random == _random_states().keys()
        and owners == set(moving) == set(values)
        and all((t.dtype, t.shape) == (moving[name].dtype, moving[name].shape) for name, t in values.items())
    )


def _restore(tensors: Tensors, moving: Tensors, optimizer: torch.optim.Optimizer | None) -> None:
    """Copy a file's tensors to where they belong, in the memory layout that is there."""
    torch.set_rng_state(tensors.pop("random/torch"))
    if "random/cuda" in tensors:
        torch.cuda.set_rng_state(tensors.pop("random/cuda"))
    with torch.no_grad():
        for full, saved in tensors.items():
            kind, _, name = full.partition("/")
            owner = moving[name]
            if kind == "value":
                owner.copy_(saved)
            elif optimizer:  # the fused optimizer walks both in the order of memory, which need not be that of the file
                like = owner if saved.shape == owner.shape else saved
                optimizer.state[owner][kind] = torch.empty_like(like, dtype=saved.dtype, device=owner.device).copy_(
                    saved
                )
