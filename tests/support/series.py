"""A third modality: short series of numbers, written "0.1,0.5,-0.2". All that Graft needs to know of it stands in this file.

``register`` does what a line in ``MODALITIES`` and one in ``ENCODERS`` would do.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from safetensors.torch import load_file, save_file
from sklearn.preprocessing import FunctionTransformer

from graft.errors import InputError
from graft.modality import MODALITIES, Baseline, ContentCheck, Found, Oddity
from graft.modality.profile import profile_numbers
from graft.model.encoder import ENCODERS, Batch
from graft.recipe import Recipe, Validate
from graft.recipe.schema import add_modality_keys
from graft.records.shift import Profile

LENGTH = 16
"""Numbers that the encoder reads of a series: what is longer is cut, what is shorter filled with zeros."""


def numbers(content: str, name: str = "a series") -> list[float]:
    """Return the numbers of a series."""
    try:
        return [float(one) for one in content.split(",")]
    except ValueError as error:
        raise InputError(
            "A series holds other things than numbers.", where=name, do="separate numbers by commas"
        ) from error


def matrix(contents: Iterable[str]) -> npt.NDArray[np.float32]:
    """Return series as rows of one length, shape (n, LENGTH)."""
    rows = [numbers(content)[:LENGTH] for content in contents]
    return np.array([row + [0.0] * (LENGTH - len(row)) for row in rows], dtype=np.float32).reshape(-1, LENGTH)


class Series:
    """See ``graft.modality.base.Modality``."""

    name = "series"
    plural = "series"
    column = "column with the series, numbers with commas between; null: the rows are something else"
    encoder = "an encoder of series"
    is_binary = False
    has_tokens = False
    n_previous = 3
    expectable: tuple[str, ...] = ("n_numbers",)
    suspect_C = 1.0
    repair = None
    oddities: tuple[Oddity, ...] = (Oddity("Series that are flat", "warning", "look whether the sensor was on"),)
    measures: Mapping[str, Callable[[Any], float]] = {"mean": lambda series: float(np.mean(numbers(series)))}
    baseline = Baseline("logistic regression on numbers", 1.0, (0.1, 1.0), lambda: FunctionTransformer(matrix))

    def content_keys(self, contents: Iterable[str], names: Sequence[str]) -> list[str]:
        read = [numbers(content, name) for content, name in zip(contents, names, strict=True)]
        return [hashlib.sha256(json.dumps(one).encode()).hexdigest()[:16] for one in read]

    def sketches(self, contents: Iterable[str], names: Sequence[str]) -> list[bytes]:
        return [row.tobytes() for row in matrix(contents)]

    def bands(self, sketches: Sequence[bytes]) -> npt.NDArray[np.uint64]:
        rows = np.round(np.frombuffer(b"".join(sketches), dtype=np.float32).reshape(-1, LENGTH)).astype(np.int8)
        return np.array([[int.from_bytes(hashlib.sha256(row.tobytes()).digest()[:8])] for row in rows], dtype=np.uint64)

    def similarity(self, a: Sequence[bytes], b: Sequence[bytes]) -> npt.NDArray[np.float64]:
        x, y = (np.frombuffer(b"".join(side), dtype=np.float32).reshape(-1, LENGTH) for side in (a, b))
        return np.exp(-np.abs(x - y).mean(axis=1)).astype(np.float64)

    def checks(self, bounds: Validate) -> tuple[ContentCheck, ...]:
        return (ContentCheck("too_short", "Series below 4 numbers", "n_numbers", low=4, do="record for longer"),)

    def describe(self, contents: pd.Series, names: Sequence[str]) -> pd.DataFrame:
        read = [numbers(content, name) for content, name in zip(contents, names, strict=True)]
        flat = np.array([len(set(one)) == 1 for one in read], dtype=np.uint32)
        return pd.DataFrame({"n_numbers": np.array([len(one) for one in read], dtype=np.int32), "flags": flat})

    def shorten(self, contents: pd.Series, names: Sequence[str]) -> pd.Series:
        return contents

    def findings(self, frame: pd.DataFrame, sample: pd.DataFrame, bounds: Validate) -> list[Found]:
        longest = frame["n_numbers"].max() if len(frame) else 0
        return [Found((frame["n_numbers"] < longest).to_numpy(), "Series shorter than the longest", "note")]

    def suspect_features(self, shortened: Sequence[Any]) -> Any:
        return matrix(shortened) / LENGTH**0.5

    def profile(self, contents: Sequence[Any], base: Path) -> Profile:
        return profile_numbers(len(contents), {"mean of a series": ("number", matrix(contents).mean(axis=1))})

    def lacking(self, files: set[str]) -> str:
        return "" if "series.json" in files else "series.json"

    def show(self, content: str) -> dict[str, str]:
        return {"text": content}


class Network(torch.nn.Module):
    """A projection and two layers."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.stem, *layers = (
                torch.nn.Sequential(torch.nn.Linear(width, 24), torch.nn.Tanh()) for width in (LENGTH, 24, 24)
            )
            self.layers = torch.nn.ModuleList(layers)

    def forward(self, series: torch.Tensor) -> torch.Tensor:
        hidden = self.stem(series)
        for layer in self.layers:
            hidden = layer(hidden)
        return hidden


@dataclass(frozen=True)
class SeriesEncoder:
    """See ``graft.model.encoder.Encoder``; an item is the numbers of a series, LENGTH of them."""

    network: Any
    modality: str = Series.name
    dimension: int = 24
    is_pretrained: bool = True
    auto_class: str = "AutoModel"

    @classmethod
    def load(cls, folder: Path, max_tokens: int) -> SeriesEncoder:
        network = Network(0)
        network.load_state_dict(load_file(folder / "model.safetensors"))
        return cls(network.eval())

    def prepare(self, contents: Sequence[str]) -> tuple[list[Any], int]:
        return list(torch.from_numpy(matrix(contents))), sum(len(numbers(one)) > LENGTH for one in contents)

    def batch_order(self, items: Sequence[Any]) -> list[int]:
        return list(range(len(items)))

    def collate(self, items: Sequence[Any]) -> Batch:
        return {"series": torch.stack(list(items))}

    def pool(self, batch: Batch) -> torch.Tensor:
        return torch.nn.functional.normalize(self.network(batch["series"]), dim=1)

    def lengths(self, items: Sequence[Any]) -> list[int | None]:
        return [None] * len(items)

    def collate_behind(self, items: Sequence[Any], hidden: torch.Tensor) -> Batch:
        return {"series": hidden, "hidden": hidden}

    def frozen(self) -> list[torch.nn.Parameter]:
        return []

    def augment(self, batch: Batch, strength: float, rng: np.random.Generator) -> Batch:
        noise = rng.normal(0, strength, tuple(batch["series"].shape)).astype(np.float32)
        return {"series": batch["series"] + torch.from_numpy(noise)}

    def with_network(self, network: Any) -> SeriesEncoder:
        return replace(self, network=network)

    def untrained(self, seed: int) -> SeriesEncoder:
        return replace(self, network=Network(seed).eval(), is_pretrained=False)

    def settings(self) -> dict[str, Any]:
        return {"modality": self.modality, "pooling": "unit norm"}

    def own_classifier(self, folder: Path) -> None:
        return None

    def without_graft(self) -> str:
        return "# a projection of 16 numbers, two layers, unit norm\n"

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        save_file(self.network.state_dict(), folder / "model.safetensors")
        (folder / "config.json").write_text('{"model_type": "series"}')
        (folder / "series.json").write_text(json.dumps({"length": LENGTH}))


@contextmanager
def register() -> Iterator[None]:
    """Make series known while a test runs."""
    MODALITIES[Series.name], ENCODERS[Series.name] = Series(), SeriesEncoder.load
    try:
        add_modality_keys()
        Recipe.model_rebuild(force=True)
        yield
    finally:
        del MODALITIES[Series.name], ENCODERS[Series.name]
        add_modality_keys()
        Recipe.model_rebuild(force=True)


def waves(n: int, seed: int, *, level: float = 0.0) -> pd.DataFrame:
    """Return n made-up series, LENGTH numbers each, and what they are: a sine, a saw or noise; ``level`` is added to each."""
    rng = np.random.default_rng(seed)
    t = np.arange(LENGTH)
    kinds = [("sine", "saw", "noise")[k % 3] for k in range(n)]
    shapes = {"sine": lambda p: np.sin((t + p) / 2), "saw": lambda p: (t + p) % 5 / 2 - 1, "noise": lambda p: 0.0 * t}
    rows = [shapes[kind](rng.integers(LENGTH)) + rng.normal(0, 0.4, LENGTH) + level for kind in kinds]
    series = [",".join(f"{x:.3f}" for x in row) for row in rows]
    return pd.DataFrame({"series": series, "kind": kinds, "sensor": [f"s{k % 2}" for k in range(n)]})
