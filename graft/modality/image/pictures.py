"""What an image file shows: upright 8-bit RGB pixels, whatever the file's format; or why it cannot be read."""

from __future__ import annotations

import hashlib
import struct
import warnings
from dataclasses import dataclass
from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, UnidentifiedImageError

from graft.errors import InputError

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")
MAX_PIXELS = 50_000_000
"""Above any camera's picture that is worth classifying; 150 MB as RGB."""
MAX_RATIO = 100
"""Of the sides: processors bring the shorter one to some 256 pixels, and a strip of 1 x 50,000 would fill memory."""
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What sets a picture upright, by its EXIF orientation."""
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    AttributeError,
    AssertionError,
    LookupError,
    ArithmeticError,
    EOFError,
    MemoryError,
    RuntimeError,
    struct.error,
)
"""What Pillow's decoders raise on damaged bytes; found by damaging files at random."""


@dataclass(frozen=True)
class Picture:
    """An image file in words.

    ``width`` and ``height`` are pixels of the upright picture; ``mode`` is Pillow's name of the file's own pixels ("RGB", "L",
    "I;16"). ``oddities`` are among "16-bit", "float", "CMYK", "rotated by EXIF", "transparent", "palette". ``is_blank``: all
    pixels are equal. ``key``: see ``content_key``.
    """

    width: int
    height: int
    mode: str
    format: str
    oddities: tuple[str, ...]
    is_blank: bool
    key: str


def open_picture(content: bytes, where: str) -> Image.Image:
    """Return an image file's picture in 8-bit RGB, upright, transparent parts over white, without its metadata.

    16-bit, integer and float greys are scaled from the smallest of the ranges 0-1 (floats alone), 0-255 (not 16-bit) and
    0-65535 that holds all their values.

    Args:
        content: the file's bytes: PNG, JPEG, WebP, BMP, TIFF or GIF.
        where: what names the row to people.

    Raises:
        InputError: the bytes are no image of these formats, damaged or cut short, animated, without pixels, of more than
            50 million pixels or over 100 times as long as wide (by the header, before anything is decoded), or of values
            without a known range.

    Cost: about 10 ms a million pixels; 3 bytes a pixel, and up to 3 times that for a moment.
    """
    return _decode(content, where)[0]


def describe_picture(content: bytes, where: str) -> Picture:
    """Return what kind of picture an image file holds. Raises and cost: as ``open_picture``."""
    image, mode, kind, oddities = _decode(content, where)
    return Picture(
        width=image.width,
        height=image.height,
        mode=mode,
        format=kind,
        oddities=oddities,
        is_blank=image.getcolors(maxcolors=1) is not None,
        key=_key(image),
    )


def content_key(content: bytes, where: str) -> str:
    """Return 16 hex digits that name a picture: equal for the same upright RGB pixels, whatever file holds them.

    Raises: as ``open_picture``. Assumes: one version of Pillow; JPEG decoders may differ by a level in a pixel.
    """
    return _key(open_picture(content, where))


def grey(content: bytes, where: str, side: int = 32) -> npt.NDArray[np.uint8]:
    """Return a picture's brightness at ``side`` x ``side`` pixels, proportions dropped: for perceptual hashes and baselines.

    Returns: shape (side, side), 0 black to 255 white (ITU-R 601 luma), each a weighted mean over what it covers.
    Raises: as ``open_picture``.
    """
    small = open_picture(content, where).convert("L").resize((side, side), Image.Resampling.BILINEAR)
    return np.asarray(small, dtype=np.uint8)


def thumbnail(content: bytes, side: int = 64, *, where: str = "an image") -> bytes:
    """Return a picture as a PNG file of at most ``side`` x ``side`` pixels, proportions kept, for pages.

    Raises: as ``open_picture``.
    """
    image = open_picture(content, where)
    image.thumbnail((side, side), Image.Resampling.BILINEAR)
    file = BytesIO()
    image.save(file, format="PNG")
    return file.getvalue()


def _key(image: Image.Image) -> str:
    size = f"{image.width}x{image.height}:".encode()
    return hashlib.sha256(size + image.tobytes()).hexdigest()[:16]


def _decode(content: bytes, where: str) -> tuple[Image.Image, str, str, tuple[str, ...]]:
    """Return the upright RGB picture, the file's own mode and format, and what is odd about it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on metadata; pixels are judged below
            return _pixels(content, where)
    except Image.DecompressionBombError as error:
        raise _too_large(where) from error
    except UnidentifiedImageError as error:
        raise InputError(
            "The bytes are not an image that Graft reads.",
            where=where,
            do="give PNG, JPEG, WebP, BMP, TIFF or GIF",
            code="image-unreadable",
        ) from error
    except _DAMAGE as error:
        raise InputError(
            "The image is damaged or cut short.", where=where, do="copy it again or leave it out", code="image-damaged"
        ) from error


def _pixels(content: bytes, where: str) -> tuple[Image.Image, str, str, tuple[str, ...]]:
    with Image.open(BytesIO(content), formats=FORMATS) as image:
        if image.width * image.height > MAX_PIXELS:
            raise _too_large(where)
        if image.width < 1 or image.height < 1:
            raise InputError("The image has no pixels.", where=where, do="leave it out")
        if max(image.size) > MAX_RATIO * min(image.size):
            raise InputError(
                f"The image is over {MAX_RATIO} times as long as wide.",
                where=where,
                do="cut it",
                code="image-too-narrow",
            )
        kind = "JPEG" if image.format == "MPO" else str(image.format)  # MPO: a phone's JPEG with its preview behind it
        if kind != "JPEG" and getattr(image, "is_animated", False):
            raise InputError(
                "The image has more than one frame or page.",
                where=where,
                do="give each frame as an image of its own",
                code="image-many-frames",
            )
        mode, is_16_bit = image.mode, ";16" in str(image.tile) or image.mode.startswith("I")
        turned = image.getexif().get(ExifTags.Base.Orientation, 1) in _UPRIGHT
        image.load()
        picture, is_transparent = _rgb(image, where)
        turn = _UPRIGHT.get(image.getexif().get(ExifTags.Base.Orientation, 1))  # TIFF is set upright as it is loaded
    if turn is not None:
        picture = picture.transpose(turn)
    picture.info = {}  # place, owner and camera go no further
    odd = {
        "16-bit": is_16_bit,
        "float": mode == "F",
        "CMYK": mode == "CMYK",
        "rotated by EXIF": turned,
        "transparent": is_transparent,
        "palette": mode in {"P", "PA"},
    }
    return picture, mode, kind, tuple(name for name, holds in odd.items() if holds)


def _rgb(image: Image.Image, where: str) -> tuple[Image.Image, bool]:
    """Return a loaded image in 8-bit RGB, and whether any of it is transparent."""
    if image.mode == "F" or image.mode.startswith("I"):
        return _scaled(np.asarray(image), where).convert("RGB"), False
    if not image.has_transparency_data:
        return image.convert("RGB"), False
    layer = image.convert("RGBA")
    white = Image.new("RGBA", layer.size, "white")
    opacity = layer.getchannel("A").getextrema()
    return Image.alpha_composite(white, layer).convert("RGB"), opacity != (255, 255)


def _scaled(values: npt.NDArray[np.generic], where: str) -> Image.Image:
    """Return 16-bit, integer or float greys as 8-bit greys, from the smallest usual range that holds them."""
    ranges = {"f": (1, 255, 65535), "i": (255, 65535), "u": (65535,)}[values.dtype.kind]
    numbers = values.astype(np.float64)
    top = next((top for top in ranges if numbers.max() <= top), None)
    if top is None or not numbers.min() >= 0:  # NaN is neither
        raise InputError(
            "The image's values are of no known range.", where=where, do="scale them to 0-1, 0-255 or 0-65535"
        )
    return Image.fromarray(np.rint(numbers * (255 / top)).astype(np.uint8))


def _too_large(where: str) -> InputError:
    return InputError(
        f"The image has more than {MAX_PIXELS:,} pixels.", where=where, do="scale it down", code="image-too-large"
    )
