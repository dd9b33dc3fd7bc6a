"""Hostile forms of data: settings, links and endings that lie are refused in a sentence, and no cell moves a terminal."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graft.data import import_data, profile_data
from graft.errors import InputError
from graft_cli.terminal import console
from tests.faults.test_hostile_terminal import EVIL, is_plain, rows
from tests.support.bad_files import GOOD_CSV, workbook
from tests.support.cli_runner import MESSAGES, CommandLine
from tests.support.refusals import refused


def test_parquet_whose_notes_are_a_well(tmp_path: Path) -> None:
    """What a file says of its classes as deep as a well is not read; the rows are."""
    table = pa.table({"text": ["a card", "a parcel"] * 9, "label": ["card", "parcel"] * 9})
    pq.write_table(table.replace_schema_metadata({b"huggingface": b"[" * 10**5}), tmp_path / "rows.parquet")
    assert profile_data(tmp_path / "rows.parquet").n_rows == 18


@pytest.mark.parametrize("name", ["state.json", "dataset_info.json"])
def test_a_saved_dataset_whose_notes_are_a_gigabyte(tmp_path: Path, name: str) -> None:
    """JSON of a saved dataset is refused by its size."""
    (tmp_path / "state.json").write_text(json.dumps({"_data_files": [{"filename": "a.arrow"}]}))
    (tmp_path / "a.arrow").write_bytes(b"x")
    with (tmp_path / name).open("ab") as file:
        file.truncate(2**30)
    with refused("file-too-long"):
        profile_data(tmp_path)


@pytest.mark.parametrize("how", ["a table", "a folder"])
def test_tables_that_are_reached_by_links(tmp_path: Path, how: str) -> None:
    """A dataset's folder from elsewhere brings in no file that its links lead to; a path that is itself a link is its owner's."""
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "train.csv").write_bytes(GOOD_CSV)
    (tmp_path / "given").mkdir()
    if how == "a table":
        (tmp_path / "given" / "train.csv").symlink_to(tmp_path / "secret" / "train.csv")
    else:
        (tmp_path / "given" / "train").symlink_to(tmp_path / "secret")
    for act in (profile_data, lambda path: import_data(path, tmp_path / "into")):
        with pytest.raises(InputError, match="is reached by a link"):
            act(tmp_path / "given")
    (tmp_path / "mine").symlink_to(tmp_path / "secret")
    assert profile_data(tmp_path / "mine").n_rows == len(MESSAGES)


@pytest.mark.parametrize("ending", [".csv", ".zip", ".xls", ""])
def test_a_workbook_under_another_ending(tmp_path: Path, ending: str) -> None:
    """A workbook is one by what it holds, whatever it is called."""
    assert openpyxl
    path = tmp_path / f"rows{ending}"
    path.write_bytes(workbook([("id", "text", "label"), *MESSAGES]))
    assert profile_data(path).format == "Excel"


def test_a_file_with_a_hostile_name(cli: CommandLine, tmp_path: Path) -> None:
    """A file's name is shown as text."""
    source = tmp_path / f"r{EVIL}.jsonl".replace("/", "")
    source.write_bytes(rows(EVIL))
    assert is_plain(cli.succeeds("profile", source))


def test_what_is_printed_is_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a console is given, plain or styled, its control characters stay out."""
    from rich.text import Text

    stream = StringIO()
    monkeypatch.setattr("sys.stdout", stream)
    out = console()
    out.print(f"one {EVIL}\n two")
    out.print(Text(EVIL, style="bold").append(EVIL))
    assert is_plain(stream.getvalue())
    assert "[red]bold[/red]" in stream.getvalue()
