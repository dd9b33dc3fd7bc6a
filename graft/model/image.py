"""Images: how image files become tensors, and how a base embeds them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoImageProcessor

from graft.model.network import load_network, refusal, refusals, untrained
from graft.pictures import open_picture
from graft.recipe import Modality

PROCESSOR = "preprocessor_config.json"
_ORDER = torch.channels_last  # halves the time of convolutions on a CPU
Item = tuple[str, bytes]
"""What names an image to people, and its file's bytes."""


@dataclass(frozen=True)
class ImageEncoder:
    """A processor (resizing, cropping, scaling) and a network; an item is an image file, decoded when its batch comes up."""

    processor: Any
    network: Any
    dimension: int
    modality: Modality = "image"
    is_pretrained: bool = True

    @classmethod
    def load(cls, folder: Path) -> ImageEncoder:
        """Return the encoder in a folder, tried on two blank pictures: then processor and network fit each other.

        Raises:
            InputError: as ``load_network``; there is no processor, it leaves images at different sizes, or at one that the
                network does not take.
        """
        network = load_network(folder, "image").to(memory_format=_ORDER)
        if not (folder / PROCESSOR).is_file():
            raise refusal(folder, "image", f"{folder} has no {PROCESSOR}")
        blank = [np.full((*sides, 3), 255, dtype=np.uint8) for sides in ((40, 64), (64, 40))]
        with refusals(folder, "image"), torch.inference_mode():
            processor = AutoImageProcessor.from_pretrained(
                folder, backend="pil", trust_remote_code=False, local_files_only=True
            )
            tried = _pool(network, processor(images=blank, return_tensors="pt")["pixel_values"])
        return cls(processor=processor, network=network, dimension=tried.shape[1])

    def prepare(self, contents: Sequence[bytes]) -> tuple[list[Item], int]:
        """Return each image with a name for people; none is cut. Nothing is decoded yet: pixels of all would fill memory."""
        return [(f"image {k:,}", content) for k, content in enumerate(contents, start=1)], 0

    def places(self, items: Sequence[Item]) -> list[int]:
        """Return a digest of each file: images need no padding, and a folder sorted by class would give batches of one class."""
        return [int.from_bytes(hashlib.sha256(content).digest()[:6]) for _, content in items]

    def collate(self, items: Sequence[Item]) -> dict[str, torch.Tensor]:
        """Return one batch as a tensor ``pixel_values``, shape (rows, 3, height, width).

        Raises:
            InputError: an image cannot be read.
        """
        pictures = [open_picture(content, where) for where, content in items]
        pixels = self.processor(images=pictures, return_tensors="pt")["pixel_values"]
        return {"pixel_values": pixels.contiguous(memory_format=_ORDER)}

    def pool(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return unit-norm features, shape (rows, dimension)."""
        return _pool(self.network, batch["pixel_values"])

    def frozen(self) -> list[torch.nn.Parameter]:
        """Return the pooler's parameters where there is one with weights (ViT): no feature comes from it."""
        return [parameter for name, parameter in self.network.named_parameters() if name.startswith("pooler.")]

    def vary(
        self, batch: dict[str, torch.Tensor], strength: float, rng: np.random.Generator
    ) -> dict[str, torch.Tensor]:
        """Shift each image by up to ``strength`` of its sides; its edge fills what becomes free. Mirroring can change a class."""
        pixels = batch["pixel_values"]
        height, width = pixels.shape[2:]
        shifts = [np.rint(rng.uniform(-strength, strength, len(pixels)) * side).astype(int) for side in (height, width)]
        rows, columns = (
            torch.from_numpy(np.clip(np.arange(side) - shift[:, None], 0, side - 1))
            for side, shift in zip((height, width), shifts, strict=True)
        )
        picked = [one[:, r][:, :, c] for one, r, c in zip(pixels, rows, columns, strict=True)]
        return {"pixel_values": torch.stack(picked).contiguous(memory_format=_ORDER)}

    def with_network(self, network: Any) -> ImageEncoder:
        """Return the encoder with another network."""
        return replace(self, network=network)

    def untrained(self, seed: int) -> ImageEncoder:
        """Return an encoder of the same architecture and processor that has learned nothing."""
        return replace(self, network=untrained(self.network, seed), is_pretrained=False)

    def settings(self) -> dict[str, Any]:
        """Return what ``graft.json`` says of the encoder."""
        return {"modality": self.modality, "pooling": "mean over places, unit norm"}

    def save(self, folder: Path) -> None:
        """Write network and processor."""
        self.network.to(memory_format=torch.contiguous_format).save_pretrained(folder, safe_serialization=True)
        self.network.to(memory_format=_ORDER)
        self.processor.save_pretrained(folder)


def _pool(network: Any, pixel_values: torch.Tensor) -> torch.Tensor:
    """Return unit-norm features: a convolutional network's own pooled maps, or the mean over a transformer's tokens.

    A vision transformer's own pooler is left alone: most published weights lack it, and transformers would draw it at random.
    """
    output = network(pixel_values=pixel_values)
    hidden = output.last_hidden_state
    if hidden.ndim == 3:
        pooled = hidden.mean(dim=1)
    elif output.pooler_output is not None:
        pooled = output.pooler_output.flatten(start_dim=1)
    else:
        pooled = hidden.mean(dim=(2, 3))
    return torch.nn.functional.normalize(pooled, dim=1)
