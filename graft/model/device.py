"""Where tensors are computed: on the GPU where there is one; and what is said where its memory does not suffice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from graft.errors import ResourceError


def device() -> str:
    """Return where encoders are put: the GPU of this process, else the CPU."""
    return "cuda" if torch.cuda.is_available() else "cpu"


@contextmanager
def gpu_memory() -> Iterator[None]:
    """Turn a GPU's lack of memory, which torch reports as a RuntimeError like many others, into an error of its own.

    Raises:
        ResourceError: the GPU is out of memory.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise ResourceError(
            "The GPU is out of memory.",
            where=str(error).partition(". ")[0],
            do="lower finetune.batch_size or embed.max_tokens, take a smaller base, or end what else uses the GPU",
        ) from error
