"""Reading tables: nothing lost, nothing guessed, every refusal a sentence."""

from __future__ import annotations

import datetime
import decimal
import tracemalloc
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graft.data.readers.dialect import Dialect
from graft.data.readers.read import read_batches, read_table
from graft.errors import InputError
from tests.support.refusals import refused

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


LONG = b"text,label\n" + (b"a" * 800 + b",b\n") * 2_000
"""A table that is read in more than one piece."""


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
        ("a.csv", "text,label\na,b\n".encode("utf-16"), "a.csv is UTF-16, not UTF-8"),
        ("a.csv", "text,label\nä,b\n".encode("utf-16-le"), "a.csv is UTF-16, not UTF-8"),
        ("a.csv", "text,label\na,b\n".encode("utf-32"), "a.csv is UTF-32, not UTF-8"),
        ("a.csv", "text,label\ncafé “x”,b\n".encode("cp1252"), "looks like Windows-1252"),
        ("a.csv", LONG + b"\xff,c\n", "Line 2,002 of a.csv is not UTF-8"),
        ("a.csv", LONG + b"\x00,c\n", "line 2,002"),
        ("a.csv", b"<!DOCTYPE html><html><body>404</body></html>", "a.csv is a web page"),
        ("a.csv", b"PK\x03\x04" + bytes(60), "a.csv is a zip archive or an Excel workbook"),
        ("a.csv", b"%PDF-1.7 x", "a.csv is a PDF"),
        ("a.csv", b"PAR1" + bytes(60), "rename it to .parquet"),
        ("a.jsonl", b"\x1f\x8b" + bytes(60), "a.jsonl is a gzip archive"),
        ("a.csv", b"text,label\na\x00,b\n", "holds NUL bytes"),
        ("a.csv", b"text,label,text\na,b,c\n", "two columns of the name 'text'"),
        ("a.csv", b"text,label\na,b\nc,d,e\n", "line 3, saw 3"),
        ("a.csv", b"text,label\na,b,c\nd,e,f\n", "line 2, saw 3"),
        ("a.csv", b'text,label\n"a,b\n', "is not a table"),
        ("a.csv", b'text,label\nx,y\n"a,b\nc,d\n', "in the row of line 3 never closes"),
        ("a.csv", b'text,label\n"a' + b"b,c\n" * 400_000, "in the row of line 2 never closes"),
        ("a.csv", b'text,label\n"a"b,c\n', "line 2: text follows a closing quote"),
        ("a.csv", b"text,label\ra,b\r", "a carriage return stands alone"),
        ("a.csv", b"text,label\na,b\n" + b"a" * (2**20 + 1) + b",c\n", "row of line 3 never closes"),
        ("a.tsv", b"text\tlabel\na\tb\nc,d\te\tf\n", "line 3, saw 3"),
        ("a.xlsx", b"PK", "of a format that Graft does not read"),
        ("a.CSV.gz", b"x", "of a format that Graft does not read"),
        ("a.parquet", b"PAR1, or not", "is not a whole Parquet file"),
        ("a.jsonl", b'{"text": "a"}\n{"text": ', "line 2: "),
        ("a.jsonl", b'["a", "b"]\n', "is not JSON lines"),
        ("a.jsonl", b'"a"\n', "is not JSON lines"),
        ("a.jsonl", b'{"text": "\xff"}\n', "Line 1 of a.jsonl is not UTF-8"),
        ("a.jsonl", b'{"text": "a"}\n{"text": "' + b"a" * 10**7 + b'"}\n', "Row 2 of a.jsonl has more than 1,048,576"),
        ("a.jsonl", b'{"text": "a"}\n{"text": ' + b"[" * 10**5 + b"]" * 10**5 + b"}\n", "line 2: "),
        ("a.jsonl", b'{"text": "a", "text": "b"}\n', "a key stands twice"),
        ("a.jsonl", b"".join(b'{"k%d": 1}\n' % k for k in range(2_500)), "more than 2,000 different keys"),
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


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.parquet"])
def test_batches_put_together_are_the_table(tmp_path: Path, name: str) -> None:
    """Batches of any size hold every row once, in order, none more than asked for."""
    frame = pd.DataFrame({"text": [f"a text, {k}" for k in range(100)], "label": [f"l{k % 3}" for k in range(100)]})
    path = tmp_path / name
    {"csv": lambda: frame.to_csv(path, index=False), "tsv": lambda: frame.to_csv(path, index=False, sep="\t"),
     "jsonl": lambda: frame.to_json(path, orient="records", lines=True),
     "parquet": lambda: frame.to_parquet(path)}[name[2:]]()  # fmt: skip
    for size in (1, 7, 100, 1000):
        batches = list(read_batches(path, batch_rows=size))
        assert {len(batch) for batch in batches[:-1]} <= {size}
        assert pd.concat(batches)["text"].tolist() == frame["text"].tolist()
    assert read_table(path)["label"].tolist() == frame["label"].tolist()


@pytest.mark.parametrize("size", [1, 2, 3, 4])
@pytest.mark.parametrize("bad", range(2, 9))
def test_a_long_line_is_found_wherever_a_batch_ends(tmp_path: Path, size: int, bad: int) -> None:
    """A line with too many cells is refused by its number, also as the first of a batch."""
    lines = ["text,label", *["a,b"] * 8]
    lines[bad - 1] = "a,b,c"
    path = write(tmp_path, "a.csv", "\n".join(lines).encode())
    with refused("not-a-table") as caught:
        list(read_batches(path, batch_rows=size))
    assert f"line {bad}, saw 3" in caught.value.where


def test_empty_rows_of_one_column(tmp_path: Path) -> None:
    """In a table of one column, quoted nothing and blanks are rows; a blank line is none."""
    path = write(tmp_path, "a.csv", b'text\n""\n\n  \nx\n')
    assert read_table(path)["text"].tolist() == ["", "  ", "x"]


def test_dialects(tmp_path: Path) -> None:
    """A given dialect is followed: delimiter, quotes as text, no header, further delimiters in the last column."""
    path = write(tmp_path, "a.txt", b'ham\t"Hi", he said\tthen\r\nspam\t"win\t\r\n')
    tail = Dialect(delimiter="\t", quote=None, header=False, n_columns=2)
    assert read_table(path, dialect=tail).to_dict("list") == {
        "column_1": ["ham", "spam"],
        "column_2": ['"Hi", he said\tthen', '"win\t'],
    }
    path = write(tmp_path, "b.csv", b"text;label\n'a;b';c\n")
    assert read_table(path, dialect=Dialect(delimiter=";", quote="'")).to_dict("list") == {
        "text": ["a;b"],
        "label": ["c"],
    }


@pytest.mark.slow
def test_memory_is_that_of_a_batch(tmp_path: Path) -> None:
    """A CSV of 20 MB is read in batches with a peak far below its size."""
    path = write(tmp_path, "a.csv", b"text,label\n" + b"a text of some thirty characters,label\n" * 500_000)
    tracemalloc.start()
    n_rows = sum(len(batch) for batch in read_batches(path, batch_rows=5_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert n_rows == 500_000
    assert peak < path.stat().st_size / 2


def test_odd_types_of_parquet(tmp_path: Path) -> None:
    """Every type becomes the string people write for it; nested ones JSON; bytes stay bytes; images give their bytes."""
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table(
        {
            "a.b": pa.array([0.1, None], pa.float32()),
            "whole": pa.array([2**63 - 1, None]),
            "money": pa.array([decimal.Decimal("1.10"), None]),
            "day": pa.array([datetime.date(2024, 2, 29), None]),
            "moment": pa.array([datetime.datetime(2024, 2, 29, 12), None]),
            "yes": pa.array([True, None]),
            "list": pa.array([["a", "é"], None]),
            "coded": pa.array(["x", None]).dictionary_encode(),
            "nothing": pa.nulls(2),
            "raw": pa.array([b"\x00\xff", None]),
            "image": pa.array([{"bytes": b"\x89PNG", "path": "a.png"}, None], image),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    first, second = read_table(tmp_path / "a.parquet").to_dict("records")
    assert first == {
        "a.b": "0.1", "whole": "9223372036854775807", "money": "1.10", "day": "2024-02-29",
        "moment": "2024-02-29 12:00:00", "yes": "True", "list": '["a", "é"]', "coded": "x", "nothing": "",
        "raw": b"\x00\xff", "image": b"\x89PNG",
    }  # fmt: skip
    assert {name: cell for name, cell in second.items() if cell != ""} == {"raw": None, "image": None}


def test_hostile_parquet(tmp_path: Path) -> None:
    """An image without bytes, a time beyond the calendar and a cell above 1 MiB are refused by column or row."""
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    hostile = {
        'Column "image"': pa.array([{"bytes": None, "path": "/etc/passwd"}], image),
        'Column "image" of': pa.array([2**62], pa.timestamp("us")),
        'Row 1 of a.parquet has more than 1,048,576 characters in column "image"': pa.array(["a" * (2**20 + 1)]),
    }
    for says, column in hostile.items():
        pq.write_table(pa.table({"image": column}), tmp_path / "a.parquet")
        with pytest.raises(InputError) as caught:
            read_table(tmp_path / "a.parquet")
        assert says in caught.value.what
    twice = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["text", "text"])
    pq.write_table(twice, tmp_path / "a.parquet")
    with refused("column-twice") as twin:
        read_table(tmp_path / "a.parquet")
    assert "'text'" in twin.value.what


def test_the_index_that_pandas_adds_is_no_column(tmp_path: Path) -> None:
    """Rows that pandas numbered come back without their numbers; a named index is a column."""
    frame = pd.DataFrame({"text": ["a", "b"]}, index=[5, 7])
    frame.to_parquet(tmp_path / "a.parquet")
    assert read_table(tmp_path / "a.parquet").to_dict("list") == {"text": ["a", "b"]}
    frame.rename_axis("id").to_parquet(tmp_path / "b.parquet")
    assert read_table(tmp_path / "b.parquet").to_dict("list") == {"text": ["a", "b"], "id": ["5", "7"]}
