"""What images look like from outside, in words that people know."""

from __future__ import annotations

from collections.abc import Sequence

from graft.modality.image.pictures import grey, open_picture
from graft.modality.profile import profile_numbers
from graft.records.shift import Profile


def profile_images(images: Sequence[bytes]) -> Profile:
    """Describe images by brightness, contrast, width and proportion; n bytes of image files."""
    sizes = [open_picture(image, "an image").size for image in images]
    greys = [grey(image, "an image") for image in images]
    return profile_numbers(
        len(images),
        {
            "brightness": ("number", [pixels.mean() for pixels in greys]),
            "contrast": ("number", [pixels.std() for pixels in greys]),
            "width in pixels": ("number", [width for width, _ in sizes]),
            "width over height": ("number", [width / height for width, height in sizes]),
        },
    )
