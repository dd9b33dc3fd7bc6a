"""Images: a row's content is the bytes of an image file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graft.modality.base import Baseline, ContentCheck, Found, Oddity
from graft.records.shift import Profile

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from graft.recipe import Validate

SIDE = 32
"""Height and width of the grey picture that images are compared by."""
PROCESSOR = "preprocessor_config.json"
_SHOWN = 88


def _standard_pixels() -> Any:
    from graft.modality.image.features import standard_pixels

    return standard_pixels()


def _brightness(image: bytes) -> float:
    return float(_grey(image).mean())


def _contrast(image: bytes) -> float:
    return float(_grey(image).std())


def _grey(image: bytes, where: str = "an image") -> npt.NDArray[np.uint8]:
    from graft.modality.image.pictures import grey

    return grey(image, where, side=SIDE)


class Image:
    """See ``graft.modality.base.Modality``."""

    name = "image"
    plural = "images"
    column = "column with the image's bytes (Parquet); null: the rows are texts"
    encoder = "an image encoder"
    is_binary = True
    has_tokens = False
    n_previous = 16
    expectable: tuple[str, ...] = ()
    suspect_C = 1.0
    repair = None
    measures: Mapping[str, Callable[[Any], float]] = {"brightness": _brightness, "contrast": _contrast}
    baseline = Baseline("logistic regression on pixels", 0.01, (0.001, 0.01, 0.1), _standard_pixels)

    def content_keys(self, contents: Iterable[bytes], names: Sequence[str]) -> list[str]:
        """Return digests of the upright RGB pixels, whatever files hold them."""
        from graft.modality.image.pictures import content_key

        return [content_key(image, name) for image, name in zip(contents, names, strict=True)]

    def sketches(self, contents: Iterable[bytes], names: Sequence[str]) -> list[bytes]:
        """Return the brightness at 32 x 32 pixels."""
        return [_grey(image, name).tobytes() for image, name in zip(contents, names, strict=True)]

    def bands(self, sketches: Sequence[bytes]) -> npt.NDArray[np.uint64]:
        """Return bands of perceptual hashes."""
        from graft.modality.image.near import image_bands

        return image_bands(_stacked(sketches))

    def similarity(self, a: Sequence[bytes], b: Sequence[bytes]) -> npt.NDArray[np.float64]:
        """Return the correlation of the pixels, 0 where it is negative."""
        from graft.modality.image.near import image_similarity

        return image_similarity(_stacked(a), _stacked(b))

    def checks(self, bounds: Validate) -> tuple[ContentCheck, ...]:
        """Return none: an image that cannot be read is refused when it is brought in."""
        return ()

    @property
    def oddities(self) -> tuple[Oddity, ...]:
        """Blank and tiny images, and unusual kinds of files."""
        from graft.modality.image.oddities import IMAGE_ODDITIES

        return IMAGE_ODDITIES

    def describe(self, contents: pd.Series, names: Sequence[str]) -> pd.DataFrame:
        """Return the oddities of each image."""
        from graft.modality.image.oddities import describe_images

        return describe_images(contents.tolist(), names)

    def shorten(self, contents: pd.Series, names: Sequence[str]) -> list[bytes]:
        """Return each image's sketch."""
        return self.sketches(contents, names)

    def findings(self, frame: pd.DataFrame, sample: pd.DataFrame, bounds: Validate) -> list[Found]:
        """Return none."""
        return []

    def suspect_features(self, shortened: Sequence[Any]) -> Any:
        """Return standardised pixels of sketches."""
        from graft.modality.image.features import image_features

        return image_features(_stacked(shortened)) if len(shortened) else None

    def profile(self, contents: Sequence[Any], base: Path) -> Profile:
        """Describe images by brightness, contrast, width and proportion."""
        from graft.modality.image.profile import profile_images

        return profile_images(contents)

    def lacking(self, files: set[str]) -> str:
        """Return the processor's file where it lacks."""
        return "" if PROCESSOR in files else PROCESSOR

    def show(self, content: bytes) -> dict[str, str]:
        """Return a small picture."""
        import base64

        from graft.modality.image.pictures import thumbnail

        return {"picture": base64.b64encode(thumbnail(content, _SHOWN)).decode()}


def _stacked(sketches: Sequence[bytes]) -> npt.NDArray[np.uint8]:
    import numpy as np

    return np.frombuffer(b"".join(sketches), dtype=np.uint8).reshape(-1, SIDE, SIDE)


IMAGE = Image()
