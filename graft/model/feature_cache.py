"""Features that were computed before, in a file for each chunk of rows that are embedded together.

The last bits of a row's features depend on the rows that share its batch. So what is kept is a whole chunk, under a name made
of everything that its bits depend on: with the cache and without it the features are the same. Like a checkpoint it is a
convenience and never evidence: a file that is damaged, or of anything else, is not used, and its rows are embedded again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from graft.model.checkpoint import digest_tensors
from graft.records import sweep, write_atomic

SUFFIX = ".safetensors"
Embedded = tuple[npt.NDArray[np.float32], int]
"""Features, shape (n, dimension), and how many of the n contents were cut."""


@dataclass(frozen=True)
class FeatureCache:
    """Where the features of a base are kept.

    Args:
        folder: of this cache alone; those of several bases may share it.
        key: what the features depend on beside the contents, by ``training_key``: base, settings, code and machine.
        used: the names of the files that were asked for.
    """

    folder: Path
    key: str
    used: set[str] = field(default_factory=set)

    def name(self, contents: Iterable[str | bytes]) -> str:
        """Return the name of the file for a chunk of contents."""
        digest = hashlib.sha256(self.key.encode())
        for content in contents:
            plain = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
            digest.update(len(plain).to_bytes(8) + plain)
        return digest.hexdigest() + SUFFIX

    def read(self, name: str, shape: tuple[int, ...]) -> Embedded | None:
        """Return what a file keeps; None without one that is whole, of that name and that shape."""
        self.used.add(name)
        try:
            with safe_open(self.folder / name, framework="pt") as file:
                metadata = dict(file.metadata() or {})
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - it is no mapping
            is_whole = metadata.pop("sha256", "") == digest_tensors(tensors, metadata) and metadata.get("name") == name
            features, n_cut = tensors["features"], int(metadata["n_cut"])
        except (OSError, SafetensorError, KeyError, ValueError):
            return None
        fits = features.dtype == torch.float32 and tuple(features.shape) == shape
        return (features.numpy(), n_cut) if is_whole and fits else None

    def write(self, name: str, features: npt.NDArray[np.float32], n_cut: int) -> None:
        """Keep a chunk's features; a crash leaves the whole file or none.

        Raises:
            OSError: the disk is full or may not be written.
        """
        tensors, metadata = {"features": torch.from_numpy(features)}, {"name": name, "n_cut": str(n_cut)}
        write_atomic(
            self.folder / name, save(tensors, metadata={**metadata, "sha256": digest_tensors(tensors, metadata)})
        )


def keep_only(folder: Path, used: set[str]) -> None:
    """Take away the files of a cache that were not asked for, and what killed processes left of theirs."""
    for path in folder.glob(f"*{SUFFIX}"):
        if path.name not in used:
            path.unlink()
    sweep(folder, deep=False)
