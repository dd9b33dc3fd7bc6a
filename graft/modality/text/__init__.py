"""Texts: a row's content is a string."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graft.modality.base import Baseline, ContentCheck, Found, Oddity
from graft.records.shift import Profile

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from graft.recipe import Validate

MAX_CHARS = 20_000
_N_CHARS = 2_000
"""Characters of a text that further searches see."""


def _words_and_pairs() -> Any:
    from graft.modality.text.features import words_and_pairs

    return words_and_pairs()


class Text:
    """See ``graft.modality.base.Modality``."""

    name = "text"
    plural = "texts"
    column = "column with the text; null: the rows are images"
    encoder = "a text encoder"
    is_binary = False
    has_tokens = True
    n_previous = 3
    expectable: tuple[str, ...] = ("content", "n_chars")
    suspect_C = 3.0
    measures: Mapping[str, Callable[[Any], float]] = {"n_chars": len, "n_words": lambda text: len(text.split())}
    baseline = Baseline("TF-IDF and logistic regression", 10.0, (1.0, 10.0, 100.0), _words_and_pairs)

    def content_keys(self, contents: Iterable[str], names: Sequence[str]) -> list[str]:
        """Return digests of the folded texts: equal for texts that differ in case, spacing, signs or Unicode form."""
        from graft.modality.text.normalize import content_key

        return [content_key(text) for text in contents]

    def sketches(self, contents: Iterable[str], names: Sequence[str]) -> list[bytes]:
        """Return the texts themselves."""
        return [text.encode("utf-8", "surrogatepass") for text in contents]

    def bands(self, sketches: Sequence[bytes]) -> npt.NDArray[np.uint64]:
        """Return MinHash bands of character 4-grams."""
        from graft.modality.text.near import text_bands

        return text_bands(_decoded(sketches))

    def similarity(self, a: Sequence[bytes], b: Sequence[bytes]) -> npt.NDArray[np.float64]:
        """Return the Jaccard similarity of the sets of character 4-grams."""
        from graft.modality.text.near import text_similarity

        return text_similarity(_decoded(a), _decoded(b))

    def checks(self, bounds: Validate) -> tuple[ContentCheck, ...]:
        """Return the bounds on length and encoding damage; what is damaged is said by oddities."""
        if bounds.language is not None:
            from graft.modality.text.language import check_language

            check_language(bounds.language)
        return (
            ContentCheck("empty", "Texts that are empty", "n_chars", low=1, do="take them out: graft validate --fix"),
            ContentCheck(
                "too_long", f"Texts above {MAX_CHARS:,} characters", "n_chars", high=MAX_CHARS, do="cut or split them"
            ),
            ContentCheck(
                "encoding_damage", "Texts with encoding damage", "n_damaged", high=0,
                max_fraction=bounds.max_fraction_damaged, has_finding=False,
            ),
        )  # fmt: skip

    @property
    def oddities(self) -> tuple[Oddity, ...]:
        """Damage, mark-up, blanks, placeholders and personal data."""
        from graft.modality.text.oddities import TEXT_ODDITIES

        return TEXT_ODDITIES

    def describe(self, contents: pd.Series, names: Sequence[str]) -> pd.DataFrame:
        """Return lengths, damage and oddities of each text."""
        from graft.modality.text.oddities import describe_texts
        from graft.rows import strings

        return describe_texts(strings(contents))

    def shorten(self, contents: pd.Series, names: Sequence[str]) -> pd.Series:
        """Return the first 2,000 characters of each text."""
        return contents.str.slice(0, _N_CHARS)

    def findings(self, frame: pd.DataFrame, sample: pd.DataFrame, bounds: Validate) -> list[Found]:
        """Return texts that look cut, and those in another language than expected."""
        from graft.modality.text.language import language_findings
        from graft.modality.text.oddities import cut_texts

        return [*cut_texts(frame), *language_findings(sample, bounds.language)]

    def suspect_features(self, shortened: Sequence[Any]) -> Any:
        """Return TF-IDF of words and pairs of words that stand in two texts at least."""
        from graft.modality.text.features import text_features

        return text_features(shortened)

    @property
    def repair(self) -> Callable[[Any], Any]:
        """Undoes wrong decoding, HTML, control characters and outer blanks."""
        from graft.modality.text.repair import repair

        return repair

    def profile(self, contents: Sequence[Any], base: Path) -> Profile:
        """Describe texts by their lengths, by the tokens that the base's tokenizer makes of them, and by their words."""
        from graft.modality.text.profile import load_tokenizer, profile_texts

        return profile_texts(contents, tokenizer=load_tokenizer(base))

    def lacking(self, files: set[str]) -> str:
        """Return that a tokenizer lacks where a folder has none and an image processor instead."""
        has_words = any(file.startswith(("tokenizer", "vocab", "merges", "sentencepiece", "spiece")) for file in files)
        return "tokenizer" if "preprocessor_config.json" in files and not has_words else ""

    def show(self, content: str) -> dict[str, str]:
        """Return the text."""
        return {"text": content}


def _decoded(sketches: Sequence[bytes]) -> list[str]:
    return [sketch.decode("utf-8", "surrogatepass") for sketch in sketches]


TEXT = Text()
