"""Images: how image files become tensors, and how a base embeds them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoImageProcessor, AutoModelForImageClassification

from graft.modality.image import IMAGE, PROCESSOR
from graft.modality.image.pictures import open_picture
from graft.model.network import load_classifier, load_network, refusal, refusals, save_network, untrained

_ORDER = torch.channels_last  # halves the time of convolutions on a CPU
WITHOUT_GRAFT = """\
import json
from pathlib import Path

import torch
from PIL import Image, ImageOps
from safetensors.torch import load_file
from transformers import AutoImageProcessor, AutoModel


def classify(file, folder="."):
    graft, head = json.loads(Path(folder, "graft.json").read_text()), load_file(Path(folder, "head.safetensors"))
    picture = ImageOps.exif_transpose(Image.open(file)).convert("RGB")  # transparent ones: lay them over white before
    pixels = AutoImageProcessor.from_pretrained(folder, backend="pil")(picture, return_tensors="pt")["pixel_values"]
    output = AutoModel.from_pretrained(folder)(pixel_values=pixels)
    feature = torch.nn.functional.normalize({pooled}, dim=1)
    shares = (feature @ head["weight"].T + head["bias"]).softmax(dim=1)
    return dict(zip(graft["labels"], shares[0].tolist()))
"""
"""How a promoted model is asked without Graft. It stands in each model's card, and a test runs it."""
POOLED = {
    "tokens": "output.last_hidden_state.mean(dim=1)",
    "pooler": "output.pooler_output.flatten(start_dim=1)",
    "places": "output.last_hidden_state.mean(dim=(2, 3))",
}
"""What ``_pool`` does before it scales to unit norm, by what ``_pooling`` says of a network's output."""
MAX_SIDE = 4096
"""Pixels a side that a processor may bring pictures to: several times those of any published encoder."""
Item = tuple[str, bytes]
"""What names an image to people, and its file's bytes."""


@dataclass(frozen=True)
class ImageEncoder:
    """A processor (resizing, cropping, scaling) and a network; an item is an image file, decoded when its batch comes up."""

    processor: Any
    network: Any
    dimension: int
    pooling: str
    modality: str = IMAGE.name
    is_pretrained: bool = True

    @classmethod
    def load(cls, folder: Path, max_tokens: int = 0) -> ImageEncoder:
        """Return the encoder in a folder, tried on two blank pictures: then processor and network fit each other.

        Args:
            max_tokens: images have none.

        Raises:
            InputError: as ``load_network``; there is no processor, it leaves images at different sizes, or at one that the
                network does not take.
        """
        network = load_network(folder, IMAGE.name, takes="pixel_values").to(memory_format=_ORDER)
        if not (folder / PROCESSOR).is_file():
            raise refusal(folder, IMAGE.name, f"{folder} has no {PROCESSOR}")
        blank = [np.full((*sides, 3), 255, dtype=np.uint8) for sides in ((40, 64), (64, 40))]
        with refusals(folder, IMAGE.name), torch.inference_mode():
            processor = AutoImageProcessor.from_pretrained(
                folder, backend="pil", trust_remote_code=False, local_files_only=True
            )
            if (side := _longest_side(processor.to_dict())) > MAX_SIDE:
                raise ValueError(f"{PROCESSOR} asks for pictures of {side:,} pixels a side; {MAX_SIDE:,} at most")
            output = network(pixel_values=processor(images=blank, return_tensors="pt")["pixel_values"])
            tried = _pool(output)
        return cls(processor=processor, network=network, dimension=tried.shape[1], pooling=_pooling(output))

    def prepare(self, contents: Sequence[bytes]) -> tuple[list[Item], int]:
        """Return each image with a name for people; none is cut. Nothing is decoded yet: pixels of all would fill memory."""
        return [(f"image {k:,}", content) for k, content in enumerate(contents, start=1)], 0

    def batch_order(self, items: Sequence[Item]) -> list[int]:
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
        return _pool(self.network(pixel_values=batch["pixel_values"]))

    def lengths(self, items: Sequence[Item]) -> list[int | None]:
        """Return None for each image: all of a batch are of one size."""
        return [None] * len(items)

    def collate_behind(self, items: Sequence[Item], hidden: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return one batch with ``hidden`` in place of the pixels as well, so that nothing is decoded again."""
        hidden = hidden.contiguous(memory_format=_ORDER) if hidden.ndim == 4 else hidden
        return {"pixel_values": hidden, "hidden": hidden}

    def frozen(self) -> list[torch.nn.Parameter]:
        """Return the pooler's parameters where there is one with weights (ViT): no feature comes from it."""
        return [parameter for name, parameter in self.network.named_parameters() if name.startswith("pooler.")]

    def augment(
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
        picked = [image[:, r][:, :, c] for image, r, c in zip(pixels, rows, columns, strict=True)]
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

    def own_classifier(self, folder: Path) -> Any | None:
        """Return the base's network with its own head, or None."""
        return load_classifier(folder, self.modality, AutoModelForImageClassification)

    def without_graft(self) -> str:
        """Return the lines of Python that ask a model with this encoder without Graft."""
        return WITHOUT_GRAFT.replace("{pooled}", POOLED[self.pooling])

    @property
    def auto_class(self) -> str:
        """The class of transformers for classifiers of images."""
        return str(AutoModelForImageClassification.__name__)

    def save(self, folder: Path) -> None:
        """Write network and processor."""
        save_network(self.network.to(memory_format=torch.contiguous_format), folder, AutoModelForImageClassification)
        self.network.to(memory_format=_ORDER)
        self.processor.save_pretrained(folder)


def _longest_side(settings: dict[str, Any]) -> int:
    """Return the largest number of pixels that a processor's settings name for a side."""
    sizes = [dict(settings.get(name) or {}) for name in ("size", "crop_size", "pad_size")]
    return max((side for size in sizes for side in size.values() if isinstance(side, int)), default=0)


def _pooling(output: Any) -> str:
    """Return where a network's features come from: a convolutional network's own pooled maps, or the mean over tokens or places.

    A vision transformer's own pooler is left alone: most published weights lack it, and transformers would draw it at random.
    """
    if output.last_hidden_state.ndim == 3:
        return "tokens"
    return "places" if output.pooler_output is None else "pooler"


def _pool(output: Any) -> torch.Tensor:
    """Return unit-norm features of what a network gives."""
    pooling, hidden = _pooling(output), output.last_hidden_state
    if pooling == "pooler":
        pooled = output.pooler_output.flatten(start_dim=1)
    else:
        pooled = hidden.mean(dim=1 if pooling == "tokens" else (2, 3))
    return torch.nn.functional.normalize(pooled, dim=1)
