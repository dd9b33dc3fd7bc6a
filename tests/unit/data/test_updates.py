"""Late labels, corrections, repairs and additions: what a dataset of several files says of its rows."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from graft.data import Part, check_ids, next_name, parts_of, place_rows, read_repairs, schema_drift, side_findings
from graft.data.assign import Placed
from graft.errors import InputError
from graft.recipe import Data
from tests.support.refusals import refused

DATA = Data(
    dataset="d", train="train.csv", test=None, text="text", image=None, label="label", id="id", group=None, time=None,
    test_from=None, sensitive=(), fraction_test=0.4, min_similarity=1, rows_per_class=None,
)  # fmt: skip
TRAIN = "id,text,label,amount\n1,where is my parcel,late,1\n2,refund me now,refund,2\n3,it is broken,,3\n4,thank you,thanks,4\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "train.csv").write_text(TRAIN)
    return tmp_path


def place(folder: Path) -> Placed:
    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    return place_rows(parts_of(folder, DATA), DATA, read_repairs(folder), scratch, lambda *_: None)


def labels(placed: Placed) -> list[str]:
    words = [*placed.gathered.labels, ""]
    return [words[code] for code in placed.gathered.index["label"][~placed.updates.is_update]]


def found(placed: Placed) -> dict[str, tuple[int, tuple[str, ...]]]:
    findings = side_findings(placed.gathered.index, placed.sides, placed.updates, placed.gathered.name)
    return {one.name: (one.n_rows, one.rows) for one in findings}


def test_a_late_label_joins_its_row_and_changes_no_side(folder: Path) -> None:
    """A row that waited for its label gets it by id, on the side where it lay; all other rows stay as they were."""
    before = place(folder)
    assert found(before)["rows that wait for their label"] == (1, ("train.csv row 3",))
    (folder / "added-0001.csv").write_text("id,label\n3,broken\n")
    after = place(folder)
    assert labels(after) == ["late", "refund", "broken", "thanks"]
    assert found(after) == {"labels that came late": (1, ("added-0001.csv row 1",))}
    assert [int(s) for s in after.sides.side[:4] if s != 2][:2] == [int(s) for s in before.sides.side[:2]]
    assert before.gathered.index["natural"].tolist() == after.gathered.index["natural"].tolist()[:4]


def test_a_correction_counts_and_keeps_its_history(folder: Path) -> None:
    """The last label of a row counts, whether it comes alone or with the row; the files with the others stay."""
    (folder / "added-0001.csv").write_text("id,label\n1,lost\n")
    (folder / "added-0003.csv").write_text("id,text,label,amount\n2,Refund me NOW,money back,2\n5,new,thanks,5\n")
    (folder / "added-0002.csv").write_text("id,label\n1,late\n1,\n")
    placed = place(folder)
    assert labels(placed) == ["late", "money back", "", "thanks", "thanks"]
    named = ("added-0001.csv row 1", "added-0002.csv row 1", "added-0003.csv row 1")
    assert found(placed)["labels that were corrected"] == (3, named)
    assert [path.name for path in sorted(folder.glob("*.csv"))][-1] == "train.csv"


def test_ids_that_cannot_be_joined_are_refused(folder: Path) -> None:
    """A label for no row, and an id that stands for two rows, end in one sentence."""
    (folder / "added-0001.csv").write_text("id,label\n9,late\n")
    with pytest.raises(InputError, match="came for a row that is not here"):
        place(folder)
    (folder / "added-0001.csv").write_text("id,text,label,amount\n1,another text,late,1\n")
    with refused("id-ambiguous"):
        place(folder)


def test_repairs_mend_and_take_out_rows_and_move_none(folder: Path) -> None:
    """A mended text is a new content on the side where the row lay; a row taken out lies on none; both are named."""
    before = place(folder)
    lines = [
        {"row": "train.csv row 1", "action": "content", "content": "where is my other parcel"},
        {"row": "train.csv row 4", "action": "drop", "content": ""},
    ]
    (folder / "repair-0001.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    after = place(folder)
    assert pd.read_parquet(folder / "scratch" / "rows.parquet")["content"][0] == "where is my other parcel"
    assert after.gathered.index["key"][0] != before.gathered.index["key"][0]
    assert after.sides.side[:3].tolist() == before.sides.side[:3].tolist()
    assert found(after)["rows that a repair took out"] == (1, ("train.csv row 4",))
    assert found(after)["rows that a repair mended"] == (1, ("train.csv row 1",))


def test_a_damaged_repair_file_is_named(folder: Path) -> None:
    """A line that is no repair ends in one sentence that names file and line."""
    (folder / "repair-0001.jsonl").write_text('{"row": "train.csv row 1"}\n')
    with pytest.raises(InputError, match="not a file of repairs") as refused:
        read_repairs(folder)
    assert "line 1" in refused.value.where


def test_files_are_read_in_the_order_of_their_numbers(folder: Path) -> None:
    """Additions and repairs share one row of numbers; other files are no part of a dataset."""
    for name in ("added-0002.csv", "added-0010.jsonl", "repair-0011.jsonl", "notes.txt", "added-3.csv"):
        (folder / name).write_text("id,label\n1,x\n")
    assert [part.path.name for part in parts_of(folder, DATA)] == ["train.csv", "added-0002.csv", "added-0010.jsonl"]
    assert next_name(folder, "added", "csv") == "added-0012.csv"


def drift(folder: Path, text: str) -> list[str]:
    (folder / "new.csv").write_text(text)
    return schema_drift(parts_of(folder, DATA), Part(folder / "new.csv", "added"), DATA)


def test_schema_drift_is_named(folder: Path) -> None:
    """A column gone, a new one like an old one, a kind of cell that changed, a class like an old one: each is said."""
    said = drift(folder, "id,text,label,Amount \n7,hello,Late ,many\n")
    assert said == [
        "column 'amount' is no longer there",
        "column 'Amount ' is new (did you mean 'amount'?)",
        "class 'Late' is new (did you mean 'late'?), 1 row",
    ]
    assert drift(folder, "id,text,label,amount\n7,hello,late,many\n") == [
        "column 'amount' held numbers and now does not"
    ]
    assert drift(folder, "id,text,label,amount\n7,hello,late,1\n") == []


def test_labels_need_a_column_to_be_joined_by(folder: Path) -> None:
    """Labels without texts for a recipe without an id column end in a sentence that names the key."""
    (folder / "new.csv").write_text("id,label\n1,late\n")
    without = DATA.model_copy(update={"id": None})
    with pytest.raises(InputError, match="names no column to join them by"):
        schema_drift(parts_of(folder, without), Part(folder / "new.csv", "added"), without)


def test_drift_is_measured_against_the_last_rows(folder: Path) -> None:
    """A file of labels between two files of rows makes no column new."""
    (folder / "added-0001.csv").write_text("id,label\n1,lost\n")
    assert drift(folder, "id,text,label,amount\n7,hello,late,1\n") == []


def test_a_missing_column_is_refused_with_the_nearest_name(folder: Path) -> None:
    """An added file without a column that the recipe needs ends in a sentence that names the column."""
    with refused("column-missing") as error:
        drift(folder, "ID,text,label\n7,hello,late\n")
    assert '"id"' in error.value.what


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("id,text,label\n7,a,x\n7,b,x\n", "One id stands for two rows"),
        ("id,text,label\n7,a,x\n7,a,y\n", "One id stands for two labels"),
        ("id,text,label\n1,another,x\n", "One id stands for two different rows"),
        ("id,label\n1,late\n8,late\n9,x\n", "2 of 3 ids are of no row in the dataset"),
    ],
)
def test_ids_are_checked_before_a_file_is_kept(folder: Path, text: str, says: str) -> None:
    """Each way in which ids can be wrong is found before anything is written."""
    (folder / "new.csv").write_text(text)
    with pytest.raises(InputError, match=says):
        check_ids(parts_of(folder, DATA), Part(folder / "new.csv", "added"), DATA)


def test_the_same_rows_with_the_same_ids_are_no_error(folder: Path) -> None:
    """A file that repeats rows which are there, labels and all, may be added."""
    (folder / "new.csv").write_text(TRAIN)
    check_ids(parts_of(folder, DATA), Part(folder / "new.csv", "added"), DATA)
