"""Domain cards: what is written is read, and what is no card is refused in a sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from graft.errors import InputError
from graft.records.shift import Profile, Property
from graft.shift import domain_card
from graft.shift.card_rows import load_domain, write_domain
from graft.shift.domain_card import Card, find_card, flag_language, read_card

HERE, THERE = "a" * 64, "b" * 64


def a_card(base_sha256: str = HERE, **changed: Any) -> Card:
    settings = {
        "base": "pkg:base",
        "base_sha256": base_sha256,
        "source": "made-up rows, CC0",
        "is_proxy": True,
        "modality": "text",
        "n_rows": 30,
        "profile": figures(0.4, 1.2),
        **changed,
    }
    return Card(**settings)


def figures(function_words: float, tokens: float | None) -> Profile:
    properties = {"share of English function words": Property(mean=function_words, sd=0.1, unit="fraction")}
    if tokens is not None:
        properties["tokens a word"] = Property(mean=tokens, sd=0.3, unit="number")
    return Profile(n=30, properties=properties)


def features(n: int = 30, d: int = 8) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(n, d)).astype(np.float32)


def test_round_trip(tmp_path: Path) -> None:
    """A card comes back as it was; its features within half precision, in single."""
    path = tmp_path / "one.safetensors"
    write_domain(path, a_card(), features())
    card, found = read_card(path), load_domain(path)
    assert card == a_card()
    assert found.dtype == np.float32
    assert found == pytest.approx(features(), rel=1e-3, abs=1e-6)
    assert a_card().title == "proxy of pkg:base's domain: made-up rows, CC0"
    assert not a_card(is_proxy=False).title.startswith("proxy")


def test_same_card_same_bytes(tmp_path: Path) -> None:
    """The file is a function of the card."""
    for name in ("a", "b"):
        write_domain(tmp_path / name, a_card(), features())
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("wrong", [features() * 1e6, features() * np.nan, features(29)])
def test_what_could_not_be_read_is_not_written(tmp_path: Path, wrong: np.ndarray) -> None:
    """Features that half precision cannot hold, or another number of rows, are refused before anything is written."""
    with pytest.raises(ValueError, match="finite in half precision"), np.errstate(over="ignore"):
        write_domain(tmp_path / "one.safetensors", a_card(), wrong)
    assert not list(tmp_path.iterdir())


def as_card(tensors: dict[str, np.ndarray], text: str | None = None) -> bytes:
    return save(tensors, metadata={"card": a_card().model_dump_json() if text is None else text})


HALF = features().astype(np.float16)
BAD: dict[str, Callable[[Path], Any]] = {
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("no card"),
    "cut": lambda path: path.write_bytes(as_card({"features": HALF})[:-100]),
    "no card": lambda path: path.write_bytes(save({"features": HALF})),
    "other json": lambda path: path.write_bytes(as_card({"features": HALF}, "[1]")),
    "a weight": lambda path: path.write_bytes(save({"layer.weight": HALF}, metadata={"format": "pt"})),
    "more keys": lambda path: path.write_bytes(
        as_card({"features": HALF}, a_card().model_dump_json()[:-1] + ', "x": 1}')
    ),
    "digest": lambda path: path.write_bytes(as_card({"features": HALF}, a_card().model_dump_json().replace(HERE, "?"))),
    "infinite": lambda path: path.write_bytes(
        as_card({"features": HALF}, a_card().model_dump_json().replace("0.4", "1e999"))
    ),
    "folder": lambda path: path.mkdir(),
    "dangling": lambda path: path.symlink_to(path.with_name("nowhere")),
}
BAD_ROWS: dict[str, dict[str, np.ndarray]] = {
    "none": {"other": HALF},
    "fewer": {"features": HALF[:20]},
    "flat": {"features": HALF.ravel()},
    "deep": {"features": HALF[:, :, None]},
    "not a number": {"features": HALF * np.float16(np.nan)},
}


@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_card_is_refused(tmp_path: Path, kind: str) -> None:
    """A damaged or foreign file is refused in one sentence that names it and says what makes a card."""
    path = tmp_path / "one.safetensors"
    BAD[kind](path)
    for look in (lambda: load_domain(path), lambda: find_card(HERE, tmp_path)):
        with pytest.raises(InputError) as refused:
            look()
        assert refused.value.what == "one.safetensors is not a domain card."
        assert refused.value.where == str(path)
        assert "graft card" in refused.value.do


@pytest.mark.parametrize("kind", BAD_ROWS)
def test_rows_that_do_not_fit_their_card_are_refused(tmp_path: Path, kind: str) -> None:
    """A card whose rows are missing, others in number or no numbers is refused where its rows are asked for."""
    path = tmp_path / "one.safetensors"
    path.write_bytes(as_card(BAD_ROWS[kind]))
    with pytest.raises(InputError) as caught:
        load_domain(path)
    assert caught.value.code == "not-a-domain-card"
    assert "one.safetensors" in caught.value.what
    assert "graft card" in caught.value.do


def test_every_cut_is_refused(tmp_path: Path) -> None:
    """A card cut at any of fifty places is no card."""
    path = tmp_path / "one.safetensors"
    write_domain(path, a_card(), features())
    whole = path.read_bytes()
    for end in np.linspace(0, len(whole) - 1, 50).astype(int):
        path.write_bytes(whole[:end])
        with pytest.raises(InputError):
            load_domain(path)


def test_the_own_folder_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A base's card is found by the digest of its folder, first in the own folder, then among those that come with Graft."""
    own, shipped = tmp_path / "own", tmp_path / "shipped"
    own.mkdir()
    shipped.mkdir()
    monkeypatch.setattr(domain_card, "SHIPPED", shipped)
    assert find_card(HERE, own) is None
    write_domain(shipped / "a.safetensors", a_card(), features())
    assert find_card(HERE, own) == shipped / "a.safetensors"
    assert find_card(THERE, own) is None
    write_domain(own / "x.safetensors", a_card(THERE), features())
    assert find_card(HERE, own) == shipped / "a.safetensors"
    write_domain(own / "z.safetensors", a_card(source="our own rows"), features())
    assert find_card(HERE, own) == own / "z.safetensors"
    assert find_card(THERE, own) == own / "x.safetensors"
    assert find_card(HERE, tmp_path / "none") == shipped / "a.safetensors"


@pytest.mark.parametrize(
    ("base", "texts", "word"),
    [
        ((0.4, 1.2), (0.35, 1.3), ""),
        ((0.4, 1.2), (0.16, 1.7), ""),
        ((0.4, 1.2), (0.03, 2.4), "language"),
        ((0.4, 1.2), (0.03, None), "language"),  # a base whose tokenizer is of another form
        ((0.4, 1.2), (0.3, 1.8), "tokens"),
        ((0.4, 1.2), (0.3, None), ""),
        ((0.05, 1.2), (0.01, 5.0), ""),  # a base of another language says nothing of English
    ],
)
def test_flags(base: tuple[float, float | None], texts: tuple[float, float | None], word: str) -> None:
    """Few English function words say another language, many tokens beside them damaged text, and else nothing is said."""
    found = flag_language(a_card(profile=figures(*base)), figures(*texts))
    assert (word in found) if word else found == ""


def test_images_have_no_language() -> None:
    """Without a share of function words on either side nothing is said."""
    bare = Profile(n=30, properties={"brightness": Property(mean=100, sd=10, unit="number")})
    for one, other in ((bare, bare), (figures(0.4, 1.2), bare), (bare, figures(0.01, 5))):
        assert flag_language(a_card(profile=one), other) == ""
