"""Repairs mend damage, leave whole texts alone, and mend nothing twice."""

# ruff: noqa: RUF001 - damaged and unusual letters are what is tested

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from graft.modality.text.normalize import content_key
from graft.modality.text.repair import repair
from graft.validate import repairs

PIECES = st.sampled_from(
    ["&amp;", "&lt;", "br", "&gt;", "<", ">", "/", "p", "<br />", "Ã©", "â€™", "\x92", "\ufeff", "\x07", "\n", " ", "\ufffd", "a",
     "&#60;", "é", "&amp", ";", "amp", "\x85", "ðŸ‘‰", "\u00a0", "Â", "\t", "\u202a", "\x1f", "#"]
)  # fmt: skip
DAMAGED = st.lists(PIECES, max_size=14).map("".join)


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        ("OrbÃ¡n has vowed", "Orbán has vowed"),
        ("that\x92s it", "that’s it"),
        ("send messageðŸ‘‰now", "send message👉now"),
        ("fish &amp;amp; chips", "fish & chips"),
        ("&#8220;so&#8221; &lt;3", "“so” <3"),
        ("one.<br /><br />Two", "one.\n\nTwo"),
        ("<p>one</p><p>two <b>three</b></p>", "one\n two three"),
        ("&lt;b&gt;bold&lt;/b&gt;", "bold"),
        ("a\x07b\ufeff", "ab"),
        ("  outer\n", "outer"),
        ("lost \ufffd letter", "lost \ufffd letter"),
        ("<br />", ""),
        ("&" + "amp;" * 500 + "lt;", "<"),
    ],
)
def test_damage_is_mended(text: str, mended: str) -> None:
    """Each kind of damage that can be mended is; a lost letter stays lost."""
    assert repair(text) == mended


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "AT&T and R&D; ?a=1&copy=2",
        "if a < b and c > d",
        "<user> said <URL>",
        "“curly” ’quotes’",
        "two\nlines\n\nthree",
        "ﬁne ligature, Ｗｉｄｅ letters",
        "naïve café",
        "e\u0301 in two code points",
        "two  blanks",
        "👨‍👩‍👧",
    ],
)
def test_whole_texts_stay(text: str) -> None:
    """What is not damage is not touched, to the code point."""
    assert repair(text) == text


@settings(max_examples=400, deadline=None)
@given(DAMAGED | st.text(max_size=40))
@example("&amp;lt;br&amp;gt;")
@example("<<br>br>")
def test_repairing_twice_changes_nothing(text: str) -> None:
    """repair(repair(x)) is repair(x), for damage of every kind in any order."""
    once = repair(text)
    assert repair(once) == once


def table(rows: list[tuple[str, str, str, str]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["content", "label", "side", "because"])
    frame["row"] = [f"row {k}" for k in range(1, len(frame) + 1)]
    return frame.assign(key=[content_key(text) for text in frame["content"]])


def test_what_is_done_to_rows() -> None:
    """Damaged texts are rewritten; empty ones and repeats with the same label are dropped; everything else is left alone."""
    frame = table(
        [
            ("good text", "x", "train", ""),
            ("Good text!", "x", "dropped", "repeats another row"),
            ("good text", "y", "train", ""),
            ("good text", "x", "test", ""),
            ("a &amp; b", "x", "train", ""),
            ("<br>", "x", "train", ""),
            ("", "", "dropped", "no label"),
            ("waits", "", "dropped", "waits for its label"),
            ("waits", "", "dropped", "waits for its label"),
            ("good text", "x", "dropped", "mended: dropped"),
        ]
    )
    expected = [("row 2", "drop", ""), ("row 5", "text", "a & b"), ("row 6", "drop", ""), ("row 7", "drop", "")]
    assert list(repairs(lambda: iter([frame]), repair)) == expected
    assert list(repairs(lambda: iter([frame[:3], frame[3:]]), repair)) == expected
