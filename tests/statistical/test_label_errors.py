"""Wrong labels that were planted are found: precision and recall within stated bars, on public data."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from PIL import Image

from graft.modality import MODALITIES
from graft.validate.suspects import rank_suspects
from tests.support.oddities_page import table, write_section

Loaded = tuple[list[Any], npt.NDArray[np.str_], Literal["text", "image"]]
SEEDS = (0, 1, 2)


def banking77(folder: Path) -> Loaded:
    frame = pd.read_csv(folder / "text/banking77/train.csv", dtype=str, keep_default_na=False)
    return frame["text"].tolist(), frame["category"].to_numpy(dtype=str), "text"


def sst2(folder: Path) -> Loaded:
    lines = (folder / "text/sst2/train.tsv").read_text(encoding="utf-8").splitlines()
    rows = [line.rsplit("\t", 1) for line in lines]
    return [text for text, _ in rows], np.array([label for _, label in rows]), "text"


def sms_spam(folder: Path) -> Loaded:
    lines = (folder / "text/sms_spam/SMSSpamCollection.tsv").read_text(encoding="utf-8").rstrip("\n").split("\n")
    rows = [line.split("\t", 1) for line in lines]
    return [text for _, text in rows], np.array([label for label, _ in rows]), "text"


def tweets(name: str) -> Callable[[Path], Loaded]:
    def load(folder: Path) -> Loaded:
        texts, labels = (
            (folder / f"text/{name}/train_{kind}.txt").read_text(encoding="utf-8").rstrip("\n").split("\n")
            for kind in ("text", "labels")
        )
        return texts, np.array([label.strip() for label in labels]), "text"

    return load


def amazon(domain: str) -> Callable[[Path], Loaded]:
    def load(folder: Path) -> Loaded:
        frame = pd.read_csv(folder / "text/amazon_multidomain/amazon_reviews.csv", dtype=str, keep_default_na=False)
        frame = frame[frame["domain"] == domain]
        return frame["text"].tolist(), frame["label"].to_numpy(dtype=str), "text"

    return load


def npz(name: str) -> Callable[[Path], Loaded]:
    def load(folder: Path) -> Loaded:
        with np.load(folder / "image" / name, allow_pickle=False) as arrays:
            pixels, labels = arrays["train_images"], arrays["train_labels"].ravel()
        return [png(image) for image in pixels], labels.astype(str), "image"

    return load


def png(pixels: npt.NDArray[np.uint8]) -> bytes:
    file = BytesIO()
    Image.fromarray(pixels).save(file, format="PNG", compress_level=1)
    return file.getvalue()


CHOSEN_ON: dict[str, tuple[Callable[[Path], Loaded], float, float]] = {
    "SMS spam": (sms_spam, 0.90, 0.50),
    "banking77": (banking77, 0.93, 0.55),
    "PneumoniaMNIST": (npz("pneumoniamnist/pneumoniamnist.npz"), 0.90, 0.45),
    "Amazon books": (amazon("books"), 0.65, 0.12),
    "SST-2": (sst2, 0.60, 0.06),
    "TweetEval emotion": (tweets("tweeteval/emotion"), 0.75, 0.06),
}
"""By name: loader, least precision and least recall at 5%, means of three. The method's constants were chosen on these."""

HELD_OUT: dict[str, tuple[Callable[[Path], Loaded], float, float]] = {
    "USPS": (npz("usps/usps16.npz"), 0.90, 0.50),
    "Amazon kitchen": (amazon("kitchen"), 0.70, 0.25),
    "Amazon dvd": (amazon("dvd"), 0.65, 0.12),
    "Amazon electronics": (amazon("electronics"), 0.65, 0.20),
    "TweetEval hate": (tweets("tweeteval/hate"), 0.55, 0.05),
    "TweetEval offensive": (tweets("tweeteval/offensive"), 0.40, 0.02),
    "TweetEval irony": (tweets("tweeteval/irony"), 0.0, 0.0),
    "UMSAB German": (tweets("umsab_multilingual/german"), 0.0, 0.0),
    "UMSAB Spanish": (tweets("umsab_multilingual/spanish"), 0.0, 0.0),
}
"""Nothing was chosen on these. The last three have no bar: there the method does not work, and the table says so."""


def plant(
    labels: npt.NDArray[np.str_], seed: int, fraction: float
) -> tuple[npt.NDArray[np.str_], npt.NDArray[np.bool_]]:
    """Return the labels with a share replaced by another class, and where."""
    rng = np.random.default_rng(seed)
    names, codes = np.unique(labels, return_inverse=True)
    planted = np.zeros(len(labels), dtype=bool)
    planted[rng.choice(len(labels), round(fraction * len(labels)), replace=False)] = True
    codes[planted] = (codes[planted] + rng.integers(1, len(names), planted.sum())) % len(names)
    return names[codes], planted


def find_suspects(
    contents: list[Any], labels: list[str], *, modality: str, seed: int
) -> tuple[npt.NDArray[np.int_], npt.NDArray[np.str_], npt.NDArray[np.float64]]:
    """Return the rows whose label looks wrong, suggested labels and margins, as ``validate`` finds them."""
    one = MODALITIES[modality]
    shortened = one.shorten(pd.Series(contents), [f"row {k}" for k in range(len(contents))])
    found = rank_suspects(one.suspect_features(list(shortened)), labels, C=one.suspect_C, seed=seed)
    return found.positions, found.suggested, found.margins


def measure(loaded: Loaded, fraction: float) -> tuple[float, float]:
    """Return precision and recall, each over the rows of all seeds together; precision of no names is not a number."""
    contents, labels, modality = loaded
    n_named = n_hits = n_planted = 0
    for seed in SEEDS:
        wrong, planted = plant(labels, seed, fraction)
        found, suggested, margins = find_suspects(contents, wrong.tolist(), modality=modality, seed=0)
        assert (np.diff(margins) <= 0).all()
        assert (suggested != wrong[found]).all()
        n_named, n_hits, n_planted = n_named + len(found), n_hits + planted[found].sum(), n_planted + planted.sum()
    return n_hits / n_named if n_named else float("nan"), n_hits / n_planted


@pytest.mark.long
@pytest.mark.realdata
def test_planted_errors_are_found(shared_data: Path, request: pytest.FixtureRequest) -> None:
    """Of 5% swapped labels at least the stated shares are found and rightly named; of the data as it is, under 2% is named."""
    rows = []
    for chosen, sets in (("yes", CHOSEN_ON), ("no", HELD_OUT)):
        for name, (load, min_precision, min_recall) in sets.items():
            loaded = load(shared_data)
            contents, labels, modality = loaded
            (precision, recall), (rare, _) = measure(loaded, 0.05), measure(loaded, 0.01)
            n_clean = len(find_suspects(contents, labels.tolist(), modality=modality, seed=0)[0])
            assert not precision < min_precision, name
            assert recall >= min_recall, name
            assert n_clean <= 0.02 * len(labels), name
            figures = (f"{precision:.2f}", f"{recall:.2f}", f"{rare:.2f}", f"{n_clean:,}")
            rows.append((name, chosen, f"{len(labels):,}", len(np.unique(labels)), *figures))
    head = (
        "dataset",
        "constants chosen on it",
        "rows",
        "classes",
        "precision",
        "recall",
        "precision at 1%",
        "named without planting",
    )
    if request.config.getoption("--update-goldens"):
        write_section("planted", table(head, rows))


@pytest.mark.realdata
def test_planted_errors_in_sms(shared_data: Path) -> None:
    """The quick one of them: of 279 swapped labels of SMS spam 45% are found, and nine names in ten are right."""
    precision, recall = measure(sms_spam(shared_data), 0.05)
    assert precision >= 0.90
    assert recall >= 0.45


def test_nothing_to_judge_by() -> None:
    """Few rows, one class, tiny classes, texts without words or all different: no suspect and no error."""
    for texts, labels in (
        (["a text"] * 10, ["x", "y"] * 5),
        ([f"text {k}" for k in range(100)], ["x"] * 100),
        ([f"text {k}" for k in range(100)], [f"class {k}" for k in range(100)]),
        (["?"] * 100, ["x", "y"] * 50),
        ([f"w{k}" for k in range(100)], ["x", "y"] * 50),
        ([""] * 100, ["x", "y"] * 50),
    ):
        found, suggested, margins = find_suspects(texts, labels, modality="text", seed=0)
        assert (len(found), len(suggested), len(margins)) == (0, 0, 0)


def test_same_rows_same_suspects() -> None:
    """The same rows and seed give the same suspects, bit by bit."""
    rng = np.random.default_rng(0)
    words = {"x": ["red", "warm", "fire"], "y": ["blue", "cold", "ice"]}
    labels = ["x", "y"] * 100
    texts = [" ".join(rng.choice([*words[label], "and", "the"], 6)) for label in labels]
    wrong, planted = plant(np.array(labels), 0, 0.05)
    first = find_suspects(texts, wrong.tolist(), modality="text", seed=0)
    again = find_suspects(texts, wrong.tolist(), modality="text", seed=0)
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert planted[first[0]].mean() >= 0.9
    assert len(first[0]) >= 5
