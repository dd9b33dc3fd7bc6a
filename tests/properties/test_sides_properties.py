"""What holds of sides and of reading for any input."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.data import TEST, TRAIN, assign_sides, read_table
from graft.errors import GraftError
from graft.recipe import load_recipe

RECIPE = (Path(__file__).parents[2] / "recipes" / "support.yaml").read_bytes()
CSV = 'text,label,group\n"two\nlines, ""quoted""",a,g1\nécran,b,\n,a,g2\n'.encode()
WORDS = st.text("ab ÀA\u0300\n", max_size=4)  # few letters, so that twins are frequent
ROWS = st.lists(
    st.tuples(WORDS, st.sampled_from("xy"), st.sampled_from(["", "g1", "g2", "g3"])), min_size=1, max_size=30
)
FRACTIONS = st.floats(0.01, 0.99)


def frame(rows: list[tuple[str, str, str]]) -> pd.DataFrame:
    made = pd.DataFrame(rows, columns=["text", "label", "group"])
    return made.assign(row=[f"row {k}" for k in range(len(made))])


@settings(max_examples=150, deadline=None)
@given(ROWS, ROWS, FRACTIONS)
def test_sides_never_change_as_rows_are_added(rows: list, more: list, fraction: float) -> None:
    """Added rows never move a row across the border: test stays test, train stays train or is dropped for a twin in test."""
    before, _ = assign_sides(frame(rows), None, fraction_test=fraction)
    after, _ = assign_sides(frame(rows + more), None, fraction_test=fraction)
    tested = set(after.loc[after["side"] == TEST, "key"])
    for old, new, key in zip(before["side"], after["side"], after["key"], strict=False):
        if old == TEST:
            assert new == TEST
        elif new != old:
            assert new == "dropped"
            assert key in tested


@settings(max_examples=150, deadline=None)
@given(ROWS, st.none() | ROWS, FRACTIONS)
def test_no_key_on_both_sides(rows: list, test: list | None, fraction: float) -> None:
    """No content is trained on and tested on, given test rows are all tested, and no row is lost."""
    sides, _ = assign_sides(frame(rows), frame(test) if test else None, fraction_test=fraction)
    assert not set(sides.loc[sides["side"] == TRAIN, "key"]) & set(sides.loc[sides["side"] == TEST, "key"])
    assert len(sides) == len(rows) + len(test or [])
    if test:
        assert (sides["side"].tail(len(test)) == TEST).all()
        assert not (sides["side"].head(len(rows)) == TEST).any()
    assert (sides["because"] != "").tolist() == (sides["side"] == "dropped").tolist()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(["g1", "g2", "g3", "g4", "g5"]), min_size=1, max_size=30), FRACTIONS)
def test_a_group_never_crosses(groups: list[str], fraction: float) -> None:
    """Where no text stands twice, all rows of a group lie on one side, and none is dropped."""
    sides, findings = assign_sides(
        frame([(f"text {k}", "x", g) for k, g in enumerate(groups)]), None, fraction_test=fraction
    )
    assert sides.groupby("group")["side"].nunique().max() == 1
    assert set(sides["side"]) <= {TRAIN, TEST}
    assert findings == []


DAMAGE = st.lists(
    st.tuples(st.integers(0, 10_000), st.integers(0, 255), st.sampled_from(["set", "cut", "add"])), max_size=5
)


def damaged(content: bytes, damage: list[tuple[int, int, str]]) -> bytes:
    changed = bytearray(content)
    for position, byte, how in damage:
        at = position % (len(changed) + 1)
        changed[at : at + (how != "add")] = b"" if how == "cut" else bytes([byte])
    return bytes(changed)


@settings(max_examples=250, deadline=None)
@given(DAMAGE)
def test_a_damaged_recipe_is_refused_by_a_graft_error(damage: list[tuple[int, int, str]]) -> None:
    """Whatever happens to a recipe's bytes, it loads or raises a GraftError, nothing else."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "support.yaml"
        path.write_bytes(damaged(RECIPE, damage))
        with contextlib.suppress(GraftError):
            assert load_recipe(path)[0].name == "support"


@settings(max_examples=250, deadline=None)
@given(
    DAMAGE,
    st.sampled_from(["a.csv", "a.tsv", "a.jsonl"]),
    st.sampled_from([CSV, b'{"text": "a", "label": [1]}\n{}\n', b""]),
)
def test_a_damaged_table_is_refused_by_a_graft_error(
    damage: list[tuple[int, int, str]], name: str, content: bytes
) -> None:
    """Whatever bytes a table is made of, it reads as strings or raises a GraftError, nothing else."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(damaged(content, damage))
        with contextlib.suppress(GraftError):
            table = read_table(path)
            assert all(isinstance(cell, str) for column in table for cell in table[column])
