"""Which rows are nearly the same."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Sequence
from io import BytesIO
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from scipy.fft import dctn
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from graft.data.near import near_pairs
from graft.modality.image.near import image_bands, image_similarity
from graft.modality.text.near import N_BANDS, text_bands, text_similarity
from graft.modality.text.normalize import fold

FULL = 2**64 - 1


def mix(x: int) -> int:
    """SplitMix64's finaliser, in Python's whole numbers."""
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & FULL
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB & FULL
    return x ^ (x >> 31)


def bands_by_definition(text: str) -> list[int]:
    """The bands of one text, gram by gram."""
    base, folded = 0x9E3779B97F4A7C15, fold(text)
    if not folded:
        return [0] * 12
    codes = [ord(char) for char in folded.ljust(4, "\U0010ffff")]
    grams = []
    for k in range(len(codes) - 3):
        a, b, c, d = codes[k : k + 4]
        grams.append(mix((((a * base + b) * base + c) * base + d) & FULL) >> 32)
    minima = []
    for k in range(1, 49):
        odd = mix(k * base & FULL) >> 32 | 1
        minima.append(min(gram * odd & 0xFFFFFFFF for gram in grams))
    bands = []
    for band in range(12):
        joined = 0
        for k in range(4):
            joined = mix(joined + minima[4 * band + k] & FULL)
        bands.append(mix(joined + (band + 1) * base & FULL))
    return bands


def set_similarity(a: str, b: str) -> float:
    one, other = ({t[k : k + 4] for k in range(len(t) - 3)} or {t} - {""} for t in map(fold, (a, b)))
    return len(one & other) / max(1, len(one | other))


def of_list(texts: Sequence[str]) -> Any:
    return lambda rows: [texts[k] for k in rows]


def near_texts(texts: Sequence[str], min_similarity: float = 0.8) -> list[tuple[int, int]]:
    pairs = near_pairs(text_bands(texts), of_list(texts), text_similarity, min_similarity=min_similarity)
    return [(int(i), int(j)) for i, j in pairs]


def grey(image: Image.Image) -> npt.NDArray[np.uint8]:
    return np.asarray(image.resize((32, 32), Image.Resampling.BILINEAR), dtype=np.uint8)


def smooth(n: int, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """n images without fine detail."""
    coarse = rng.integers(0, 256, size=(n, 6, 6), dtype=np.uint8)
    return np.stack([np.asarray(Image.fromarray(one).resize((32, 32), Image.Resampling.BICUBIC)) for one in coarse])


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("  Where is\tMY card?! ", "where is my card"),
        ("don't-stop_it", "don t stop it"),
        ("a $1 charge", "a 1 charge"),
        ("a £1 charge", "a 1 charge"),
        ("STRASSE straße", "strasse strasse"),
        ("\uff57here", "where"),
        ("cafe\u0301", "caf\u00e9"),
        ("?! ...", "?! ..."),
        ("\U0001f600", "\U0001f600"),
        ("", ""),
        (" \n", ""),
    ],
)
def test_fold(text: str, folded: str) -> None:
    """Case, spacing, punctuation, currency and Unicode form go; letters, digits and emoji stay, and so do signs alone."""
    assert fold(text) == folded


def test_bands_are_those_of_the_definition() -> None:
    """The bands of a batch are those of each text by itself, computed gram by gram in Python's whole numbers."""
    texts = [
        "Where is my card?",
        "",
        "ab",
        "Straße nach Zürich",
        "日本語のテキスト",
        "a\U0001f600b c",
        "x" * 70_000,
        "\ud800 ab cd",
    ]
    bands = text_bands(texts)
    assert bands.shape == (len(texts), N_BANDS)
    assert bands.tolist() == [bands_by_definition(text) for text in texts]


def test_bands_are_the_same_for_ever() -> None:
    """The bands of a text do not change with the version of numpy or the machine."""
    expected = [3755660555837109673, 13455264850837215135, 4095116264777509240]
    assert text_bands(["Where is my card?"])[0, :3].tolist() == expected


def test_batches_do_not_matter() -> None:
    """However many texts are given at once, each has the same bands: also across the border of a chunk of characters."""
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(list("abc d"), size=rng.integers(0, 120))) for _ in range(3000)]
    assert (text_bands(texts) == np.concatenate([text_bands(texts[:1]), text_bands(texts[1:])])).all()
    assert text_bands([]).shape == (0, N_BANDS)


@pytest.mark.parametrize("kept", [20, 36, 40])
def test_share_of_pairs_with_a_common_band(kept: int) -> None:
    """Of 2,000 pairs of known similarity the share that have a common band is 1 - (1 - s^4)^12, within 4 standard errors."""
    rng = np.random.default_rng(kept)
    # grams are disjoint letters of a large alphabet, so that the similarity is set: 40 characters, the first `kept` common
    letters = [chr(code) for code in range(0x4E00, 0x9000)]
    drawn = [rng.choice(len(letters), size=80 - kept, replace=False) for _ in range(2000)]
    a = ["".join(letters[k] for k in row[:40]) for row in drawn]
    b = ["".join(letters[k] for k in [*row[:kept], *row[40:]]) for row in drawn]
    s = text_similarity(a, b)
    assert np.ptp(s) < 1e-12
    expected = 1 - (1 - s[0] ** 4) ** 12
    seen = (text_bands(a) == text_bands(b)).any(axis=1).mean()
    assert abs(seen - expected) <= 4 * (expected * (1 - expected) / 2000) ** 0.5 + 1e-12


def test_text_similarity_is_that_of_sets() -> None:
    """Similarities are those of Python's sets, across chunks, for long, short, equal and empty texts."""
    rng = np.random.default_rng(1)
    texts = ["".join(rng.choice(list("abé "), size=rng.integers(0, 60))) for _ in range(4000)]
    a, b = [*texts, "x" * 100_000, "", "ab", "abc", "Ab!"], [*texts[1:], texts[0], "x" * 9, "", "ab", "abcd", "ab"]
    assert text_similarity(a, b).tolist() == [set_similarity(x, y) for x, y in zip(a, b, strict=True)]
    assert text_similarity([], []).shape == (0,)
    assert text_similarity(["", "\U0010ffff"], ["\U0010ffff", ""]).tolist() == [0, 0]


def test_short_and_empty_texts() -> None:
    """A text of 1 to 3 characters is near its equals alone, an empty one near nothing."""
    assert near_texts(["ab", "abc", "", "AB!", "abcd", "", "ab ", " \n"], 0.1) == [(0, 3), (0, 6), (3, 6)]


def test_near_texts() -> None:
    """A text with another word is near, one with another meaning is not; pairs come by the later row."""
    texts = [
        "I am still waiting for my card, where is it",
        "Why was I charged twice for one transfer abroad",
        "I'm still waiting for my card; where is it?",
        "Can I change my PIN at any cash machine",
        "i am still waiting for my card. Where is it",
    ]
    assert near_texts(texts, 0.75) == [(0, 2), (0, 4), (2, 4)]
    assert near_texts([]) == []


def same_residue(a: Sequence[int], b: Sequence[int]) -> npt.NDArray[np.float64]:
    return (np.array(a) % 3 == np.array(b) % 3).astype(np.float64)


@pytest.mark.parametrize("seed", range(5))
def test_with_many_previous_ones_no_pair_is_missed(seed: int) -> None:
    """Where no bucket is cut short, the pairs are all those that share a band other than 0 and are near."""
    rng = np.random.default_rng(seed)
    bands = rng.integers(0, 30, size=(200, 4)).astype(np.uint64)
    bands[:, 3] = np.arange(1, 201)  # no row has a twin
    bands[:5] = 0
    pairs = near_pairs(bands, lambda rows: rows.tolist(), same_residue, min_similarity=1, n_previous=200)
    expected = [
        [i, j]
        for j in range(200)
        for i in range(j)
        if i % 3 == j % 3 and ((bands[i] == bands[j]) & (bands[i] != 0)).any()
    ]
    assert pairs.tolist() == expected
    assert len(expected) > 100


def test_crowded_bands_are_linear_work() -> None:
    """Where all rows share every band but one, each is compared with the first and the n_previous last ones, once."""
    n, compared = 5000, []

    def similarity(a: Sequence[int], b: Sequence[int]) -> npt.NDArray[np.float64]:
        compared.extend(zip(a, b, strict=True))
        return np.ones(len(a))

    def fetch(rows: npt.NDArray[np.intp]) -> list[int]:
        assert (np.diff(rows) > 0).all()
        assert len(rows) <= 8192
        return rows.tolist()

    bands = np.ones((n, 12), dtype=np.uint64)
    bands[:, 5] = np.arange(1, n + 1)
    pairs = near_pairs(bands, fetch, similarity, min_similarity=0.5, n_previous=3)
    expected = [(i, j) for j in range(n) for i in sorted({0, j - 3, j - 2, j - 1}) if 0 <= i < j]
    assert sorted(compared, key=lambda pair: (pair[1], pair[0])) == expected
    assert pairs.tolist() == [list(pair) for pair in expected]


def test_rows_of_equal_bands_and_other_content_are_told_apart() -> None:
    """A row whose bands equal those of a row that it does not resemble is compared with the others all the same."""
    bands = np.ones((6, 2), dtype=np.uint64)
    pairs = near_pairs(bands, lambda rows: rows.tolist(), same_residue, min_similarity=1)
    assert pairs.tolist() == [[0, 3], [1, 4], [2, 5]]


def test_image_hash_is_that_of_the_cosine_transform() -> None:
    """Images share a band exactly where the 64 signs of scipy's cosine transform agree in two of six pieces."""
    rng = np.random.default_rng(2)
    images = smooth(200, rng)
    noisy = np.clip(images + rng.normal(0, np.linspace(0, 60, 200)[:, None, None], images.shape), 0, 255).astype(
        np.uint8
    )
    waves = [dctn(some.astype(float), axes=(1, 2))[:, :8, :8].reshape(-1, 64) for some in (images, noisy)]
    changed = np.not_equal(*(some > np.median(some, axis=1, keepdims=True) for some in waves))
    pieces = np.add.reduceat(changed, [0, 10, 21, 32, 42, 53], axis=1) == 0
    expected = np.stack([pieces[:, j] & pieces[:, k] for j, k in combinations(range(6), 2)], axis=1)
    seen = image_bands(images) == image_bands(noisy)
    assert (seen == expected).mean() > 0.999  # a wave at the median may fall on either side of it
    n_changed = changed.sum(axis=1)
    assert seen.any(axis=1)[n_changed <= 4].all()
    assert 20 < (n_changed <= 4).sum() < 180


def test_image_similarity_is_the_correlation() -> None:
    """Similarities are numpy's correlations, cut at 0; an image's similarity to itself is 1, whatever it shows."""
    rng = np.random.default_rng(3)
    a, b = rng.integers(0, 256, size=(2, 50, 32, 32), dtype=np.uint8)
    b[:25] = a[:25] // 2 + b[:25] // 4
    expected = [max(0.0, np.corrcoef(x.ravel(), y.ravel())[0, 1]) for x, y in zip(a, b, strict=True)]
    assert image_similarity(a, b) == pytest.approx(expected, abs=1e-12)
    assert min(expected) == 0
    assert (image_similarity(a, a) == 1).all()
    assert image_similarity(list(a), list(b)).tolist() == image_similarity(a, b).tolist()


def test_images_of_one_shade() -> None:
    """An image of one shade is similar to its equal and to nothing else; none of them breaks anything."""
    black, grey_one, white = (np.full((32, 32), shade, dtype=np.uint8) for shade in (0, 9, 255))
    other = smooth(1, np.random.default_rng(4))[0]
    a, b = [black, grey_one, white, black, other, black], [black, grey_one, white, white, black, grey_one]
    assert image_similarity(a, b).tolist() == [1, 1, 1, 0, 0, 0]
    images = np.stack([black, white, other, white, black])
    pairs = near_pairs(image_bands(images), lambda rows: images[rows], image_similarity, min_similarity=0.99)
    assert pairs.tolist() == [[1, 3], [0, 4]]


def test_altered_images_are_found() -> None:
    """An image saved as JPEG, or brightened, is near its original at 0.99, and no other image is."""
    images = smooth(60, np.random.default_rng(5))
    saved = []
    for one in images:
        file = BytesIO()
        Image.fromarray(one).save(file, "JPEG", quality=75)
        saved.append(np.asarray(Image.open(BytesIO(file.getvalue()))))
    bright = (images * 0.8 + 40).astype(np.uint8)
    every = np.concatenate([images, np.stack(saved), bright])
    pairs = near_pairs(
        image_bands(every), lambda rows: every[rows], image_similarity, min_similarity=0.99, n_previous=16
    )
    assert {(i % 60, j % 60) for i, j in pairs.tolist()} == {(k, k) for k in range(60)}
    assert {(0, j) for j in (60, 120)} <= {(i, j) for i, j in pairs.tolist()}


@pytest.mark.realdata
@pytest.mark.slow
def test_near_texts_of_a_real_dataset(shared_data: Path) -> None:
    """In 2,500 bank customers' questions every two of Jaccard 0.8 and more are joined by found pairs, and no others."""
    with (shared_data / "text/banking77/train.csv").open(newline="", encoding="utf-8") as file:
        texts = [row["text"] for row in csv.DictReader(file)][:2500]
    sets = [{fold(t)[k : k + 4] for k in range(len(fold(t)) - 3)} for t in texts]
    true = {
        (i, j)
        for (i, one), (j, other) in combinations(enumerate(sets), 2)
        if 0.8 * len(one) <= len(other) <= 1.25 * len(one) and len(one & other) >= 0.8 * len(one | other)
    }
    found = np.array(near_texts(texts))
    graph = coo_matrix((np.ones(len(found)), (found[:, 0], found[:, 1])), shape=(len(texts), len(texts)))
    _, component = connected_components(graph, directed=False)
    assert len(true) > 30
    assert all(component[i] == component[j] for i, j in true)
    assert set(map(tuple, found.tolist())) <= true


@pytest.mark.realdata
@pytest.mark.slow
def test_near_images_of_real_datasets(shared_data: Path) -> None:
    """At 0.99 PneumoniaMNIST's 26 repeated images are found and no others; of 10,000 MNIST digits under 10 pairs."""
    with np.load(shared_data / "image/pneumoniamnist/pneumoniamnist.npz", allow_pickle=False) as arrays:
        chests = np.concatenate([arrays["train_images"], arrays["val_images"]])
    digits = np.frombuffer(
        gzip.decompress((shared_data / "image/mnist/t10k-images-idx3-ubyte.gz").read_bytes())[16:], np.uint8
    )
    found = []
    for images in (chests, digits.reshape(-1, 28, 28)):
        small = np.stack([grey(Image.fromarray(one)) for one in images])
        pairs = near_pairs(
            image_bands(small), lambda rows, of=small: of[rows], image_similarity, min_similarity=0.99, n_previous=16
        )
        found.append(pairs)
    assert len(chests) - len(np.unique(chests, axis=0)) == len(np.unique(found[0][:, 1])) == 26
    assert (chests[found[0][:, 0]] == chests[found[0][:, 1]]).all()
    assert len(found[1]) < 10
