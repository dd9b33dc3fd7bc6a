"""The thresholds that say "another language" and "damaged text", between seven English sets of texts and three others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from graft.modality.text.profile import load_tokenizer, profile_texts
from graft.records.shift import Profile
from graft.shift.domain_card import MIN_FUNCTION_WORDS, SHIPPED, Card, flag_language, read_card

pytestmark = pytest.mark.realdata
N_TEXTS = 1500


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def column(name: str) -> Callable[[Path], list[str]]:
    return lambda path: pd.read_csv(path)[name].tolist()


def field(k: int) -> Callable[[Path], list[str]]:
    return lambda path: [line.split("\t")[k] for line in lines(path)]


SETS: dict[str, tuple[str, Callable[[Path], list[str]]]] = {
    "SST-2": ("text/sst2/train.tsv", field(0)),
    "Banking77": ("text/banking77/train.csv", column("text")),
    "Amazon": ("text/amazon_multidomain/amazon_reviews.csv", column("text")),
    "tweets": ("text/tweeteval/emotion/train_text.txt", lines),
    "UMSAB English": ("text/umsab_multilingual/english/train_text.txt", lines),
    "SMS": ("text/sms_spam/SMSSpamCollection.tsv", field(1)),
    "Davidson": ("bias/davidson/labeled_data.csv", column("tweet")),
    "German": ("text/umsab_multilingual/german/train_text.txt", lines),
    "Spanish": ("text/umsab_multilingual/spanish/train_text.txt", lines),
    "French": ("text/umsab_multilingual/french/train_text.txt", lines),
}
OTHERS = ("German", "Spanish", "French")


@pytest.fixture(scope="module")
def profiles(shared_data: Path, minilm: Path) -> dict[str, Profile]:
    """What 1,500 texts of each set look like to the base's tokenizer."""
    tokenizer = load_tokenizer(minilm)
    found = {}
    for name, (path, read) in SETS.items():
        if not (shared_data / path).is_file():
            pytest.skip(f"shared data absent: {shared_data / path}")
        texts = read(shared_data / path)
        chosen = np.random.default_rng(0).permutation(len(texts))[:N_TEXTS]
        found[name] = profile_texts([texts[i] for i in chosen], tokenizer=tokenizer)
    return found


def card_of(profile: Profile) -> Card:
    """A card of a base that knows English by such texts."""
    return Card(
        base="pkg:base",
        base_sha256="0" * 64,
        source="texts",
        is_proxy=True,
        modality="text",
        n_rows=profile.n,
        profile=profile,
    )


@pytest.mark.parametrize("home", ["shipped", "SST-2", "Amazon"])
def test_flags_of_ten_sets(profiles: dict[str, Profile], home: str) -> None:
    """German, Spanish and French are flagged as another language, tweets full of mark-up as many tokens, six sets as nothing.

    So they are beside the card that comes with Graft, and beside cards of two of the sets themselves.
    """
    shipped = Path(str(SHIPPED / "minilm-wordnet.safetensors"))
    card = read_card(shipped) if home == "shipped" else card_of(profiles[home])
    said = {name: flag_language(card, profile) for name, profile in profiles.items()}
    assert [name for name, text in said.items() if "base's language" in text] == list(OTHERS)
    assert [name for name, text in said.items() if "small tokens" in text] == ["Davidson"]
    assert [name for name, text in said.items() if not text] == list(SETS)[:6]


def test_function_words_leave_a_wide_gap(profiles: dict[str, Profile]) -> None:
    """Every English set has 1.5 times the bound of function words at least, every other language half of it at most."""
    shares = {name: one.properties["share of English function words"].mean for name, one in profiles.items()}
    assert max(shares[name] for name in OTHERS) < 0.5 * MIN_FUNCTION_WORDS
    assert min(share for name, share in shares.items() if name not in OTHERS) > 1.5 * MIN_FUNCTION_WORDS


def test_tokens_a_word_tell_no_language(profiles: dict[str, Profile]) -> None:
    """The trap that the flag avoids: by tokens a word English tweets with mark-up look less English than Spanish does."""
    tokens = {name: one.properties["tokens a word"].mean for name, one in profiles.items()}
    assert tokens["Davidson"] > tokens["Spanish"]
    assert 1.1 < tokens["SST-2"] < 1.25  # pieces of the text alone, without padding
