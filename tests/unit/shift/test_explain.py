"""What tells two samples apart, in words: planted things are named, and nothing else is."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from graft.modality.image.profile import profile_images
from graft.modality.text import profile
from graft.modality.text.profile import load_tokenizer, profile_texts
from graft.records import Sign
from graft.records.shift import Profile, Property
from graft.shift.explain import find_differences, profile_columns

WORDS = [f"{a}{b}{c}" for a in "bdfgklmnprst" for b in "aeiou" for c in "bdfgklmnprst"]
CHANCES = 1 / np.arange(3, len(WORDS) + 3)


def texts(seed: int, n: int) -> list[str]:
    """Texts of 12 made-up words, a few of them frequent and most rare, as in a language."""
    rng = np.random.default_rng(seed)
    return [" ".join(words) for words in rng.choice(WORDS, (n, 12), p=CHANCES / CHANCES.sum())]


def names(found: Sequence[Sign]) -> list[str]:
    return [sign.name for sign in found]


def test_planted_words_are_named() -> None:
    """A word put into a fifth of the current texts is named with its shares and a positive z; one taken out, with a negative."""
    before, now = texts(0, 500), texts(1, 500)
    now = [text.replace(WORDS[0], WORDS[1]) + (" Refund!" if k % 5 == 0 else "") for k, text in enumerate(now)]
    found = {sign.name: sign for sign in find_differences(profile_texts(before), profile_texts(now))}
    assert found["“refund”"].current == 0.2
    assert found["“refund”"].reference <= 2 / 500  # it was left out, and so stands in two rows at most
    assert found["“refund”"].z > 5
    assert found[f"“{WORDS[0]}”"].z < -5
    assert found[f"“{WORDS[0]}”"].current < 0.01
    assert set(found) <= {"“refund”", *(f"“{word}”" for word in WORDS[:2]), "letters a word", "words a text"}


def test_what_all_have_and_none_had_is_named() -> None:
    """A word in every current text and in no other, and a column's value likewise, come first with a finite z."""
    before, now = texts(0, 50), [f"{text} zzz" for text in texts(1, 50)]
    found = find_differences(profile_texts(before), profile_texts(now))
    assert {found[0].name, found[1].name} == {"“zzz”", "words a text"}
    rows = [pd.DataFrame({"channel": [value] * 40}) for value in ("web", "phone")]
    found = find_differences(*(profile_columns(one, ["channel"]) for one in rows))
    assert names(found) == ["channel = phone", "channel = web"]
    assert [np.sign(sign.z) for sign in found] == [1, -1]


def test_longer_texts_are_named() -> None:
    """Texts of twice the length are told by words a text, with both means."""
    before, now = texts(0, 200), [f"{a} {b}" for a, b in zip(texts(1, 200), texts(2, 200), strict=True)]
    found = {sign.name: sign for sign in find_differences(profile_texts(before), profile_texts(now))}
    assert (found["words a text"].reference, found["words a text"].current) == (12, 24)
    assert found["words a text"].unit == "number"


def picture(level: float, size: tuple[int, int], rng: np.random.Generator) -> bytes:
    file = BytesIO()
    pixels = np.clip(rng.normal(level, 20, (size[1], size[0], 3)), 0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(file, format="PNG")
    return file.getvalue()


def images(seed: int, n: int, level: float = 120, size: tuple[int, int] = (16, 12)) -> list[bytes]:
    rng = np.random.default_rng(seed)
    return [picture(rng.normal(level, 15), size, rng) for _ in range(n)]


def test_planted_image_properties_are_named() -> None:
    """Darker images, and images of another size and shape, are told by name; images made alike by none."""
    plain = profile_images(images(0, 40))
    assert find_differences(plain, profile_images(images(1, 40))) == ()
    darker = find_differences(plain, profile_images(images(2, 40, level=70)))
    assert names(darker)[0] == "brightness"
    assert darker[0].z < -5
    assert darker[0].reference == pytest.approx(120, abs=8)
    assert darker[0].current == pytest.approx(70, abs=8)
    wider = {sign.name: sign for sign in find_differences(plain, profile_images(images(3, 40, size=(32, 12))))}
    assert (wider["width in pixels"].reference, wider["width in pixels"].current) == (16, 32)
    assert wider["width over height"].z > 5


def test_words_beyond_the_longest_list_are_not_taken_for_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a profile keeps only the most frequent words, one that just falls off the list is not named as gone."""
    monkeypatch.setattr(profile, "N_WORDS", 20)
    wrong = sum(
        bool(find_differences(profile_texts(texts(seed, 600)), profile_texts(texts(100 + seed, 600))))
        for seed in range(20)
    )
    assert wrong <= 2  # at a level of .01 more has probability .001
    found = profile_texts(texts(0, 600))
    kept = [one.mean for name, one in found.properties.items() if name.startswith("“")]
    assert len(kept) == 20
    assert 0 < found.left_out <= min(kept)


def test_at_most_eight_the_clearest_first() -> None:
    """Of thirty planted words eight are named, by falling z."""
    now = [f"{text} {' '.join(f'x{word}' for word in WORDS[:30])}" for text in texts(1, 60)]
    found = find_differences(profile_texts(texts(0, 60)), profile_texts(now))
    assert len(found) == 8
    sizes = [abs(sign.z) for sign in found]
    assert sizes == sorted(sizes, reverse=True)


def test_what_one_side_lacks_is_not_compared() -> None:
    """A property that only one side was measured by, and samples without rows, say nothing."""
    number = Profile(n=100, properties={"tokens a word": Property(mean=2, sd=0.1, unit="number")})
    empty = Profile(n=100, properties={})
    for pair in ((number, empty), (empty, number), (profile_texts([]), number), (number, profile_texts([]))):
        assert find_differences(*pair) == ()


def test_odd_texts() -> None:
    """Empty texts, one text, and texts without any word give finite figures."""
    for odd in (["", "", ""], ["one"], ["123 !!", "\u2603"], ["..."] * 20):
        profile = profile_texts(odd)
        assert profile.n == len(odd)
        assert all(np.isfinite([one.mean, one.sd]).all() for one in profile.properties.values())
        assert find_differences(profile, profile) == ()


def test_missing_values_of_a_column() -> None:
    """Shares are of all rows, also of those without a value; a value in fewer than three rows is left out."""
    found = profile_columns(pd.DataFrame({"age": ["old"] * 5 + ["new"] * 2 + [None] * 3}), ["age"])
    assert {name: one.mean for name, one in found.properties.items()} == {"age = old": 0.5}
    assert found.left_out == 0.2


def test_tokens_are_those_of_the_text(tiny_base: Path, tmp_path: Path) -> None:
    """Tokens a word do not depend on the padding and cutting that a tokenizer's file may ask for; unknown ones are counted."""
    plain = load_tokenizer(tiny_base)
    assert plain is not None
    padded = load_tokenizer(tiny_base)
    assert padded is not None
    padded.enable_padding(length=64)
    padded.enable_truncation(max_length=5)
    padded.save(str(tmp_path / "tokenizer.json"))
    given = ["the cat is late", "a dog and a tree and a house in the car", "xyz \u2603"]
    found = [profile_texts(given, tokenizer=load_tokenizer(folder)) for folder in (tiny_base, tmp_path)]
    assert found[0] == found[1]
    tokens = [len(plain.encode(text, add_special_tokens=False).ids) for text in given]
    assert found[0].properties["tokens a word"].mean == pytest.approx(np.mean(np.array(tokens) / [4, 11, 2]))
    assert found[0].properties["share of unknown tokens"].mean == pytest.approx(1 / tokens[2] / 3)
    assert load_tokenizer(tmp_path / "elsewhere") is None
