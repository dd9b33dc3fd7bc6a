"""What tells two samples apart, in words that people know: words of texts, properties of images, values of columns."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
import pandas as pd
from tokenizers import Tokenizer

from graft import pictures
from graft.records import Sign
from graft.records.shift import Profile, Property, Unit

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
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def profile_texts(texts: Sequence[str], *, tokenizer: Tokenizer | None = None) -> Profile:
    """Describe texts: length, word length, function words, and in which share of rows each frequent word stands.

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
    found = Counter(word for one in words for word in set(one))
    frequent = [(word, k) for word, k in found.most_common(N_WORDS) if k >= MIN_ROWS]
    return _profile(len(texts), values) | _shares(len(texts), {f"“{word}”": k for word, k in frequent})


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
    counts = {
        f"{column} = {value}": int(k)
        for column in columns
        for value, k in rows[column].dropna().astype(str).value_counts().head(N_SIGNS * 4).items()
        if k >= MIN_ROWS
    }
    return _shares(len(rows), counts)


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


def _shares(n: int, counts: Mapping[str, int]) -> Profile:
    return Profile(
        n=n,
        properties={
            name: Property(mean=k / n, sd=float(np.sqrt(k / n * (1 - k / n))), unit="fraction")
            for name, k in counts.items()
        },
    )


def tell_apart(reference: Profile, current: Profile) -> tuple[Sign, ...]:
    """Return what differs most between two samples beyond chance, at most eight.

    z is Welch's, of the difference of two means; a word that a profile leaves out is in none of its rows. What passes LEVEL after
    Bonferroni's correction over all properties is named, the largest z first.

    Assumes: rows independent.
    """
    names = sorted({*reference.properties, *current.properties})
    nothing = Property(mean=0, sd=0, unit="fraction")
    bound = NormalDist().inv_cdf(1 - LEVEL / 2 / max(1, len(names)))
    signs = []
    for name in names:
        before, now = (profile.properties.get(name, nothing) for profile in (reference, current))
        error = float(np.sqrt(before.sd**2 / max(1, reference.n) + now.sd**2 / max(1, current.n)))
        if error > 0 and abs(now.mean - before.mean) / error > bound:
            z = (now.mean - before.mean) / error
            unit = now.unit if name in current.properties else before.unit
            signs.append(
                Sign(name=name, reference=round(before.mean, 4), current=round(now.mean, 4), z=round(z, 1), unit=unit)
            )
    return tuple(sorted(signs, key=lambda sign: (-abs(sign.z), sign.name))[:N_SIGNS])
