"""A second device for machines without one: tensors that say they lie there, and any operation that mixes them is an error.

The values lie in ordinary memory. So what a GPU would refuse, "Expected all tensors to be on the same device", is refused here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

OTHER_DEVICE = "lazy"
"""A device's name that torch knows, that no library does anything for, and whose gradients need no queue of their own."""
_MOVES = {torch.ops.aten._to_copy.default}
_MATH = 0


class MixedDevicesError(AssertionError):
    """An operation was given tensors of both devices. No code under test takes it for something else and goes on."""


class OtherDeviceTensor(torch.Tensor):
    """A tensor of the second device; ``inner`` holds its values."""

    inner: torch.Tensor

    @staticmethod
    def __new__(cls, inner: torch.Tensor) -> OtherDeviceTensor:
        made = torch.Tensor._make_wrapper_subclass(
            cls, inner.shape, strides=inner.stride(), storage_offset=inner.storage_offset(), dtype=inner.dtype,
            device=OTHER_DEVICE,
        )  # fmt: skip
        made.inner = inner
        return made

    def __tensor_flatten__(self) -> tuple[list[str], None]:
        return ["inner"], None

    @staticmethod
    def __tensor_unflatten__(
        inner: dict[str, torch.Tensor], _settings: None, _size: Any, _stride: Any
    ) -> OtherDeviceTensor:
        return OtherDeviceTensor(inner["inner"])

    def __repr__(self) -> str:
        return f"There({tuple(self.shape)})"

    @classmethod
    def __torch_dispatch__(cls, op: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return compute(op, args, kwargs or {})


def compute(op: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Do an operation where its tensors lie.

    Raises:
        MixedDevicesError: they lie on both devices, and neither is a single number nor is it a copy that was asked for.
    """
    leaves = tree_leaves((args, kwargs))
    there = [one for one in leaves if isinstance(one, OtherDeviceTensor)]
    here = [
        one for one in leaves if isinstance(one, torch.Tensor) and not isinstance(one, OtherDeviceTensor) and one.ndim
    ]
    asked = kwargs.get("device")
    is_copy = op is torch.ops.aten.copy_.default or op in _MOVES
    if there and here and not is_copy:
        raise MixedDevicesError(f"{op} on tensors of both devices: {[tuple(one.shape) for one in there + here]}")
    if op is torch.ops.aten._fused_sdp_choice.default and there:
        return _MATH  # what is chosen for the CPU would be called by another name here
    goes_there = torch.device(asked).type == OTHER_DEVICE if asked is not None else bool(there)
    if asked is not None:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    if is_copy:
        goes_there = isinstance(args[0], OtherDeviceTensor) if op is torch.ops.aten.copy_.default else goes_there
    owners = {id(one.inner): one for one in there}
    plain_args, plain = tree_map(lambda one: one.inner if isinstance(one, OtherDeviceTensor) else one, (args, kwargs))
    result = op(*plain_args, **plain)

    def placed(one: Any) -> Any:
        if not isinstance(one, torch.Tensor) or not goes_there:
            return one
        return owners.get(id(one)) if id(one) in owners else OtherDeviceTensor(one)

    return tree_map(placed, result)


class _Watch(TorchDispatchMode):
    def __torch_dispatch__(self, op: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return compute(op, args, kwargs or {})


@contextlib.contextmanager
def second_device(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let Graft put its encoders on the second device in this block, and refuse what mixes devices."""
    from graft.model import encoder

    really: Callable[..., Any] = torch.optim.AdamW

    def unfused(
        groups: Any, *, fused: bool, **settings: Any
    ) -> Any:  # no fused kernel and no autocast know this device
        return really(groups, foreach=False, **settings)

    with monkeypatch.context() as patch, _Watch():
        patch.setattr(encoder, "device", lambda: OTHER_DEVICE)
        patch.setattr(torch.optim, "AdamW", unfused)
        patch.setattr(torch, "inference_mode", torch.no_grad)  # views of a wrapped tensor cannot be made in it
        patch.setattr(torch, "autocast", lambda *_args, **_kwargs: contextlib.nullcontext())
        yield
