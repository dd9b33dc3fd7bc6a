"""What embeds rows, whatever they are: the interface that all modalities share, and embedding through it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from graft.modality import MODALITIES
from graft.model.device import device, gpu_memory
from graft.model.feature_cache import Embedded, FeatureCache
from graft.model.folder_check import check_plain
from graft.model.image import ImageEncoder
from graft.model.text import TextEncoder

Contents = Sequence[Any]
"""What is classified: strings or bytes, as the modality says."""
Batch = dict[str, torch.Tensor]
Progress = Callable[[int, int, str], None]
"""Called with (done, total, note)."""


def silent(done: int, total: int, note: str) -> None:
    """Show no progress."""


class Body(Protocol):
    """What a training needs of an encoder, or of its last layers."""

    @property
    def network(self) -> Any:
        """The torch module."""

    @property
    def dimension(self) -> int:
        """The features' width."""

    def batch_order(self, items: Any) -> list[int]:
        """Return a number for each item; items of like numbers share a batch."""

    def collate(self, items: Any) -> Batch:
        """Return items as one batch of tensors."""

    def pool(self, batch: Batch) -> torch.Tensor:
        """Return the features of a batch."""


class Encoder(Body, Protocol):
    """What turns contents into features: unit-norm rows of width ``dimension``."""

    @property
    def modality(self) -> str:
        """What the contents are, a key of ``MODALITIES``."""

    def prepare(self, contents: Any) -> tuple[list[Any], int]:
        """Return what ``collate`` needs of each content, and how many contents were cut."""

    def lengths(self, items: Any) -> list[int | None]:
        """Return the length of each item where a batch is padded to its longest; None: batches are not padded."""

    def collate_behind(self, items: Any, hidden: torch.Tensor) -> Batch:
        """Return a batch for the layers behind a cut: ``hidden``, which comes to the first of them, and what else they take."""

    def frozen(self) -> list[torch.nn.Parameter]:
        """Return the parameters that are not trained."""

    def augment(self, batch: Batch, strength: float, rng: np.random.Generator) -> Batch:
        """Return a batch changed at random in a way that leaves each row's class alone."""

    @property
    def is_pretrained(self) -> bool:
        """Whether the weights come from a base."""

    def with_network(self, network: Any) -> Encoder:
        """Return the encoder with another network."""

    def untrained(self, seed: int) -> Encoder:
        """Return an encoder of the same architecture that has learned nothing; its weights are drawn at random."""

    def settings(self) -> dict[str, Any]:
        """Return what is needed to load the encoder again, beside its folder."""

    def own_classifier(self, folder: Path) -> Any | None:
        """Return the base's network with the head that it was published with; None: there is none of two classes or more.

        Raises:
            InputError: the head is there and cannot be read.
        """

    def without_graft(self) -> str:
        """Return the lines of Python that ask a model with this encoder without Graft, for its card."""

    @property
    def auto_class(self) -> str:
        """The class of transformers that loads classifiers of such a network, and refuses the folder that ``save`` writes."""

    def save(self, folder: Path) -> None:
        """Write the encoder as a Hugging Face folder, from which no classifier is loaded by mistake."""


ENCODERS: dict[str, Callable[[Path, int], Encoder]] = {
    TextEncoder.modality: TextEncoder.load,
    ImageEncoder.modality: ImageEncoder.load,
}
"""What loads the encoder in a folder, for each of ``MODALITIES``; it is given ``max_tokens`` too."""


@gpu_memory()
def load_encoder(folder: Path, modality: str, *, max_tokens: int) -> Encoder:
    """Return the encoder in a base's folder, in evaluation mode, float32, on the GPU where there is one.

    Args:
        max_tokens: where contents are cut, if they have tokens.

    Raises:
        InputError: the folder holds no encoder of that modality in safetensors that transformers knows without remote code, or
            something that is not plain (see ``check_plain``).
        ResourceError: the GPU is out of memory.
    """
    check_plain(folder)
    encoder = ENCODERS[modality](folder, max_tokens)
    encoder.network.to(device())
    return encoder


def on_device(encoder: Body, batch: Batch) -> Batch:
    """Return a batch where the encoder's network is."""
    device = next(encoder.network.parameters()).device
    return {name: tensor.to(device) for name, tensor in batch.items()}


def batches(places: npt.ArrayLike, size: int) -> Iterator[npt.NDArray[np.int_]]:
    """Yield the rows of each batch, rows of like place together: the same batches every time."""
    order = np.argsort(places, kind="stable")
    for start in range(0, len(order), size):
        yield order[start : start + size]


def embed(
    folder: Path,
    contents: Contents,
    *,
    modality: str,
    max_tokens: int,
    batch_size: int = 32,
    chunks: Sequence[slice] = (),
    cache: FeatureCache | None = None,
    progress: Progress = silent,
) -> Embedded:
    """Embed contents with a base: the unit-norm mean of its last layer.

    Args:
        folder: the base's folder.
        contents: n strings or bytes, as the modality says.
        max_tokens: where contents are cut, if they have tokens.
        chunks: rows that may share a batch, one slice behind the other; none given: all rows.
        cache: where each chunk's features are looked for first, and kept. Its key names the base, the settings and the code.

    Returns:
        features, shape (n, dimension), float32, unit norm; the number of contents that were cut to ``max_tokens``. They are the
        same bits with a cache and without.

    Raises:
        InputError: as ``load_encoder``, or a content cannot be read.
        OSError: the cache cannot be written.
    Cost: texts: 2 x (parameters without embeddings) x tokens FLOPs; about 60 texts/s a core for MiniLM and 50 tokens.
        Images: 2 x (multiply-adds of the network) FLOPs each; only one batch is ever decoded.
    Checked against: published 8-per-class banking77 accuracy, tests/statistical/test_banking77.py; a published ImageNet
        prediction, tests/statistical/test_mobilenet.py.
    """
    encoder = load_encoder(folder, modality, max_tokens=max_tokens)
    features = np.zeros((len(contents), encoder.dimension), dtype=np.float32)
    n_cut = 0
    for chunk in chunks or [slice(0, len(contents))]:
        part, before = contents[chunk], chunk.start or 0
        name = cache.name(part) if cache else ""
        found = cache.read(name, features[chunk].shape) if cache else None
        if found is None:
            items, n_cut_here = encoder.prepare(part)
            show = _behind(progress, before, len(contents))
            found = embed_items(encoder, items, batch_size=batch_size, progress=show).numpy(), n_cut_here
            if cache:
                cache.write(name, *found)
        else:
            progress(before + len(part), len(contents), MODALITIES[modality].plural)
        features[chunk] = found[0]
        n_cut += found[1]
    return features, n_cut


@gpu_memory()
def embed_items(
    encoder: Encoder, items: list[Any], *, batch_size: int = 32, progress: Progress = silent
) -> torch.Tensor:
    """Return the features of prepared items, shape (n, dimension), float32, without dropout."""
    features = torch.zeros(len(items), encoder.dimension)
    encoder.network.eval()
    done = 0
    with torch.inference_mode():
        for rows in batches(encoder.batch_order(items), batch_size):
            features[rows] = encoder.pool(on_device(encoder, encoder.collate([items[i] for i in rows]))).cpu()
            done += len(rows)
            progress(done, len(items), MODALITIES[encoder.modality].plural)
    return features


def _behind(progress: Progress, n_before: int, total: int) -> Progress:
    """Return a progress for a part of the rows, which stands behind ``n_before`` of them."""
    return lambda done, _of, note: progress(n_before + done, total, note)
