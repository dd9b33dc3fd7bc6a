"""Which language is a text in?"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt
import pandas as pd
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from graft.errors import InputError
from graft.modality.base import Found

N_TEXTS = 5_000
NAMED = 40, 0.9
"""Letters and probability from which a text's language is certain enough to name its row as odd."""
COUNTED = 20, 0.5
"""Letters and probability from which a text is counted in an overview, where a few errors do no harm."""
_MAX_MINORITY = 0.1


@cache
def _identifier() -> LanguageIdentifier:
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def check_language(language: str) -> None:
    """Do nothing if the language can be identified.

    Raises:
        InputError: py3langid does not know it.
    """
    if language not in _identifier().labels:
        raise InputError(
            f"Graft cannot tell the language {language!r}.",
            where="validate.language",
            do="give an ISO 639-1 code like en, or null",
        )


def identify_languages(texts: Sequence[str], at_least: tuple[int, float] = NAMED) -> npt.NDArray[np.str_]:
    """Return each text's language, two letters; "" where it cannot be identified.

    Args:
        at_least: letters of a text, and probability of its language, that it takes: ``NAMED`` or ``COUNTED``.

    Cost: about 0.05 ms a short text; the model takes 0.3 s once.
    Source: py3langid, a naive Bayes classifier over byte n-grams (Lui & Baldwin 2012).
    """
    return np.array([_tell(text, *at_least) for text in texts], dtype="<U3")


def _tell(text: str, min_letters: int, min_probability: float) -> str:
    if sum(letter.isalpha() for letter in text) < min_letters:
        return ""
    language, probability = _identifier().classify(text)
    return str(language) if probability >= min_probability else ""


def language_findings(sample: pd.DataFrame, expected: str | None) -> list[Found]:
    """Return texts in another language than expected; without an expectation, the most frequent one and the few others.

    Args:
        sample: columns content, key and position.
    """
    if not sample.empty:
        sample = sample.sort_values("key", kind="stable").head(N_TEXTS).sort_values("position")
    languages = identify_languages(sample["content"].tolist())
    names, counts = np.unique(languages[languages != ""], return_counts=True)
    if not len(names):
        return []
    order = np.argsort(-counts, kind="stable")
    shares = ", ".join(f"{names[k]} {counts[k]:,}" for k in order[:5])
    done = f"kept; of {counts.sum():,} texts looked at: {shares}"
    main = expected or str(names[order[0]])
    at = sample["position"].to_numpy(dtype=int)
    others = at[(languages != "") & (languages != main)]
    found = [] if expected else [Found(at[languages == main], f"Texts in the language {main}", done=done)]
    if expected or len(others) <= _MAX_MINORITY * counts.sum():
        name, do = f"Texts in another language than {main}", "look whether they belong here"
        return [*found, Found(others, name, "warning" if expected else "note", done, do)]
    do = "choose a base that knows all of them"
    return [*found, Found(others, "Texts in several languages", "warning", done, do)]
