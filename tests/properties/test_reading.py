"""What holds of reading for any bytes."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from graft.data import read_table
from graft.errors import GraftError
from graft.recipe import load_recipe

RECIPE = (Path(__file__).parents[2] / "recipes" / "support.yaml").read_bytes()
CSV = 'text,label,group\n"two\nlines, ""quoted""",a,g1\nécran,b,\n,a,g2\n'.encode()

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
