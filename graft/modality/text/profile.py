"""What texts look like from outside, in words that people know."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from graft.modality.profile import profile_numbers, profile_shares
from graft.records.shift import Profile, Unit

N_WORDS = 3_000
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
        tokenizer: the base's; with it, tokens a word (fertility) and the share of unknown tokens are measured too.

    Returns:
        properties of at most N_WORDS words that stand in three rows at least, beside the others.

    Cost: O(characters), and tokenizing.
    """
    words = [WORD.findall(text.lower()) for text in texts]
    counts = np.array([max(1, len(tokens)) for tokens in words], dtype=float)
    values: dict[str, tuple[Unit, npt.ArrayLike]] = {
        "words a text": ("number", [len(tokens) for tokens in words]),
        "letters a word": ("number", np.array([sum(map(len, tokens)) for tokens in words]) / counts),
        "share of English function words": (
            "fraction",
            np.array([sum(word in FUNCTION_WORDS for word in tokens) for tokens in words]) / counts,
        ),
    }
    if tokenizer is not None and texts:
        encoded = [tokens.ids for tokens in tokenizer.encode_batch(list(texts), add_special_tokens=False)]
        lengths = np.array([max(1, len(ids)) for ids in encoded], dtype=float)
        parts = np.array([max(1, len(text.split())) for text in texts], dtype=float)
        unknowns = _unknown(tokenizer)
        unknown = np.array([sum(i in unknowns for i in ids) for ids in encoded], dtype=float)
        values["tokens a word"] = ("number", lengths / parts)
        values["share of unknown tokens"] = ("fraction", unknown / lengths)
    found = Counter(f"“{word}”" for tokens in words for word in sorted(set(tokens) - FUNCTION_WORDS))
    return profile_numbers(len(texts), values) | profile_shares(len(texts), found.most_common(), N_WORDS)


def _unknown(tokenizer: Tokenizer) -> set[int]:
    return {i for i in map(tokenizer.token_to_id, ("[UNK]", "<unk>")) if i is not None}
