"""Reading tables: nothing lost, nothing guessed, every refusal a sentence."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graft.data import read_table
from graft.errors import InputError

NASTY = [
    "",
    "NA",
    "null",
    "None",
    "nan",
    "007",
    "1.10",
    "TRUE",
    'he said "x", twice',
    "two\nlines",
    " b ",
    "é₦",
    "a\tb",
]


def write(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("none.csv", None, "There is no file none.csv"),
        ("a.csv", b"", "a.csv is empty"),
        ("a.csv", b"text,label\n", "has a header and no rows"),
        ("a.jsonl", b"\n\n", "has a header and no rows"),
        ("a.csv", b"text,label\na,b\n\xff\xfe,c\n", "Line 3 of a.csv is not UTF-8"),
        ("a.csv", b"text,label\na,b\n\xff\xfe,c\n", "byte 15, near"),
        ("a.csv", "text,label\na,b\n".encode("utf-16"), "is not UTF-8"),
        ("a.csv", b"text,label\na\x00,b\n", "holds NUL bytes"),
        ("a.csv", b"text,label,text\na,b,c\n", "two columns of the name 'text'"),
        ("a.csv", b"text,label\na,b\nc,d,e\n", "line 3, saw 3"),
        ("a.csv", b"text,label\na,b,c\nd,e,f\n", "line 2, saw 3"),
        ("a.csv", b'text,label\n"a,b\n', "is not a table"),
        ("a.xlsx", b"PK", "of a format that Graft does not read"),
        ("a.CSV.gz", b"x", "of a format that Graft does not read"),
        ("a.parquet", b"PAR1, or not", "is not a whole Parquet file"),
        ("a.jsonl", b'{"text": "a"}\n{"text": ', "line 2: "),
        ("a.jsonl", b'["a", "b"]\n', "is not JSON lines"),
        ("a.jsonl", b'"a"\n', "is not JSON lines"),
        ("a.jsonl", b'{"text": "\xff"}\n', "is not JSON lines"),
        ("a.jsonl", b'{"text": "\\ud800"}\n', "is not JSON lines"),
    ],
)
def test_refusals(tmp_path: Path, name: str, content: bytes | None, says: str) -> None:
    """A file that cannot be read as it stands is refused with what and where."""
    path = tmp_path / name if content is None else write(tmp_path, name, content)
    with pytest.raises(InputError) as caught:
        read_table(path)
    assert says in str(caught.value)


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_missing_column_gets_a_suggestion(tmp_path: Path, name: str) -> None:
    """An absent column is named beside the header and the nearest column there."""
    frame = pd.DataFrame({"message": ["a"], "intent": ["b"]})
    path = tmp_path / name
    {"csv": lambda: frame.to_csv(path, index=False), "jsonl": lambda: frame.to_json(path, orient="records", lines=True),
     "parquet": lambda: frame.to_parquet(path)}[name[2:]]()  # fmt: skip
    with pytest.raises(InputError) as caught:
        read_table(path, ["message", "intnt"])
    assert 'has no column "intnt"' in str(caught.value)
    assert "header: message, intent" in caught.value.where
    assert caught.value.do == "did you mean 'intent'?"


def test_cut_parquet(tmp_path: Path) -> None:
    """A Parquet file cut anywhere, and one whose strings are not UTF-8, is refused and nothing else."""
    whole = tmp_path / "whole.parquet"
    pd.DataFrame({"text": ["alpha", "beta"], "label": ["x", "y"]}).to_parquet(whole, compression=None)
    content = whole.read_bytes()
    for end in range(1, len(content), 97):
        with pytest.raises(InputError):
            read_table(write(tmp_path, "cut.parquet", content[:end]))
    with pytest.raises(InputError):
        read_table(write(tmp_path, "bad.parquet", content.replace(b"alpha", b"al\xffha")))


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.parquet"])
def test_every_text_comes_back(tmp_path: Path, name: str) -> None:
    """Texts come back as they were written, in order: quotes, newlines, blanks, "NA", "null", numbers, empty cells."""
    frame = pd.DataFrame({"text": NASTY, "label": [f"l{k}" for k in range(len(NASTY))]})
    path = tmp_path / name
    if path.suffix in {".csv", ".tsv"}:
        frame.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")
    elif path.suffix == ".jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_parquet(path)
    read = read_table(path, ["text", "label"])
    assert read["text"].tolist() == NASTY
    assert read["label"].tolist() == frame["label"].tolist()
    assert read.index.tolist() == list(range(len(NASTY)))


def test_empty_cells_stay_empty(tmp_path: Path) -> None:
    """A missing cell is "" in every format, and a whole number beside one stays whole."""
    csv = write(tmp_path, "a.csv", b"\xef\xbb\xbfn,t\r\n1,\r\n,x\r\n2\r\n")
    assert read_table(csv, ["n"]).to_dict("list") == {"n": ["1", "", "2"], "t": ["", "x", ""]}
    jsonl = write(tmp_path, "a.jsonl", b'{"n": 1, "t": null}\n\n{"t": "x"}\n{"n": 2, "f": 1.10}\n')
    assert read_table(jsonl).to_dict("list") == {"n": ["1", "", "2"], "t": ["", "x", ""], "f": ["", "", "1.10"]}
    pq.write_table(pa.table({"n": [1, None, 2], "t": [None, "x", ""]}), tmp_path / "a.parquet")
    assert read_table(tmp_path / "a.parquet").to_dict("list") == {"n": ["1", "", "2"], "t": ["", "x", ""]}
