"""Bad additions and bad batches: the dataset stays the version that it was, and no record is written."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graft.ledger import Ledger
from graft.records import digest_folder
from tests.faults.test_bad_images import gallery, picture
from tests.support.bad_files import BAD, GOOD, Bad, archive
from tests.support.cli_runner import MESSAGES, Desk, table

ROW = ("m99", "a message about a house", "card")


@pytest.mark.parametrize("what", BAD)
def test_files_that_are_no_rows_are_not_added(desk: Desk, tmp_path: Path, what: str) -> None:
    """``graft add`` refuses what ``graft new`` refuses, in the same words."""
    desk.refuses("add", "known", BAD[what].write(tmp_path), words=BAD[what].words, source=tmp_path)


ADDED: dict[str, tuple[bytes, tuple[str, ...]]] = {
    "no column of texts": (table([ROW], "id,txt,label"), ("ids are of no row", "add those rows first")),
    "no id": (table([ROW[1:]], "text,label"), ('no column "id"',)),
    "the id in capitals": (table([ROW], "ID,text,label"), ('no column "id"', "did you mean 'ID'?")),
    "neither text nor label": (table([ROW[:2]], "id,note"), ('no column "text"',)),
    "labels for unknown ids": (table([("m98", "card"), ("m99", "card")], "id,label"), ("2 of 2 ids are of no row",)),
    "one label for an unknown id": (
        table([("m0", "card"), ("m99", "card")], "id,label"),
        ("1 of 2 ids", "rows.csv row 2"),
    ),
    "two labels for one id": (
        table([("m0", "card"), ("m0", "parcel")], "id,label"),
        ("One id stands for two labels.",),
    ),
    "two rows of one id": (
        table([ROW, ("m99", "another message", "card")]),
        ("One id stands for two rows.", "row 1 and"),
    ),
    "a row with another's id": (table([("m0", "another message", "card")]), ("One id stands for two different rows.",)),
}


@pytest.mark.parametrize("what", ADDED)
def test_rows_and_labels_that_do_not_fit(desk: Desk, tmp_path: Path, what: str) -> None:
    """What does not fit the rows that are there is refused with the rows' names."""
    content, words = ADDED[what]
    desk.refuses("add", "known", Bad("rows.csv", content, ()).write(tmp_path), words=words, source=tmp_path)


def test_rows_of_another_kind(desk: Desk, tmp_path: Path) -> None:
    """Images are not added to texts, as a folder or as a column; nor is a folder of several splits."""
    pets = gallery(tmp_path / "pets")
    desk.refuses("add", "known", pets, words=('no column "id"',), source=tmp_path)
    images = pa.array([picture(seed=k) for k in range(3)], type=pa.binary())
    pq.write_table(pa.table({"id": ["a", "b", "c"], "text": images, "label": ["card"] * 3}), tmp_path / "rows.parquet")
    desk.refuses("add", "known", tmp_path / "rows.parquet", words=('"text"', "holds bytes, not texts"))
    for split in ("train", "test"):
        (tmp_path / "splits").mkdir(exist_ok=True)
        (tmp_path / "splits" / f"{split}.csv").write_bytes(GOOD)
    desk.refuses("add", "known", tmp_path / "splits", words=("splits of its own",))
    desk.refuses("add", "known", tmp_path / "nowhere", words=("There is no file nowhere.",))


@pytest.fixture
def watched(desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """The desk with a champion to compare batches with: what a batch is refused for is seen before it is asked anything."""
    folder = desk.root / "registry" / "known" / "0001"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "graft.json").write_text('{"labels": ["card", "parcel"], "max_tokens": 32}')
    predicate = SimpleNamespace(model_number="0001", number="0001", model_id=digest_folder(folder)[1])
    monkeypatch.setattr(Ledger, "champion", lambda self, recipe: SimpleNamespace(predicate=predicate))
    return desk


@pytest.mark.parametrize("what", BAD)
def test_files_that_are_no_batch(watched: Desk, tmp_path: Path, what: str) -> None:
    """``graft monitor`` refuses what ``graft new`` refuses, in the same words, and writes no record."""
    watched.refuses("monitor", "known", BAD[what].write(tmp_path), words=BAD[what].words, source=tmp_path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (table([ROW], "id,txt,label"), ('no column "text"', "did you mean 'txt'?")),
        (table([ROW], "id,TEXT,label"), ('no column "text"', "did you mean 'TEXT'?")),
        (archive({"rows.csv": GOOD}), ("a zip archive",)),
    ],
)
def test_batches_that_do_not_fit(watched: Desk, tmp_path: Path, content: bytes, words: tuple[str, ...]) -> None:
    """A batch without the column of texts names the nearest."""
    watched.refuses("monitor", "known", Bad("rows.csv", content, ()).write(tmp_path), words=words, source=tmp_path)


def test_a_batch_without_a_champion(desk: Desk, tmp_path: Path) -> None:
    """Without a champion there is nothing to compare with, and the command says how to get one."""
    source = Bad("rows.csv", GOOD, ()).write(tmp_path)
    desk.refuses("monitor", "known", source, words=("known has no champion", "graft run known"))


def test_good_rows_are_still_added(desk: Desk, tmp_path: Path) -> None:
    """The refusals above are not of everything: a label for a row that is there is added, and a second time changes nothing."""
    source = Bad("late.csv", table([(name, label) for name, _, label in MESSAGES[:2]], "id,label"), ()).write(tmp_path)
    assert "Added 2 labels to known, as added-0001.csv" in desk.must("add", "known", source)
    assert "Nothing to add" in desk.must("add", "known", source)
