"""As a dataset grows, no row changes its side, nothing alike and no group crosses: for any rows, added in any portions."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.data import Part, place_rows
from graft.data.sides import BECAUSE
from graft.modality.text.near import text_similarity
from graft.modality.text.normalize import fold
from graft.recipe import Data
from graft.rows import SIDES

SENTENCES = (
    "where is the parcel that i ordered last week",
    "i want my money back for the broken kettle",
    "how do i change the address of my account",
    "the engineer did not come to the house today",
)
ENDS = ("", "", " please", " pls", "!", " thanks a lot", " now")
TEXTS = st.builds(lambda s, e, cut: (s + e)[cut:], st.sampled_from(SENTENCES), st.sampled_from(ENDS), st.integers(0, 4))
ROW = st.tuples(TEXTS, st.sampled_from(["x", "y", ""]), st.sampled_from(["", "g1", "g2", "g3", "g4"]))
TIMES = st.integers(1, 28).map(lambda day: f"2026-09-{day:02d}")
PORTIONS = st.lists(st.lists(st.tuples(ROW, TIMES), min_size=1, max_size=6), min_size=1, max_size=4)
CROWD = 5
"""Of more texts that share a piece, some pairs are left out: see ``near_pairs``."""
KINDS = st.sampled_from(["hash", "group", "time", "test"])


def data(kind: str, *, min_similarity: float = 0.8, unlabelled: bool = False) -> Data:
    return Data(
        dataset="d", train="train.csv", test="test.csv" if kind == "test" else None, text="text", image=None,
        label="label", id=None, group=None if kind == "hash" else "group", time="time" if kind == "time" else None,
        test_from="2026-09-20" if kind == "time" else None, sensitive=(), fraction_test=0.4,
        min_similarity=min_similarity,
        rows_per_class=2 if unlabelled else None, unlabelled=unlabelled,
    )  # fmt: skip


def place(
    portions: list[list[tuple[tuple[str, str, str], str]]], kind: str, folder: Path, *, unlabelled: bool = False
) -> pd.DataFrame:
    """Write portions as files and return the rows with their sides, in the order in which they came."""
    parts = []
    for number, portion in enumerate(portions):
        role = "test" if kind == "test" and number == 0 else "train" if number == (kind == "test") else "added"
        part = Part(folder / f"{role}-{number}.csv", role)
        rows = [(*row, time) for row, time in portion]
        pd.DataFrame(rows, columns=["text", "label", "group", "time"]).to_csv(part.path, index=False)
        parts.append(part)
    placed = place_rows(parts, data(kind, unlabelled=unlabelled), {}, folder, lambda *_: None)
    flat = [(*row, time) for portion in portions for row, time in portion]
    frame = pd.DataFrame(flat, columns=["text", "label", "group", "time"])
    sides = placed.sides
    return frame.assign(side=[SIDES[c] for c in sides.side], because=[BECAUSE[c] for c in sides.because])


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(PORTIONS, PORTIONS, KINDS)
def test_growth(portions: list, more: list, kind: str) -> None:
    """Rows that were there keep side and reason when any portions are added; no two alike and no group cross."""
    if kind == "test":
        portions = [portions[0], *portions]
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        before, after = place(portions, kind, Path(one)), place(portions + more, kind, Path(two))
    pd.testing.assert_frame_equal(before, after.head(len(before)))
    train, test = after[after["side"] == "train"], after[after["side"] == "test"]
    check_border(train, test, kind, after)
    if kind == "test":
        given_test = after.head(len(portions[0]))
        assert (given_test["side"] == "test").equals(given_test["label"] != "")


@settings(max_examples=150, deadline=None)
@given(PORTIONS, PORTIONS, KINDS)
@pytest.mark.slow
def test_growth_with_unlabelled_rows(portions: list, more: list, kind: str) -> None:
    """No row that is learned from, labelled or not, is ever tested on or resembles one that is; each content is learned once."""
    if kind == "test":
        portions = [portions[0], *portions]
    with (
        tempfile.TemporaryDirectory() as one,
        tempfile.TemporaryDirectory() as two,
        tempfile.TemporaryDirectory() as off,
    ):
        before = place(portions, kind, Path(one), unlabelled=True)
        after = place(portions + more, kind, Path(two), unlabelled=True)
        without = place(portions + more, kind, Path(off))
    learned, test = after[after["side"].isin(["train", "unlabelled"])], after[after["side"] == "test"]
    assert (after["side"] == "test").equals(without["side"] == "test")
    assert (after["side"].head(len(before)) == "test").equals(before["side"] == "test")
    assert (without.loc[after["side"] == "dropped", "side"] != "test").all()
    unlabelled = after[after["side"] == "unlabelled"]
    assert not unlabelled["text"].map(fold).duplicated().any()
    assert not set(unlabelled["text"].map(fold)) & set(after.loc[after["side"] == "train", "text"].map(fold))
    assert set(unlabelled["because"]) <= {"no label", "beyond the rows per class"}
    check_border(learned, test, kind, after)


def check_border(train: pd.DataFrame, test: pd.DataFrame, kind: str, after: pd.DataFrame) -> None:
    """Check that nothing alike, no group and no time lies across."""
    if max(len({fold(text) for text in after["text"] if SENTENCES[k][6:12] in text}) for k in range(4)) <= CROWD:
        crossing = [*itertools.product(train["text"], test["text"])]
        a, b = ([pair[k] for pair in crossing] for k in (0, 1))
        assert not crossing or text_similarity(a, b).max() < 0.8
    if kind != "hash":
        assert not set(train["group"]) & set(test["group"]) - {""}
    if kind == "time":
        assert (train["time"] < "2026-09-20").all()
        assert (test["time"] >= "2026-09-20").all()
