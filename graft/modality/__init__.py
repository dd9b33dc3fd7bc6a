"""What a row's content can be: a package for each modality, and all that Graft asks of one (``base.py``).

A new modality is a package here, its line in ``MODALITIES``, and an encoder in ``graft/model`` with its line in ``ENCODERS``.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from graft.modality.base import Baseline, ContentCheck, Found, Modality, Oddity
from graft.modality.image import IMAGE
from graft.modality.text import TEXT

__all__ = ["IMAGE", "MODALITIES", "TEXT", "Baseline", "ContentCheck", "Found", "Modality", "ModalityName", "Oddity"]

MODALITIES: dict[str, Modality] = {one.name: one for one in (TEXT, IMAGE)}
"""Every modality by its name."""


def _known(name: str) -> str:
    if name not in MODALITIES:
        raise ValueError(f"there is no modality {name!r}: {', '.join(MODALITIES)}")
    return name


ModalityName = Annotated[str, AfterValidator(_known)]
"""A key of ``MODALITIES``."""
