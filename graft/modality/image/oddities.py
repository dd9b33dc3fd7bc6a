"""What makes an image odd: each kind with its name, how bad it is, what to do, and how to find it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from graft.modality.base import Oddity
from graft.modality.image.pictures import describe_picture

MIN_PIXELS = 8
IMAGE_ODDITIES: tuple[Oddity, ...] = (
    Oddity("Images that are blank", "warning", "take them out: one colour teaches nothing"),
    Oddity(f"Images with a side below {MIN_PIXELS} pixels", "warning", "look whether they are thumbnails or cuttings"),
    *(
        Oddity(f"Images that are {kind}", "note", "")
        for kind in ("16-bit", "float", "CMYK", "rotated by EXIF", "transparent", "palette")
    ),
)


def describe_images(images: Sequence[bytes], names: Sequence[str]) -> pd.DataFrame:
    """Return one row per image: ``flags``, whose bit k is set where ``IMAGE_ODDITIES[k]`` is found.

    Args:
        images: files, as ``graft.modality.image.pictures`` reads them.
        names: of the rows, for people.

    Cost: one decoding each.
    """
    kinds = [oddity.name.removeprefix("Images that are ") for oddity in IMAGE_ODDITIES]
    flags = np.zeros(len(images), dtype=np.uint32)
    for place, (image, name) in enumerate(zip(images, names, strict=True)):
        picture = describe_picture(image, name)
        found = [picture.is_blank, min(picture.width, picture.height) < MIN_PIXELS]
        found += [kind in picture.oddities for kind in kinds[2:]]
        flags[place] = sum(1 << bit for bit, is_found in enumerate(found) if is_found)
    return pd.DataFrame({"flags": flags})
