"""Bad additions and bad batches: the dataset stays the version that it was, and no record is written."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graft.ledger import Ledger
from graft.records import digest_folder
from tests.faults.test_bad_images import image_folder, picture
from tests.support.bad_files import BAD_FILES, GOOD_CSV, BadFile, archive
from tests.support.cli_runner import MESSAGES, CommandLine, csv_bytes

ROW = ("m99", "a message about a house", "card")


@pytest.mark.parametrize("what", BAD_FILES)
def test_files_that_are_no_rows_are_not_added(cli: CommandLine, tmp_path: Path, what: str) -> None:
    """``graft add`` refuses what ``graft new`` refuses, in the same words."""
    cli.refuses("add", "known", BAD_FILES[what].write(tmp_path), words=BAD_FILES[what].words, source=tmp_path)


ADDED: dict[str, tuple[bytes, tuple[str, ...]]] = {
    "no column of texts": (csv_bytes([ROW], "id,txt,label"), ("code ids-unknown", "add those rows first")),
    "no id": (csv_bytes([ROW[1:]], "text,label"), ("code column-missing", '"id"')),
    "the id in capitals": (csv_bytes([ROW], "ID,text,label"), ("code column-missing", '"id"', "did you mean 'ID'?")),
    "neither text nor label": (csv_bytes([ROW[:2]], "id,note"), ("code column-missing", '"text"')),
    "labels for unknown ids": (
        csv_bytes([("m98", "card"), ("m99", "card")], "id,label"),
        ("code ids-unknown", "2 of 2 "),
    ),
    "one label for an unknown id": (
        csv_bytes([("m0", "card"), ("m99", "card")], "id,label"),
        ("code ids-unknown", "1 of 2 ", "rows.csv row 2"),
    ),
    "two labels for one id": (
        csv_bytes([("m0", "card"), ("m0", "parcel")], "id,label"),
        ("code id-ambiguous", "labels"),
    ),
    "two rows of one id": (
        csv_bytes([ROW, ("m99", "another message", "card")]),
        ("code id-ambiguous", "rows", "row 1 and"),
    ),
    "a row with another's id": (
        csv_bytes([("m0", "another message", "card")]),
        ("code id-ambiguous", "different rows"),
    ),
}


@pytest.mark.parametrize("what", ADDED)
def test_rows_and_labels_that_do_not_fit(cli: CommandLine, tmp_path: Path, what: str) -> None:
    """What does not fit the rows that are there is refused with the rows' names."""
    content, words = ADDED[what]
    cli.refuses("add", "known", BadFile("rows.csv", content, ()).write(tmp_path), words=words, source=tmp_path)


def test_rows_of_another_kind(cli: CommandLine, tmp_path: Path) -> None:
    """Images are not added to texts, as a folder or as a column; nor is a folder of several splits."""
    pets = image_folder(tmp_path / "pets")
    cli.refuses("add", "known", pets, words=("code column-missing", '"id"'), source=tmp_path)
    images = pa.array([picture(seed=k) for k in range(3)], type=pa.binary())
    pq.write_table(pa.table({"id": ["a", "b", "c"], "text": images, "label": ["card"] * 3}), tmp_path / "rows.parquet")
    cli.refuses("add", "known", tmp_path / "rows.parquet", words=('"text"', "holds bytes, not texts"))
    for split in ("train", "test"):
        (tmp_path / "splits").mkdir(exist_ok=True)
        (tmp_path / "splits" / f"{split}.csv").write_bytes(GOOD_CSV)
    cli.refuses("add", "known", tmp_path / "splits", words=("code dataset-has-splits",))
    cli.refuses("add", "known", tmp_path / "nowhere", words=("code file-missing", "nowhere"))


@pytest.fixture
def cli_with_champion(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> CommandLine:
    """The command line where a champion is, which is asked nothing: what batches are refused for is seen before."""
    folder = cli.root / "registry" / "known" / "0001"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "graft.json").write_text('{"labels": ["card", "parcel"], "max_tokens": 32}')
    predicate = SimpleNamespace(model_number="0001", number="0001", model_id=digest_folder(folder)[1])
    monkeypatch.setattr(Ledger, "champion", lambda self, recipe: SimpleNamespace(predicate=predicate))
    return cli


@pytest.mark.parametrize("what", BAD_FILES)
def test_files_that_are_no_batch(cli_with_champion: CommandLine, tmp_path: Path, what: str) -> None:
    """``graft monitor`` refuses what ``graft new`` refuses, in the same words, and writes no record."""
    cli_with_champion.refuses(
        "monitor", "known", BAD_FILES[what].write(tmp_path), words=BAD_FILES[what].words, source=tmp_path
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (csv_bytes([ROW], "id,txt,label"), ("code column-missing", '"text"', "did you mean 'txt'?")),
        (csv_bytes([ROW], "id,TEXT,label"), ("code column-missing", '"text"', "did you mean 'TEXT'?")),
        (archive({"rows.csv": GOOD_CSV}), ("a zip archive",)),
    ],
)
def test_batches_that_do_not_fit(
    cli_with_champion: CommandLine, tmp_path: Path, content: bytes, words: tuple[str, ...]
) -> None:
    """A batch without the column of texts names the nearest."""
    cli_with_champion.refuses(
        "monitor", "known", BadFile("rows.csv", content, ()).write(tmp_path), words=words, source=tmp_path
    )


def test_a_batch_without_a_champion(cli: CommandLine, tmp_path: Path) -> None:
    """Without a champion there is nothing to compare with, and the command says how to get one."""
    source = BadFile("rows.csv", GOOD_CSV, ()).write(tmp_path)
    cli.refuses("monitor", "known", source, words=("code champion-missing", "known", "graft run known"))


def test_good_rows_are_still_added(cli: CommandLine, tmp_path: Path) -> None:
    """The refusals above are not of everything: a label for a row that is there is added, and a second time changes nothing."""
    source = BadFile("late.csv", csv_bytes([(name, label) for name, _, label in MESSAGES[:2]], "id,label"), ()).write(
        tmp_path
    )
    assert "Added 2 labels to known, as added-0001.csv" in cli.succeeds("add", "known", source)
    assert "Nothing to add" in cli.succeeds("add", "known", source)
