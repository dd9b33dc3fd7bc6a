"""Holds a network to its weights while it is built: settings may promise no more than the files beside them hold.

Settings of a few bytes can ask for a million layers or for tables that fill any memory. What a network is made of is counted as
it is made, by torch's own hooks, so that it does not matter what an architecture calls its layers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

from torch.nn.modules import module as hooks

from graft.errors import InputError
from graft.model.shards import Shapes

_MORE = 4
"""Parameters and values for each in the files, at most: transformers may split one tensor into several."""
_BESIDE = 100
"""Parameters that files may lack, as a pooler's."""
_VALUES_BESIDE = 2**26
"""Values that no file holds: masks and angles, 256 MB of them."""
_MODULES = 100
"""Modules for each tensor, at most: most layers have several without any."""


@contextmanager
def held_to(shapes: Shapes, folder: Path) -> Iterator[None]:
    """Build a network of a base in this block.

    Args:
        shapes: what the headers of the base's files say.

    Raises:
        InputError: it would have more layers or larger tables than the files hold; raised once it has as many, not at the end.
    """
    left = {
        "parameters": _MORE * len(shapes) + _BESIDE,
        "modules": _MODULES * (len(shapes) + _BESIDE),
        "values": _MORE * sum(prod(shape) for shape in shapes.values()) + _VALUES_BESIDE,
    }

    def take(what: str, n: int) -> None:
        left[what] -= n
        if left[what] < 0:
            raise InputError(
                f"Base {folder.name} promises a larger network than its weights are.",
                where=f"{folder / 'config.json'}: more {what} than fit its {len(shapes):,} tensors",
                do="copy the base's folder again",
            )

    def count(_module: Any, _name: str, tensor: Any) -> None:
        if tensor is not None:
            take("parameters", 1)
            take("values", tensor.numel())

    handles = (
        hooks.register_module_parameter_registration_hook(count),
        hooks.register_module_buffer_registration_hook(count),
        hooks.register_module_module_registration_hook(lambda _module, _name, _child: take("modules", 1)),
    )
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
