"""What a training costs in floating-point operations, by a fixed table: the same on every machine, so that choices by it are."""

from __future__ import annotations

import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from graft.model.device import gpu_memory
from graft.model.encoder import Contents, Encoder, on_device
from graft.model.examples import Examples
from graft.model.layers import find_stack
from graft.recipe import Finetune
from graft.rows import NO_LABEL

TERA = 1e12
N_SAMPLE = 64
BACKWARD = {"full": 2.0, "contrastive": 2.0, "lora": 1.0}
"""Cost of a backward pass over that of the forward one: gradients of activations and of weights each cost as much as it does."""


def _attention(query: torch.Size, key: torch.Size, value: torch.Size, *_args: object, **_kwargs: object) -> int:
    return int(sdpa_flop_count(query, key, value))  # type: ignore[no-untyped-call]  # torch publishes no type for it


_LACKING = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention}
"""What torch's own table lacks."""


@gpu_memory()
def forward_flops(encoder: Encoder, contents: Contents) -> float:
    """Return the floating-point operations of one forward pass over one row, the mean over a sample of rows.

    Cost: one pass over each length among at most ``N_SAMPLE`` rows, evenly spaced; counting takes some 50 ms.
    """
    sample = [contents[i] for i in range(0, len(contents), max(1, len(contents) // N_SAMPLE))][:N_SAMPLE]
    items, _ = encoder.prepare(sample)
    of_shape: dict[tuple[torch.Size, ...], int] = {}
    total = 0
    with torch.inference_mode():
        for item in items:
            batch = encoder.collate([item])
            shape = tuple(tensor.shape for tensor in batch.values())
            if shape not in of_shape:
                with FlopCounterMode(display=False, custom_mapping=_LACKING) as counter:
                    encoder.pool(on_device(encoder, batch))
                of_shape[shape] = counter.get_total_flops()
            total += of_shape[shape]
    return total / len(items)


FIRST_EPOCHS = 10
"""Epochs of the first model where there are unlabelled rows: few rows want many."""


ALONE: dict[str, float | None] = {"held_out": 0.0, "patience": None, "interpolation": 1.0}
"""Settings of a training that comes before the one asked for: nothing is held out from its rows."""


def first_of(config: Finetune) -> Finetune:
    """Return the settings of the model of the labelled rows alone, which says what unlabelled rows are.

    Where all layers are trained it is by contrast, which knows more of few rows.
    """
    contrast = (
        {"strategy": "contrastive", "mixup": 0.0} if config.strategy == "full" and config.n_processes == 1 else {}
    )
    return config.model_copy(update={**ALONE, "n_epochs": FIRST_EPOCHS, **contrast})


def training_flops(
    encoder: Encoder, config: Finetune, n_rows: float, *, forward: float, n_unlabelled: int = 0
) -> float:
    """Return the floating-point operations of a training; the base's own features are there already.

    Args:
        n_rows: rows, unlabelled ones included.
        forward: as ``forward_flops`` returns it.
    """
    if config.strategy == "head":
        return 0.0
    first = 0.0
    if n_unlabelled:
        first = (
            training_flops(encoder, first_of(config), n_rows - n_unlabelled, forward=forward) + n_unlabelled * forward
        )
    if config.strategy == "top_k":
        share = config.n_layers / find_stack(encoder.network).n_layers
        return first + n_rows * forward * ((1 - share) + 3 * config.n_epochs * share)
    refit = 1 if config.strategy == "contrastive" else 0
    return first + n_rows * forward * (refit + config.n_epochs * (1 + BACKWARD[config.strategy]))


def run_flops(encoder: Encoder, examples: Examples, config: Finetune, *, forward: float) -> float:
    """Return the floating-point operations of embedding rows and training on them.

    Args:
        encoder: the base, or what was made of it: only its architecture counts.
        forward: as ``forward_flops`` returns it.
    """
    n, n_unlabelled = len(examples.labels), int((examples.labels == NO_LABEL).sum())
    return n * forward + training_flops(encoder, config, n, forward=forward, n_unlabelled=n_unlabelled)


def epochs_within(n_rows: int, spent: float, *, forward: float) -> tuple[int, float]:
    """Return how often all layers can be trained on rows that are embedded first, and what that takes, about as was spent.

    None at all where these are just enough to embed the rows: what is left then is a head on the features as they are.
    """
    embedding = n_rows * forward
    epoch = (1 + BACKWARD["full"]) * embedding
    n_epochs = max(0, round((spent - embedding) / epoch))
    return n_epochs, embedding + n_epochs * epoch
