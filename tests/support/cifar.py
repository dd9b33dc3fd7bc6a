"""Published models' answers on CIFAR-10's test set and on CIFAR-10.1."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np


def cifar_predictions(folder: Path, version: str, model: str) -> np.ndarray:
    """Return a model's answers on the test set ("original") or on a version of CIFAR-10.1 ("v4", "v6")."""
    answers = json.loads((folder / f"{version}_predictions" / f"{model}_predictions.json").read_text())
    return np.array(answers).reshape(-1).astype(int)
