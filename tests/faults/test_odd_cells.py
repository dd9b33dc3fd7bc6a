"""Any cell in any column: a table is looked at, brought in and placed, or refused in a sentence."""

from __future__ import annotations

import itertools
import json
import random
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from graft.data import import_data, parts_of, place_rows, profile_data
from graft.recipe import Data, parse_recipe
from graft.recipe.text import recipe_text
from tests.faults.test_damaged_bytes import succeeds_or_is_refused

CELLS = [
    "", " ", "NaN", "nan", "N/A", "n/a", "NA", "?", "-", "null", "None", "inf", "-inf", "Infinity", "1", "-2", "2.5", "1e5",
    "1e999", "5.7E+17", "9" * 5000, "0x10", "1_000", "1,5", "٣", "true", "FALSE", "2024-01-01", "31/12/2024", "2/24/2015 11:35",
    "2024-13-45", "25:61", "0001-01-01", "99999-01-01", "=1+1", "#N/A", "#REF!", "ß", "\u202eabc", "a\u2028b",
    "hello there from a customer", "x" * 2000, "<script>", "🙂", "é", "e\u0301",
]  # fmt: skip
"""What stands in real tables where something else was meant."""
NATIVE: list[Any] = [
    None, True, 0, -1, 2**63 - 1, 2.5, float("nan"), float("inf"), "text", "", [1, "a"], {"a": None}, [[]], "\x00",
]  # fmt: skip
"""The same for JSON, whose cells have types."""
NAMES = ("text", "label", "id", "group", "time", "extra")
USUAL = ("a message about a card {k}", "card", "{k}", "g{k}", "2024-01-0{k}", "{k}")
N_ROWS = 8
VALUES = {
    "data.dataset": "d", "data.train": "train.csv", "data.text": "text", "data.label": "label", "data.id": "id",
    "data.group": "group", "data.time": "time", "data.sensitive": ["extra"],
}  # fmt: skip


def ordinary_table() -> list[list[Any]]:
    """Return a table whose rows are as they should be."""
    table: list[list[Any]] = [[cell.format(k=k) for cell in USUAL] for k in range(1, N_ROWS + 1)]
    for k in range(0, N_ROWS, 2):
        table[k][1] = "parcel"
    return table


def table_with_odd_cells(rng: random.Random, pool: list[Any]) -> list[list[Any]]:
    """Return a table with odd cells in one to all rows of one to three columns."""
    table = ordinary_table()
    for column in rng.sample(range(len(NAMES)), rng.randint(1, 3)):
        odd = rng.sample(pool, rng.randint(1, 3))
        for row in rng.sample(range(N_ROWS), rng.randint(1, N_ROWS)):
            table[row][column] = rng.choice(odd)
    return table


def as_csv(table: list[list[Any]]) -> bytes:
    return pd.DataFrame(table, columns=NAMES).to_csv(index=False).encode()


def as_jsonl(table: list[list[Any]]) -> bytes:
    return "".join(f"{json.dumps(dict(zip(NAMES, row, strict=True)))}\n" for row in table).encode()


def as_parquet(table: list[list[Any]]) -> bytes:
    """Return a Parquet file whose columns have the types that pandas finds in them; text where there is no common one."""
    frame = pd.DataFrame(table, columns=NAMES).convert_dtypes()
    file = BytesIO()
    try:
        frame.to_parquet(file, index=False)
    except (ValueError, TypeError, OverflowError):  # pyarrow's errors are such
        file = BytesIO()
        frame.map(str).to_parquet(file, index=False)
    return file.getvalue()


def as_workbook(table: list[list[Any]]) -> bytes:
    from openpyxl import Workbook
    from openpyxl.utils.exceptions import IllegalCharacterError

    book = Workbook()
    book.active.append(NAMES)
    for row in table:
        try:
            book.active.append([str(cell) if isinstance(cell, list | dict) else cell for cell in row])
        except (IllegalCharacterError, ValueError):
            continue
    file = BytesIO()
    book.save(file)
    return file.getvalue()


FORMS = {
    "rows.csv": (as_csv, CELLS), "rows.jsonl": (as_jsonl, NATIVE + CELLS), "rows.parquet": (as_parquet, NATIVE + CELLS),
    "rows.xlsx": (as_workbook, NATIVE + CELLS),
}  # fmt: skip


def use_table(path: Path, folder: Path) -> bool:
    """Look at a table, bring it in and place its rows, each as far as it is allowed; return whether it was placed."""
    succeeds_or_is_refused(lambda: profile_data(path))
    dataset, scratch = folder / "dataset", folder / "scratch"
    dataset.mkdir(parents=True)
    scratch.mkdir()
    if not succeeds_or_is_refused(lambda: import_data(path, dataset)):
        return False
    (train,) = dataset.iterdir()
    values = {**VALUES, "data.train": train.name}
    data: Data = parse_recipe("d", recipe_text("d", values)).data
    return succeeds_or_is_refused(lambda: place_rows(parts_of(dataset, data), data, {}, scratch, lambda *_: None))


def rounds(name: str, n: int, tmp_path: Path) -> None:
    write, pool = FORMS[name]
    rng, n_placed = random.Random(zlib.crc32(name.encode())), 0  # noqa: S311 - damage, no secrets
    for k in range(n):
        path = tmp_path / f"{k}-{name}"
        path.write_bytes(write(table_with_odd_cells(rng, pool)))
        n_placed += use_table(path, tmp_path / str(k))
    assert 0 < n_placed < n


@pytest.mark.parametrize("name", FORMS)
def test_odd_cells_in_any_columns(name: str, tmp_path: Path) -> None:
    """Missing words, infinities, broken dates and mixed types end in rows or in a sentence, whatever column they stand in."""
    rounds(name, 20, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("name", FORMS)
def test_odd_cells_at_length(name: str, tmp_path: Path) -> None:
    """The same, 25 times as often."""
    rounds(name, 500, tmp_path)


@pytest.mark.slow
def test_each_odd_cell_in_each_column(tmp_path: Path) -> None:
    """Each odd cell alone, in each column, is looked at; it stands in one row after the other."""
    path = tmp_path / "rows.csv"
    for k, (cell, column) in enumerate(itertools.product(CELLS, range(len(NAMES)))):
        table = ordinary_table()
        table[k % N_ROWS][column] = cell
        path.write_bytes(as_csv(table))
        succeeds_or_is_refused(lambda: profile_data(path))


def test_a_word_for_a_missing_number_is_no_number(tmp_path: Path) -> None:
    """A column of whole numbers with NaN in it was a traceback; it is looked at, and is no id."""
    path = tmp_path / "rows.csv"
    path.write_bytes(
        b"text,label,k\nthe first message here,a,1\nthe second message here,b,NaN\nthe third message here,a,3\n"
    )
    (column,) = [one for one in profile_data(path).columns if one.name == "k"]
    assert (column.kind, column.role) == ("integer", "none")
