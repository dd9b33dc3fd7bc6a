"""What a base's own head says of rows: of how many of its source classes, and how surely."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from graft.model.device import gpu_memory
from graft.model.encoder import Contents, Encoder, batches, on_device
from graft.model.folder import HEAD, head_probabilities

BATCH_SIZE = 32


@gpu_memory()
def source_probabilities(
    folder: Path, encoder: Encoder, contents: Contents, features: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32] | None:
    """Return the probability that a base's own head gives each of its source classes; None: the base has no head.

    Args:
        folder: the base's folder.
        encoder: as loaded from there.
        contents: the rows.
        features: shape (n, d), what ``embed`` returns for these rows.

    Returns:
        shape (n, source classes), float32, rows summing to 1.

    Raises:
        InputError, TamperError: a head is there and cannot be read.
    Cost: nothing beside the features for a base that Graft made, whose head reads them; else one pass over the rows, as heads
        that others published read something of their own.
    """
    if (folder / HEAD).is_file():
        return head_probabilities(folder, features)
    whole = encoder.own_classifier(folder)
    if whole is None:
        return None
    whole = whole.to(next(encoder.network.parameters()).device)
    items, _ = encoder.prepare(contents)
    probabilities = np.zeros((len(items), whole.config.num_labels), dtype=np.float32)
    with torch.inference_mode():
        for rows in batches(encoder.batch_order(items), BATCH_SIZE):
            logits = whole(**on_device(encoder, encoder.collate([items[i] for i in rows]))).logits
            probabilities[rows] = torch.softmax(logits, dim=1).cpu().numpy()
    return probabilities
