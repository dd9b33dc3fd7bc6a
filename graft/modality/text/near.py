"""Which texts are nearly the same: those that share most of their character 4-grams."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from graft.modality.hashing import GOLDEN, Bands, distinct, mix, tagged
from graft.modality.text.normalize import fold

N_BANDS = 12
_PER_BAND = 4  # minima; 12 bands of 4: texts of Jaccard 0.8 share one with probability 0.998, of 0.5 with 0.54, of 0.2 with 0.02
_GRAM = 4  # characters
_PAD = "\U0010ffff"  # no character: it makes a 4-gram of a text of 1 to 3 characters
_CHUNK = 1 << 16  # characters at a time, so that they stay in the processor's cache
_ODD = (mix(np.arange(1, N_BANDS * _PER_BAND + 1, dtype=np.uint64) * GOLDEN) >> np.uint64(32)).astype(np.uint32) | 1


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
            joined = mix(joined + minima[:, :, k])
        has_text = np.array([text != "" for text in folded])
        bands[start : start + len(folded)][has_text] = tagged(joined[has_text])
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
        grams = grams * GOLDEN + codes[k : n + k]
    within = np.ones(n, dtype=bool)
    for k in range(1, _GRAM):
        within[ends[:-1] - k] = False  # such a gram begins in one text and ends in the next
    return mix(grams[within]), lengths - _GRAM + 1


def _minima(grams: Bands, lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.uint32]:
    """Return the least value of each text's grams under each of 48 hash functions, shape (n, 48)."""
    high, starts = (grams >> np.uint64(32)).astype(np.uint32), np.cumsum(lengths) - lengths
    values, minima = np.empty_like(high), np.empty((len(_ODD), len(lengths)), dtype=np.uint32)
    for odd, row in zip(_ODD, minima, strict=True):
        np.minimum.reduceat(np.multiply(high, odd, out=values), starts, out=row)
    return minima.T


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
        shared = distinct(tag | grams >> np.uint64(16) << np.uint64(1))
        owner, gram = (shared >> np.uint64(49)).astype(np.intp), shared >> np.uint64(1)
        n_shared = np.bincount(owner[1:][gram[1:] == gram[:-1]], minlength=m)
        has_text = np.array([text != "" for text in folded]).reshape(2, m).all(axis=0)
        similarity[start : start + m] = has_text * n_shared / (np.bincount(owner, minlength=m) - n_shared)
    return similarity
