"""Times in the usual forms: one rule for looking, bringing in and ingesting; what is not clear is never guessed."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from graft.data import Part, order_of, place_rows, read_times, refuse_unread
from graft.data.times import as_iso
from graft.errors import InputError
from graft.recipe import Data, TimeFormat

DATA = Data(
    dataset="d", train="train.csv", test=None, text="text", image=None, label="label", id=None, group=None, time="sent",
    test_from="2015-02-20", sensitive=(), fraction_test=0.3, min_similarity=0.8, rows_per_class=None,
)  # fmt: skip


@pytest.mark.parametrize(
    ("cell", "time_format", "expected"),
    [
        ("2015-02-24", None, "2015-02-24T00:00:00"),
        ("2015-02-24T11:35:10+01:00", None, "2015-02-24T10:35:10"),
        ("2015/02/24 11:35:10 -0800", None, "2015-02-24T19:35:10"),
        ("2015.02.24 11:35", None, "2015-02-24T11:35:00"),
        ("2/24/2015 11:35", "month-first", "2015-02-24T11:35:00"),
        ("2/24/2015 12:05 AM", "month-first", "2015-02-24T00:05:00"),
        ("2/24/15, 1:05:09 p.m.", "month-first", "2015-02-24T13:05:09"),
        ("24.02.2015", "day-first", "2015-02-24T00:00:00"),
        ("24-02-2015 11:35 +0530", "day-first", "2015-02-24T06:05:00"),
        ("3/2/2015", "day-first", "2015-02-03T00:00:00"),
        ("3/2/2015", "month-first", "2015-03-02T00:00:00"),
        ("1424777710", "epoch", "2015-02-24T11:35:10"),
        ("1424777710123", "epoch", "2015-02-24T11:35:10"),
        ("1424777710", None, None),
        ("3/2/2015", None, None),
        ("31/2/2015", "day-first", None),
        ("24.02.2015", "month-first", None),
        ("2015-02-24 25:00", None, None),
        ("yesterday", "day-first", None),
    ],
)
def test_a_time_is_read_as_it_is_written(cell: str, time_format: TimeFormat | None, expected: str | None) -> None:
    """In UTC, zones taken into account; None: it is not read, as it is none or its order is not known."""
    (read,) = read_times(pd.Series([cell], dtype="str"), time_format)
    assert (None if pd.isna(read) else read.strftime("%Y-%m-%dT%H:%M:%S")) == expected


@pytest.mark.parametrize(
    ("cells", "time_format", "is_clear"),
    [
        (["1/2/2015", "2/24/2015 11:35"], "month-first", True),
        (["1/2/2015", "24/2/2015"], "day-first", True),
        (["01.02.2015", "2015-02-24"], "day-first", False),
        (["24/2/2015", "2/24/2015"], "month-first", False),
        (["2015-02-24", "2015/02/24 11:35:10 -0800"], None, True),
        (["1424777710", "1424777799"], "epoch", True),
        ([], None, True),
    ],
)
def test_the_order_is_told_by_the_whole_column(cells: list[str], time_format: str | None, is_clear: bool) -> None:
    """One field above 12 decides; none of them, or both, and nobody can tell."""
    order = order_of(cells)
    assert order.is_clear == is_clear
    assert not is_clear or order.time_format == time_format


def test_iso_stays_as_it_is_and_the_rest_becomes_it() -> None:
    """Cells that are ISO 8601 keep their bytes; what cannot be read stays too."""
    cells = pd.Series(["2015-02-24", "2/24/2015 11:35", "", "soon"], dtype="str")
    assert as_iso(cells, read_times(cells, "month-first")).tolist() == [
        "2015-02-24",
        "2015-02-24T11:35:00Z",
        "",
        "soon",
    ]


@pytest.mark.parametrize(
    ("cell", "do"), [("24.13.2015", "day-first or month-first"), ("1424777710", "epoch"), ("soon", "24.02.2015 11:35")]
)
def test_what_cannot_be_read_is_named(cell: str, do: str) -> None:
    """Row, cell, and what would be read."""
    cells = pd.Series(["2015-02-24", "", cell], dtype="str")
    with pytest.raises(InputError) as caught:
        refuse_unread(cells, read_times(cells, None), where="tweets.csv", row=lambda k: f"Row {k + 1} of tweets.csv")
    assert caught.value.what == f"Row 3 of tweets.csv has the time '{cell}', which cannot be read."
    assert do in caught.value.do


def test_sides_follow_times_of_any_form_and_rows_hold_iso(tmp_path: Path) -> None:
    """Ingest puts rows on the side of their time and writes it as ISO 8601, whatever the file's form."""
    days = [f"2/{day}/2015 11:35" for day in range(16, 26)]
    rows = "".join(f"text number {k} {'abcdefghij'[k] * 9},{'xy'[k % 2]},{day}\n" for k, day in enumerate(days))
    (tmp_path / "train.csv").write_text(f"text,label,sent\n{rows}")
    data = DATA.model_copy(update={"time_format": "month-first"})
    placed = place_rows([Part(tmp_path / "train.csv", "train")], data, {}, tmp_path, lambda *_: None)
    assert placed.sides.on("test").tolist() == [False] * 4 + [True] * 6
    assert pd.read_parquet(tmp_path / "rows.parquet")["time"].iloc[0] == "2015-02-16T11:35:00Z"
    with pytest.raises(InputError, match=r"Row 1 of train\.csv has the time '2/16/2015 11:35'"):
        place_rows([Part(tmp_path / "train.csv", "train")], DATA, {}, tmp_path, lambda *_: None)
