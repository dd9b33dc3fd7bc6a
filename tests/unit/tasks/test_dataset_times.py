"""A new recipe's times: their order is told by the file, or asked, or refused; errors name the owner's file."""

from __future__ import annotations

from pathlib import Path

import pytest

from graft.errors import InputError
from graft.recipe import TimeFormat
from graft_tasks.datasets.add import called_as
from graft_tasks.datasets.times import settle_times
from tests.support.refusals import refused


def table(folder: Path, cells: list[str]) -> dict[str, Path]:
    path = folder / "train.csv"
    path.write_text("text,sent\n" + "".join(f"a text,{cell}\n" for cell in cells))
    return {"train": path}


def test_the_whole_file_shows_what_comes_first(tmp_path: Path) -> None:
    """The last row may be the only one that shows it; the latest three tenths are the test rows."""
    files = table(tmp_path, [*(f"2/{day}/2015 11:35" for day in range(1, 11)), "2/24/2015 11:35"])
    assert settle_times(files, {"data.time": "sent"}, None) == {
        "data.time_format": "month-first",
        "data.test_from": "2015-02-08T11:35:00Z",
    }


def test_what_is_not_clear_is_asked_or_refused(tmp_path: Path) -> None:
    """With a time that can be read in two ways; without anybody to ask, the sentence names the option."""
    files = table(tmp_path, ["2/2/2015", "3/4/2015"])
    asked: list[str] = []

    def ask(example: str) -> TimeFormat:
        asked.append(example)
        return "day-first"

    assert settle_times(files, {"data.time": "sent"}, ask)["data.time_format"] == "day-first"
    assert asked == ["3/4/2015"]
    with pytest.raises(InputError) as caught:
        settle_times(files, {"data.time": "sent"}, None)
    assert "--time-format day-first" in caught.value.do
    assert "data.time_format" in caught.value.do
    given = settle_times(files, {"data.time": "sent", "data.time_format": "month-first"}, None)
    assert given == {"data.test_from": "2015-03-04T00:00:00Z"}


def test_a_time_that_is_none_is_named_in_the_owners_file(tmp_path: Path) -> None:
    """Row and cell, and the file that was given: not the copy that is gone."""
    files = table(tmp_path, ["2015-02-24", "2/24/2015 11:35", "soon"])
    mine = Path("/home/ada/tweets-train.csv")
    with refused("time-unreadable") as caught, called_as({files["train"]: mine}):
        settle_times(files, {"data.time": "sent"}, None)
    assert [part in caught.value.what for part in ("Row 3 of tweets-train.csv", "'soon'")] == [True, True]
    assert caught.value.where == '/home/ada/tweets-train.csv, column "sent"'
    assert "24.02.2015 11:35" in caught.value.do


def test_without_a_column_of_times_nothing_is_settled(tmp_path: Path) -> None:
    """And with a test file only the order is."""
    files = table(tmp_path, ["24.02.2015"])
    assert settle_times(files, {}, None) == {}
    both = {**files, "test": files["train"]}
    assert settle_times(both, {"data.time": "sent"}, None) == {"data.time_format": "day-first"}
