"""What tells two samples apart, in words that people know: words of texts, properties of images, values of columns."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats
from tokenizers import Tokenizer

from graft.modality.image import pictures
from graft.records import Sign
from graft.records.shift import Profile, Property, Unit
from graft.stats.univariate import fisher_test

N_SIGNS = 8
N_WORDS = 3_000
MIN_ROWS = 3
LEVEL = 0.01
WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)?")
FUNCTION_WORDS = frozenset(
    WORD.findall(
        "the a an and or but if of to in on at by for with from as is are was were be been am do does did have has had not no "
        "it its this that these those there here i you he she we they me my your his her our their what which who when how "
        "so than then can will would"
    )
)
"""English words that carry grammar: their share says that a text is English, which tokens a word do not."""


def load_tokenizer(folder: Path) -> Tokenizer | None:
    """Return a base's tokenizer, without the network; None where it is of another form than ``tokenizer.json``."""
    path = folder / "tokenizer.json"
    if not path.is_file():
        return None
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()  # the file may ask for both, and every text would have as many tokens
    tokenizer.no_truncation()
    return tokenizer


def profile_texts(texts: Sequence[str], *, tokenizer: Tokenizer | None = None) -> Profile:
    """Describe texts: length, word length, function words, and in which share of rows each frequent word of meaning stands.

    Args:
        texts: n strings.
        tokenizer: the base's; with it, tokens a word (fertility) and the share of unknown tokens are told too.

    Returns:
        properties of at most N_WORDS words that stand in three rows at least, beside the others.

    Cost: O(characters), and tokenizing.
    """
    words = [WORD.findall(text.lower()) for text in texts]
    counts = np.array([max(1, len(one)) for one in words], dtype=float)
    values: dict[str, tuple[Unit, npt.ArrayLike]] = {
        "words a text": ("number", [len(one) for one in words]),
        "letters a word": ("number", np.array([sum(map(len, one)) for one in words]) / counts),
        "share of English function words": (
            "fraction",
            np.array([sum(word in FUNCTION_WORDS for word in one) for one in words]) / counts,
        ),
    }
    if tokenizer is not None and texts:
        encoded = [one.ids for one in tokenizer.encode_batch(list(texts), add_special_tokens=False)]
        lengths = np.array([max(1, len(ids)) for ids in encoded], dtype=float)
        parts = np.array([max(1, len(text.split())) for text in texts], dtype=float)
        unknowns = _unknown(tokenizer)
        unknown = np.array([sum(i in unknowns for i in ids) for ids in encoded], dtype=float)
        values["tokens a word"] = ("number", lengths / parts)
        values["share of unknown tokens"] = ("fraction", unknown / lengths)
    found = Counter(f"“{word}”" for one in words for word in sorted(set(one) - FUNCTION_WORDS))
    return _profile(len(texts), values) | _shares(len(texts), found.most_common(), N_WORDS)


def _unknown(tokenizer: Tokenizer) -> set[int]:
    return {i for i in map(tokenizer.token_to_id, ("[UNK]", "<unk>")) if i is not None}


def profile_images(images: Sequence[bytes]) -> Profile:
    """Describe images by brightness, contrast, width and proportion; n bytes of image files."""
    sizes = [pictures.open_picture(image, "an image").size for image in images]
    values = [pictures.grey(image, "an image") for image in images]
    return _profile(
        len(images),
        {
            "brightness": ("number", [grey.mean() for grey in values]),
            "contrast": ("number", [grey.std() for grey in values]),
            "width in pixels": ("number", [width for width, _ in sizes]),
            "width over height": ("number", [width / height for width, height in sizes]),
        },
    )


def profile_columns(rows: pd.DataFrame, columns: Sequence[str]) -> Profile:
    """Describe columns by the share of each value that stands in three rows at least."""
    profile = Profile(n=len(rows), properties={})
    for column in columns:
        counts = Counter(f"{column} = {value}" for value in rows[column].dropna().astype(str))
        profile |= _shares(len(rows), counts.most_common(), N_SIGNS * 4)
    return profile


def _profile(n: int, values: Mapping[str, tuple[Unit, npt.ArrayLike]]) -> Profile:
    arrays = {name: (unit, np.asarray(given, dtype=float)) for name, (unit, given) in values.items()}
    return Profile(
        n=n,
        properties={
            name: Property(mean=float(array.mean()), sd=float(array.std()), unit=unit)
            for name, (unit, array) in arrays.items()
            if len(array)
        },
    )


def _shares(n: int, counts: Sequence[tuple[str, int]], n_kept: int) -> Profile:
    """Describe by the first counts, the largest first, that stand in three rows at least."""
    kept = [(name, k) for name, k in counts[:n_kept] if k >= MIN_ROWS]
    most = max((k for _, k in counts[len(kept) : len(kept) + 1]), default=0)
    left_out = min(1.0, max(most, MIN_ROWS - 1) / max(1, n))
    return Profile(n=n, properties={name: _share(k / n) for name, k in kept}, left_out=left_out)


def _share(mean: float) -> Property:
    return Property(mean=mean, sd=float(np.sqrt(mean * (1 - mean))), unit="fraction")


def tell_apart(reference: Profile, current: Profile) -> tuple[Sign, ...]:
    """Return what differs most between two samples beyond chance, at most eight.

    What passes LEVEL after Bonferroni's correction over all properties is named, the largest z first. z is the score test's, with
    the variance of all rows together, so it is finite also where each side is all alike. Whether a word or value is named is
    asked of Fisher's exact test, as few rows make rare words jump. One that a profile leaves out may stand in as many rows as
    the most frequent that it leaves out; it is taken to stand in as many as fit the other side.

    Assumes: rows independent; of means, that some 30 rows are on each side.
    Error: anything named where nothing differs: in a share LEVEL of comparisons at most (tests/unit/shift/test_explain.py).
    """
    n, m = reference.n, current.n
    if min(n, m) == 0:
        return ()
    both = {name: _pair(reference, current, name) for name in sorted({*reference.properties, *current.properties})}
    names, pairs = [name for name in both if both[name]], [pair for pair in both.values() if pair]
    scores = [_score(before, now, n, m) for before, now in pairs]
    p_values = 2 * stats.norm.sf(np.abs(scores))
    counted = [i for i, pair in enumerate(pairs) if all(one.is_count for one in pair)]
    if counted:
        k, j = ([round(pairs[i][side].mean * (n, m)[side]) for i in counted] for side in (0, 1))
        p_values[counted] = fisher_test(k, n, j, m)
    signs = [
        Sign(name=name, reference=round(before.mean, 4), current=round(now.mean, 4), z=round(z, 1), unit=now.unit)
        for name, (before, now), z, p_value in zip(names, pairs, scores, p_values, strict=True)
        if p_value < LEVEL / len(names)
    ]
    return tuple(sorted(signs, key=lambda sign: (-abs(sign.z), sign.name))[:N_SIGNS])


def _pair(reference: Profile, current: Profile, name: str) -> tuple[Property, Property] | None:
    """Return a property on both sides; None where one side lacks it and it is no word or value."""
    before, now = (profile.properties.get(name) for profile in (reference, current))
    if now is None and before is not None and before.is_count:
        now = _share(min(current.left_out, before.mean))
    elif before is None and now is not None and now.is_count:
        before = _share(min(reference.left_out, now.mean))
    return (before, now) if before is not None and now is not None else None


def _score(before: Property, now: Property, n: int, m: int) -> float:
    away = now.mean - before.mean
    within = (n * before.sd**2 + m * now.sd**2) / (n + m)
    error = np.sqrt((within + n * m / (n + m) ** 2 * away**2) * (1 / n + 1 / m))
    return float(away / error) if error > 0 else 0.0
