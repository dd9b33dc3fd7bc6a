"""Texts as numbers for linear models: their words and pairs of words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

_WORD = r"(?u)[\u3040-\u30ff\u3400-\u9fff\u0e00-\u0e7f]|[^\W_]+"  # scripts without blanks: letter by letter


def words_and_pairs() -> Any:
    """Return what makes TF-IDF of words and pairs of texts, not yet fitted."""
    return TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, strip_accents="unicode")


def text_features(texts: Sequence[Any]) -> Any:
    """Return TF-IDF of words and pairs of words that stand in two texts at least, sparse; None where there are none."""
    vectors = TfidfVectorizer(
        ngram_range=(1, 2), sublinear_tf=True, min_df=2, max_features=100_000, dtype=np.float32, token_pattern=_WORD
    )
    try:
        return vectors.fit_transform(texts)
    except ValueError:  # no word stands in two texts
        return None
