"""What holds of near-duplicates for any input."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.data.near import near_pairs
from graft.modality.text.near import text_bands, text_similarity
from graft.modality.text.normalize import fold

SIGNS = {
    code: " "
    for code in range(sys.maxunicode + 1)
    if unicodedata.category(chr(code)).startswith(("P", "Z", "Cc", "Cf", "Sc", "Sm", "Sk"))
}
LETTERS = st.text("abÀ !", max_size=12)  # few letters, so that texts are near
BANDS = st.lists(st.tuples(*[st.integers(0, 3)] * 3), max_size=40)  # few values, so that buckets are crowded


def folded_by_definition(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return re.sub(r"\s+", " ", folded.translate(SIGNS)).strip() or folded.strip()


@settings(max_examples=500, deadline=None)
@given(st.text(st.characters(max_codepoint=127)) | st.text() | LETTERS)
def test_fold_is_its_definition(text: str) -> None:
    """The way for ASCII and the general one both give what NFKC, case folding and blanks for signs give."""
    assert fold(text) == folded_by_definition(text)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(LETTERS | st.text(max_size=8), LETTERS | st.text(max_size=8)), max_size=20))
def test_similarity_and_bands_agree(pairs: list[tuple[str, str]]) -> None:
    """Similarity lies in [0, 1], is symmetric, is 1 for texts that fold to the same and are not empty; those have equal bands."""
    a, b = [one for one, _ in pairs], [other for _, other in pairs]
    similarity = text_similarity(a, b)
    assert ((similarity >= 0) & (similarity <= 1)).all()
    assert similarity.tolist() == text_similarity(b, a).tolist()
    assert text_similarity(a, [f" {text}\n" for text in a]).tolist() == [float(fold(text) != "") for text in a]
    assert (text_bands(a) == text_bands([f" {text}\n" for text in a])).all()


@settings(max_examples=200, deadline=None)
@given(st.lists(LETTERS, max_size=25), st.floats(0.2, 1), st.integers(0, 25))
def test_pairs_of_a_growing_table_stay(texts: list[str], min_similarity: float, k: int) -> None:
    """The pairs of the first k texts are those of all texts that lie among the first k: later rows change nothing."""

    def pairs(some: list[str]) -> list[list[int]]:
        found = near_pairs(
            text_bands(some), lambda rows: [some[r] for r in rows], text_similarity, min_similarity=min_similarity
        )
        return found.tolist()

    whole = pairs(texts)
    assert pairs(texts[:k]) == [pair for pair in whole if pair[1] < k]
    assert all(i < j for i, j in whole)
    assert whole == sorted(whole, key=lambda pair: (pair[1], pair[0]))
    for j, text in enumerate(texts):
        equal = [i for i in range(j) if fold(texts[i]) == fold(text) != ""]
        assert not equal or [equal[0], j] in whole or any(pair[1] == j for pair in whole)


@settings(max_examples=300, deadline=None)
@given(BANDS, st.integers(1, 5), st.integers(0, 4), st.integers(0, 40), st.integers(0, 2**32))
def test_pairs_depend_on_no_later_row(rows: list, n_kinds: int, n_previous: int, k: int, seed: int) -> None:
    """With crowded buckets, twins that are none and any likeness, a beginning of the table has the pairs it has in the whole."""
    bands = np.array(rows, dtype=np.uint64).reshape(-1, 3)
    kinds = np.random.default_rng(seed).integers(0, n_kinds, size=len(bands))

    def alike(a: Sequence[int], b: Sequence[int]) -> npt.NDArray[np.float64]:
        return (kinds[list(a)] == kinds[list(b)]).astype(np.float64)

    def pairs(n: int) -> list[list[int]]:
        found = near_pairs(bands[:n], lambda rows: rows.tolist(), alike, min_similarity=1, n_previous=n_previous)
        return found.tolist()

    whole = pairs(len(bands))
    assert pairs(k) == [pair for pair in whole if pair[1] < k]
    for i, j in whole:
        assert kinds[i] == kinds[j]
        assert ((bands[i] == bands[j]) & (bands[i] != 0)).any()
