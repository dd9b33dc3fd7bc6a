"""Low-rank adaptation: small matrices are trained beside the weights and added to them in the end."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from torch import nn

from graft.errors import InputError, StepError


def adapt(network: nn.Module, *, rank: int) -> Any:
    """Put trainable matrices of a rank beside every linear layer (beside convolutions, where there are none), in place.

    Returns:
        what ``merge_and_unload()`` adds them to the weights with, leaving no trace of them.

    Raises:
        StepError: peft is not installed.
        InputError: the network has no such layers.

    Source: Hu et al. 2021; peft's implementation, scaled by 2 as is usual.
    """
    try:
        from peft import LoraConfig, LoraModel
    except ImportError as error:
        raise StepError("finetune.strategy lora needs peft.", do="pip install 'graft-mlops[lora]'") from error
    modules = {name: module for name, module in network.named_modules() if not name.startswith("pooler")}
    names = [name for name, module in modules.items() if isinstance(module, nn.Linear)]
    if not names:
        names = [name for name, m in modules.items() if isinstance(m, nn.Conv2d) and m.groups == 1]
    if not names:
        raise InputError(
            f"A {type(network).__name__} has no layers that lora knows.", do="use finetune.strategy: top_k or full"
        )
    config = LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=0.0, target_modules=names)
    adapter = LoraModel(network, config, "default")
    for module in network.modules():  # some networks read them of their convolutions (MobileNetV2)
        if isinstance(conv := getattr(module, "base_layer", None), nn.Conv2d):
            for name in ("stride", "kernel_size", "dilation", "padding"):
                setattr(module, name, getattr(conv, name))
    return adapter


def is_installed() -> bool:
    """Return whether peft is there."""
    return find_spec("peft") is not None
