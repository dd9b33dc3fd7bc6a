"""What a model folder keeps of its training rows, for later runs; read without torch.

``reference.safetensors``: the rows in the base's space, the reference of later shift tests. ``trained_on.txt``: their content
keys, so that no later test uses one.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from graft.errors import TamperError
from graft.model.settings import read_settings
from graft.records import write_atomic


def save_reference(folder: Path, features: npt.NDArray[np.float32], labels: list[str], keys: list[str]) -> None:
    """Write the training rows' place in the base's space, their classes and their content keys."""
    classes = sorted(set(labels))
    index = np.array([classes.index(label) for label in labels], dtype=np.int32)
    save_file({"features": features.astype(np.float16), "class": index}, folder / "reference.safetensors")
    write_atomic(folder / "trained_on.txt", ("\n".join(sorted(set(keys))) + "\n").encode())


def load_reference(folder: Path) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.str_]]:
    """Return the training rows' features, shape (n, d), and their classes, shape (n,)."""
    path = folder / "reference.safetensors"
    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise TamperError(f"{path.name} is not what Graft writes.", where=str(path), do="dvc checkout") from error
    features: npt.NDArray[np.float32] = tensors["features"].astype(np.float32)
    classes = np.array(read_settings(folder).labels, dtype=str)
    return features, classes[tensors["class"]]


def load_trained_on(folder: Path) -> set[str]:
    """Return the content keys of the rows that the model was trained on."""
    return set((folder / "trained_on.txt").read_text().split())
