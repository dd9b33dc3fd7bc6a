"""Which rows are nearly the same: texts that share most of their character 4-grams, images that hardly differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from graft.modality.text.normalize import fold

Bands = npt.NDArray[np.uint64]
Pairs = npt.NDArray[np.int64]
Fetch = Callable[[npt.NDArray[np.intp]], Sequence[Any]]
Similarity = Callable[[Sequence[Any], Sequence[Any]], npt.NDArray[np.float64]]

N_BANDS = 12
_PER_BAND = 4  # minima; 12 bands of 4: texts of Jaccard 0.8 share one with probability 0.998, of 0.5 with 0.54, of 0.2 with 0.02
_GRAM = 4  # characters
_PAD = "\U0010ffff"  # no character: it makes a 4-gram of a text of 1 to 3 characters
_CHUNK = 1 << 16  # characters at a time, so that they stay in the processor's cache
_ROWS = 1 << 15  # rows whose candidates are gathered at a time
_PAIRS = 1 << 12  # pairs whose contents are in memory at a time
_N_PIECES = 6  # of an image's 64 bits
_PIXELS = 32 * 32


def _mix(x: Bands) -> Bands:
    """Return the values scrambled, one to one: the finaliser of SplitMix64 (Steele, Lea, Flood 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


_BASE = np.uint64(0x9E3779B97F4A7C15)
_ODD = (_mix(np.arange(1, N_BANDS * _PER_BAND + 1, dtype=np.uint64) * _BASE) >> np.uint64(32)).astype(np.uint32) | 1


def text_bands(texts: Sequence[str]) -> Bands:
    """Return MinHash bands of the sets of character 4-grams of the folded texts: near texts are likely to share one.

    Two texts of Jaccard similarity s agree in one minimum with probability s, in a band of r minima with s^r, in one of b bands
    with 1 - (1 - s^r)^b; b = 12, r = 4. A text of 1 to 3 characters agrees with equal ones alone; an empty one has zeros, by
    which ``near_pairs`` knows that it is near nothing. Whole numbers throughout: the same on every machine.

    Returns:
        shape (n, N_BANDS), 96 bytes a text.

    Cost: O(characters); 5,000,000 texts of 50 characters: 17 s of CPU.
    Source: Broder 1997; bands: Leskovec, Rajaraman, Ullman, Mining of Massive Datasets, chapter 3.
    Checked against: the definition, gram by gram, and the formula above, tests/unit/data/test_near.py.
    """
    bands = np.zeros((len(texts), N_BANDS), dtype=np.uint64)
    for start, folded in _chunks([texts]):
        grams, lengths = _grams(folded)
        minima = _minima(grams, lengths).reshape(-1, N_BANDS, _PER_BAND).astype(np.uint64)
        joined = np.zeros(minima.shape[:2], dtype=np.uint64)
        for k in range(_PER_BAND):
            joined = _mix(joined + minima[:, :, k])
        there = np.array([text != "" for text in folded])
        bands[start : start + len(folded)][there] = _tagged(joined[there])
    return bands


def _chunks(columns: Sequence[Sequence[str]]) -> Iterator[tuple[int, list[str]]]:
    """Yield the folded texts of rows, column after column, about 65,536 characters at a time, with the first row's number."""
    start, rows, n_chars = 0, [], 0
    for number, texts in enumerate(zip(*columns, strict=True), start=1):
        rows.append([fold(text) for text in texts])
        n_chars += sum(len(text) + _GRAM for text in rows[-1])
        if n_chars >= _CHUNK or number == len(columns[0]):
            yield start, [text for column in zip(*rows, strict=True) for text in column]
            start, rows, n_chars = number, [], 0


def _grams(folded: list[str]) -> tuple[Bands, npt.NDArray[np.int64]]:
    """Return the hashes of all texts' 4-grams, text after text, and how many each text has, at least 1."""
    padded = [text.ljust(_GRAM, _PAD) for text in folded]
    codes = np.frombuffer("".join(padded).encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.uint64)
    lengths = np.array([len(text) for text in padded], dtype=np.int64)
    n, ends = len(codes) - _GRAM + 1, np.cumsum(lengths)
    grams = codes[:n]
    for k in range(1, _GRAM):
        grams = grams * _BASE + codes[k : n + k]
    within = np.ones(n, dtype=bool)
    for k in range(1, _GRAM):
        within[ends[:-1] - k] = False  # such a gram begins in one text and ends in the next
    return _mix(grams[within]), lengths - _GRAM + 1


def _minima(grams: Bands, lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.uint32]:
    """Return the least value of each text's grams under each of 48 hash functions, shape (n, 48)."""
    high, starts = (grams >> np.uint64(32)).astype(np.uint32), np.cumsum(lengths) - lengths
    values, minima = np.empty_like(high), np.empty((len(_ODD), len(lengths)), dtype=np.uint32)
    for odd, row in zip(_ODD, minima, strict=True):
        np.minimum.reduceat(np.multiply(high, odd, out=values), starts, out=row)
    return minima.T


def _tagged(bands: Bands) -> Bands:
    """Return each column mixed with its number, so that no two columns agree; never 0, which stands for "near nothing"."""
    numbers: Bands = np.arange(1, bands.shape[1] + 1, dtype=np.uint64) * _BASE
    return np.maximum(_mix(bands + numbers), np.uint64(1))


def text_similarity(a: Sequence[str], b: Sequence[str]) -> npt.NDArray[np.float64]:
    """Return the Jaccard similarity of the sets of character 4-grams of each pair of folded texts, in [0, 1].

    A text of 1 to 3 characters is its only gram; an empty one has none, and is similar to nothing.

    Args:
        a: m texts.
        b: as many.

    Returns:
        shape (m,); exact as long as no two 4-grams of a pair agree in 48 bits of hash: one pair of 50 characters in 10^11.

    Cost: O(characters); 3 µs a pair of texts of 50 characters, 5 µs of 80.
    """
    similarity = np.zeros(len(a))
    for start, folded in _chunks([a, b]):
        grams, lengths = _grams(folded)
        m = len(folded) // 2
        pair, side = np.tile(np.arange(m, dtype=np.uint64), 2), np.arange(2 * m, dtype=np.uint64) // np.uint64(m)
        tag = np.repeat(pair << np.uint64(49) | side, lengths)
        seen = _distinct(tag | grams >> np.uint64(16) << np.uint64(1))
        owner, gram = (seen >> np.uint64(49)).astype(np.intp), seen >> np.uint64(1)
        n_shared = np.bincount(owner[1:][gram[1:] == gram[:-1]], minlength=m)
        there = np.array([text != "" for text in folded]).reshape(2, m).all(axis=0)
        similarity[start : start + m] = there * n_shared / (np.bincount(owner, minlength=m) - n_shared)
    return similarity


def _distinct(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the values sorted, each once. numpy 2.4's ``unique`` hashes: 30 times as slow here."""
    values = np.sort(values)
    is_new = np.ones(len(values), dtype=bool)
    is_new[1:] = values[1:] != values[:-1]
    return values[is_new]


def image_bands(greys: npt.NDArray[np.uint8]) -> Bands:
    """Return bands of the perceptual hashes of small grey images: those whose hashes differ in at most 4 bits share one.

    A hash has a bit for each of the cosines of 0 to 7 half waves across and down: is the image's share of it above the median of
    the 64? It is cut into 6 pieces, and a band is a pair of pieces: 4 changed bits leave 2 pieces as they were. The cosines are
    rounded to whole numbers, so that every product is exact and the same on every machine.

    Args:
        greys: shape (n, 32, 32).

    Returns:
        shape (n, 15).

    Cost: O(n); 5 µs an image.
    Source: Zauner 2010 (pHash); pairs of pieces: Manku, Jain, Das Sarma 2007.
    """
    waves = np.rint(1024 * np.cos(np.pi / 64 * np.outer(np.arange(8), np.arange(1, 65, 2))))
    bands = np.empty((len(greys), _N_PIECES * (_N_PIECES - 1) // 2), dtype=np.uint64)
    weights = np.uint64(1) << np.arange(64, dtype=np.uint64)
    edges = np.linspace(0, 64, _N_PIECES + 1).astype(int)
    for start in range(0, len(greys), _PAIRS):
        shares = (waves @ greys[start : start + _PAIRS].astype(np.float64) @ waves.T).reshape(-1, 64)
        bits = (shares > np.median(shares, axis=1, keepdims=True)) * weights
        pieces = np.add.reduceat(bits, edges[:-1], axis=1)
        pairs = [pieces[:, j] | pieces[:, k] for j, k in combinations(range(_N_PIECES), 2)]
        bands[start : start + _PAIRS] = _tagged(np.stack(pairs, axis=1))
    return bands


def image_similarity(a: Sequence[Any], b: Sequence[Any]) -> npt.NDArray[np.float64]:
    """Return the correlation of the pixels of each pair of small grey images, 0 where it is negative.

    An image of one shade is similar to its equal alone. Brightness and contrast do not count, nor does what is smaller than a
    pixel here. From 0.99 on a pair shows the same as a rule: 44 pairs found among 60,000 different MNIST digits reach it, none
    0.995; the 26 equal pairs of PneumoniaMNIST have 1, the others found stay below 0.98. Of images saved anew as JPEG of quality
    75, 99 in 100 keep 0.997. ``python benchmarks/near_duplicates.py images``

    Args:
        a: m images of 32 x 32 pixels, 0 to 255.
        b: as many.

    Returns:
        shape (m,), in [0, 1]; the sums are whole numbers, so that equal images have 1 and every machine the same.

    Cost: O(m); 2 µs a pair.
    """
    x, y = (np.asarray(side).reshape(-1, _PIXELS).astype(np.int32) for side in (a, b))  # sums of squares: below 2^27
    xx, xy, yy = (_PIXELS * np.einsum("ij,ij->i", u, v).astype(np.int64) for u, v in ((x, x), (x, y), (y, y)))
    sum_x, sum_y = (side.sum(axis=1, dtype=np.int64) for side in (x, y))
    spread = np.sqrt((xx - sum_x**2).astype(np.float64) * (yy - sum_y**2))
    flat = spread == 0
    correlation = (xy - sum_x * sum_y) / np.where(flat, 1, spread)
    similarity: npt.NDArray[np.float64] = np.where(flat, (x == y).all(axis=1), correlation.clip(0, 1))
    return similarity


def near_pairs(
    bands: Bands, fetch: Fetch, similarity: Similarity, *, min_similarity: float, n_previous: int = 3
) -> Pairs:
    """Return the pairs of rows that share a band and are near, each checked on the contents.

    A row is compared, in each band, with the first of the earlier rows that share it and with the ``n_previous`` last ones.
    Where more share a band some pairs are missed, though seldom what they connect. Whether a pair is found depends on no row
    after it: the pairs of a table's beginning stay as it grows.

    Args:
        bands: shape (n, k), of ``text_bands`` or ``image_bands``; 0 says that a row is near nothing.
        fetch: returns the contents of the rows asked for: at most 8,192 a call, ascending, none twice.
        similarity: ``text_similarity`` or ``image_similarity``.
        min_similarity: what pairs have at least, above 0.
        n_previous: 3 is enough for texts; 16 for images, of which more share a band.

    Returns:
        shape (m, 2), rows i < j, sorted by j, then i.

    Error: of the pairs of Jaccard 0.8 and more in banking77 (270), SMS spam (1,364) and offensive tweets (259) all are found or
        joined by found ones; in 19,141 sentences made of few templates 99.0% of 1,432, and 12 rows of 1,196 stay without an
        earlier near one. ``python benchmarks/near_duplicates.py recall``, no pairs below ``min_similarity``.
    Cost: O(n k log n) for sorting, O(n k n_previous) at most for comparing; 16 n k bytes with the bands. 5,000,000 made-up
        texts of 50 characters: 7 s of CPU, 1.8 GiB with the texts. Where each resembles thousands: 30 comparisons, 170 µs.
    Checked against: all pairs, tests/unit/data/test_near.py; growing tables, tests/properties.
    """
    near = partial(_checked, fetch=fetch, similarity=similarity, min_similarity=min_similarity)
    n, n_bands = bands.shape
    first, previous = (np.empty((n_bands, n), dtype=np.int32) for _ in range(2))
    for k in range(n_bands):
        first[k], previous[k] = _links(bands[:, k])
    empty = np.empty((0, 2), dtype=np.int64)
    pairs = np.concatenate([empty, *(near(_candidates(first, previous, at, n_previous)) for at in range(0, n, _ROWS))])
    return pairs[np.lexsort((pairs[:, 0], pairs[:, 1]))]


def _links(values: Bands) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Return for each row the first and the last of the earlier rows with its value, -1 where there is none or the value is 0.

    Values are told apart by 32 bits of hash, so that a sort of one array of numbers orders them by value, then row.
    """
    first, previous = (np.full(len(values), -1, dtype=np.int32) for _ in range(2))
    rows = np.flatnonzero(values)
    ordered = np.sort((_mix(values[rows]) & ~np.uint64(0xFFFFFFFF)) | rows.astype(np.uint64))
    rows, ordered = (ordered & np.uint64(0xFFFFFFFF)).astype(np.int32), ordered >> np.uint64(32)
    again = np.flatnonzero(ordered[1:] == ordered[:-1]) + 1
    previous[rows[again]] = rows[again - 1]
    is_first = np.ones(len(rows), dtype=bool)
    is_first[again] = False
    first[rows[again]] = rows[is_first][np.cumsum(is_first)[again] - 1]
    return first, previous


def _candidates(first: npt.NDArray[np.int32], previous: npt.NDArray[np.int32], start: int, n_previous: int) -> Pairs:
    """Return the pairs to compare of the rows from ``start`` on, shape (m, 2), sorted by the later row, then the earlier."""
    n = first.shape[1]
    rows = np.arange(start, min(start + _ROWS, n))
    found = []
    for one, before in zip(first, previous, strict=True):
        links = [one[rows]]
        link = rows
        for _ in range(n_previous):
            link = np.where(link >= 0, before[link], -1)
            links.append(link)
        found += [(rows * n + link)[link >= 0] for link in links]
    both = _distinct(np.concatenate(found))
    return np.stack([both % n, both // n], axis=1)


def _checked(pairs: Pairs, *, fetch: Fetch, similarity: Similarity, min_similarity: float) -> Pairs:
    """Return the pairs whose contents are similar enough, in their order."""
    kept = [np.empty((0, 2), dtype=np.int64)]
    for start in range(0, len(pairs), _PAIRS):
        some = pairs[start : start + _PAIRS]
        rows = _distinct(some.ravel())
        contents = fetch(rows.astype(np.intp))
        a, b = (_at(contents, np.searchsorted(rows, side)) for side in some.T)
        kept.append(some[similarity(a, b) >= min_similarity])
    return np.concatenate(kept)


def _at(contents: Sequence[Any], places: npt.NDArray[np.intp]) -> Sequence[Any]:
    chosen: Sequence[Any] = contents[places] if isinstance(contents, np.ndarray) else [contents[k] for k in places]
    return chosen
