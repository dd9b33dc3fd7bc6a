"""Images as numbers for linear models: small grey pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from graft.modality.image.pictures import grey


def standard_pixels() -> Any:
    """Return what makes standardised brightness at 32 x 32 pixels of images, not yet fitted."""
    return make_pipeline(FunctionTransformer(_pixels), StandardScaler())


def _pixels(images: Sequence[bytes]) -> npt.NDArray[np.float64]:
    """Return the brightness of each image, shape (n, 1024)."""
    return np.stack([grey(content, f"image {k:,}").ravel() for k, content in enumerate(images, start=1)]) / 255.0


def image_features(greys: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return standardised pixels, shape (n, pixels), of greys of shape (n, height, width); rows of norm about 1."""
    pixels = greys.reshape(len(greys), -1).astype(np.float32)
    pixels = (pixels - pixels.mean(axis=0)) / (pixels.std(axis=0) + 1)
    scaled: npt.NDArray[np.float32] = pixels / np.sqrt(np.float32(pixels.shape[1]))
    return scaled
