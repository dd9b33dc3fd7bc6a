"""Low-rank adaptation: small matrices are trained beside the weights and added to them in the end."""

from __future__ import annotations

from typing import Any

from torch import nn

from graft.errors import StepError


def adapted(network: nn.Module, *, rank: int) -> Any:
    """Return a network with trainable matrices of a rank beside every linear layer (beside convolutions, where there are none).

    Raises:
        StepError: peft is not installed.

    Source: Hu et al. 2021; peft's implementation, scaled by 2 as is usual.
    """
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as error:
        raise StepError("finetune.strategy lora needs peft.", do="pip install 'graft[lora]'") from error
    modules = {name: module for name, module in network.named_modules() if not name.startswith("pooler")}
    names = [name for name, module in modules.items() if isinstance(module, nn.Linear)]
    if not names:
        names = [name for name, m in modules.items() if isinstance(m, nn.Conv2d) and m.groups == 1]
    config = LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=0.0, target_modules=names)
    return get_peft_model(network, config)


def merged(network: Any) -> Any:
    """Return the network with what was trained added to its weights, and no trace of the matrices."""
    return network.merge_and_unload()
