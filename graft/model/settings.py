"""What ``graft.json`` in a model folder says; read without torch."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from graft.modality import TEXT, ModalityName
from graft.records import Value
from graft.records.safe_read import load_json

SETTINGS = "graft.json"


class Settings(Value):
    """Labels in the order of the head's rows, and how the encoder reads."""

    labels: tuple[str, ...]
    modality: ModalityName = TEXT.name
    max_tokens: int = Field(default=0, ge=0)
    pooling: str = ""


def read_settings(folder: Path) -> Settings:
    """Return the settings of a model folder.

    Raises:
        TamperError: they are absent, or not what Graft writes.
    """
    return load_json(folder / SETTINGS, Settings, "what Graft writes", do="dvc checkout")
