"""Looking at data: its dialect as it is, its columns and roles, and what to do about it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from graft.data.profile.kinds import kind_of
from graft.data.profile.profile import DataProfile, profile_data
from graft.data.readers.dialect import Dialect, guess_dialect
from graft.data.readers.read import read_table
from graft.errors import InputError
from tests.support.refusals import refused

SENTENCE = "the card was not sent and I still wait for it since last week please tell me what to do"


def texts(n: int, seed: int = 0) -> list[str]:
    """n different English texts of some ten words."""
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(SENTENCE.split(), 10)) + f" {k}" for k in range(n)]


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.csv", "text,label\na b,x\nc d,y\n", Dialect()),
        ("a.csv", 'text,label\n"a, b",x\n"c\nd",y\n', Dialect()),
        ("a.csv", "text;label\na, b;x\nc;y\n", Dialect(delimiter=";")),
        ("a.txt", "a|1\nb c|0\nd|1\n", Dialect(delimiter="|", header=False)),
        ("a.csv", "text\tlabel\na, b\tx\nc\ty\n", Dialect(delimiter="\t")),
        ("a.tsv", '"good" he said\t1\nbad "\t0\n"so" so\t1\n', Dialect(delimiter="\t", quote=None, header=False)),
        ("a.tsv", '"good\t1\nbad"\t0\nfine\t1\n', Dialect(delimiter="\t", quote=None, header=False)),
        (
            "a.txt",
            'ham\ta "b c\tand more\nspam\twin now\nham\tsee you\tthere\tok\nham\tall right\nham\tyes of course\nspam\tx y\n',
            Dialect(delimiter="\t", quote=None, header=False, n_columns=2),
        ),
        (
            "a.txt",
            "one text\nand, another\nthird one\n",
            Dialect(delimiter="\t", quote=None, header=False, n_columns=1),
        ),
        ("a.csv", "A11,6,A34\nA12,48,A32\nA11,12,A34\n", Dialect(header=False)),
        (
            "a.csv",
            "Country Name,Code,1960,1961,1962,1963\nPeru,PER,6.9,6.8,6.7,6.6\nTogo,TGO,6.5,6.6,6.6,6.7\n",
            Dialect(),
        ),
        ("a.csv", "text\nhello there\nhow are you\n", Dialect()),
        ("a.csv", "text;label\na;x\nb\nc;y\nd;x\ne;y\nf;x\ng;y\nh;x\ni;x\nj;y\nk;x\n", Dialect(delimiter=";")),
    ],
)
def test_dialect_is_found(tmp_path: Path, name: str, content: str, expected: Dialect) -> None:
    """Delimiter, quoting and header are found from the rows themselves, and the file can be read by what was found."""
    path = write(tmp_path, name, content)
    found, odd = guess_dialect(path)
    assert found == expected
    assert bool(odd) == (expected.n_columns is not None)
    assert len(read_table(path, dialect=found)) == len(
        [line for line in content.splitlines() if line]
    ) - expected.header - ("c\nd" in content)


def test_dialect_of_a_long_file_with_a_cell_over_the_sample_s_end(tmp_path: Path) -> None:
    """A sample that ends inside a quoted cell of several lines does not change what is found."""
    row = '"' + "a line, and more\n" * 40 + '",label\n'
    path = write(tmp_path, "a.csv", "text,label\n" + row * 3_000)
    assert guess_dialect(path) == (Dialect(), ())


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A table with one column for each role, uneven classes, a leak, twins and a conflict."""
    n = 400
    rng = np.random.default_rng(1)
    label = np.where(rng.random(n) < 0.15, "refund", "other")
    frame = pd.DataFrame(
        {
            "message_id": [f"m{k:04}" for k in range(n)],
            "message": texts(n),
            "customer_id": [f"c{k // 4}" for k in range(n)],
            "created": [f"2024-01-{1 + k % 28:02} 10:00:00" for k in range(n)],
            "gender": rng.choice(["female", "male"], n),
            "queue": np.where(label == "refund", "Q7", "Q1"),
            "channel": rng.choice(["app", "web", "phone"], n),
            "intent": label,
        }
    )
    frame.loc[1, "message"] = frame.loc[0, "message"].upper()
    frame.loc[2, ["message", "intent"]] = [frame.loc[3, "message"], "refund"]
    frame.loc[3, "intent"] = "other"
    frame.loc[3, "queue"], frame.loc[2, "queue"] = "Q1", "Q7"
    frame.loc[4, "intent"] = frame.loc[1, "intent"] = frame.loc[0, "intent"]
    frame.to_csv(tmp_path / "shop.csv", index=False)
    return tmp_path / "shop.csv"


def test_roles_kinds_and_reasons(shop: Path) -> None:
    """Each column gets its role with a reason; counts, twins and conflicts are exact."""
    seen = profile_data(shop)
    assert {column.name: column.role for column in seen.columns} == {
        "message_id": "id",
        "message": "text",
        "customer_id": "group",
        "created": "time",
        "gender": "sensitive",
        "queue": "leaks_label",
        "channel": "none",
        "intent": "label",
    }
    assert all(column.because and column.confidence > 0.5 for column in seen.columns if column.role != "none")
    assert {column.name: column.kind for column in seen.columns}["created"] == "date/time"
    truth = pd.read_csv(shop)["intent"].value_counts().to_dict()
    assert seen.class_counts == truth
    assert (seen.n_rows, seen.n_duplicates, seen.n_conflicts) == (400, 2, 1)
    assert seen.languages["en"] > 0.9
    assert profile_data(shop) == DataProfile.model_validate_json(seen.model_dump_json())


def test_advice_says_what_matters(shop: Path) -> None:
    """Imbalance, the group, the leak, the sensitive column and repeats are each said once, and nothing on what is well."""
    advice = "\n".join(profile_data(shop).advice)
    for part in (
        "macro F1",
        '"customer_id" ties rows',
        '"queue" gives the label away',
        '"gender" may be',
        "2 rows of 400 repeat",
    ):
        assert advice.count(part) == 1, part
    assert "multilingual" not in advice
    assert "channel" not in advice


def test_advice_on_small_foreign_long_data(tmp_path: Path) -> None:
    """Few rows, tiny classes, long texts and a language other than English are said."""
    german = "Meine Karte ist seit letzter Woche nicht angekommen, was soll ich denn jetzt bitte machen? " * 7
    rows = "".join(f'"{german} {k}",{"selten" if k < 3 else "oft"}\n' for k in range(40))
    seen = profile_data(write(tmp_path, "a.csv", f"text,label\n{rows}"))
    assert seen.languages == {"de": 1.0}
    assert seen.fraction_long == 1.0
    advice = "\n".join(seen.advice)
    for part in ("Only 40 rows", "fewer than 10 rows: 1 (selten)", "raise max_tokens", 'Texts are in "de"'):
        assert part in advice


def test_mixed_languages_are_said(tmp_path: Path) -> None:
    """A third of French texts among English ones is named with its share."""
    french = [f"Je n'ai toujours pas reçu ma carte bancaire cette semaine {k}" for k in range(100)]
    rows = "\n".join(f"{text},{k % 2}" for k, text in enumerate(texts(200) + french))
    seen = profile_data(write(tmp_path, "a.csv", f"text,label\n{rows}\n"))
    assert seen.languages["fr"] == pytest.approx(1 / 3, abs=0.03)
    assert any("fr 3" in one and "multilingual" in one for one in seen.advice)


def test_twin_columns_are_said_where_the_reader_refuses(tmp_path: Path) -> None:
    """Two columns of one name, and a column that repeats another, are named."""
    path = write(
        tmp_path,
        "a.csv",
        "text,text,label,copy\n" + "".join(f"{t},b c,{k % 2},{k % 2}\n" for k, t in enumerate(texts(50))),
    )
    with refused("column-twice") as twin:
        read_table(path)
    assert "'text'" in twin.value.what
    odd = profile_data(path).oddities
    assert 'two columns are called "text"' in odd
    assert 'column "copy" repeats column "label"' in odd


def test_further_delimiters_are_said(tmp_path: Path) -> None:
    """That the last column takes further delimiters is said."""
    rows = "".join(f"ham\t{text}\n" for text in texts(20)) + "spam\twin\tnow or never\n"
    seen = profile_data(write(tmp_path, "a.tsv", rows))
    assert seen.oddities == ("some lines have more delimiters than columns: they belong to column 2",)
    assert seen.columns_with("label") == ("column_1",)
    assert seen.columns_with("text") == ("column_2",)


def test_splits_are_found_and_twins_across_them(tmp_path: Path) -> None:
    """A folder of train, dev and test has three splits; test rows that stand in train are counted."""
    rows = texts(30)
    for name, part in {"train": rows[:20], "dev": rows[20:25], "test": [*rows[25:], rows[0].upper()]}.items():
        write(tmp_path, f"{name}.csv", "text,label\n" + "".join(f"{text},{k % 2}\n" for k, text in enumerate(part)))
    write(tmp_path, "README.md", "about")
    seen = profile_data(tmp_path)
    assert [(split.name, split.n_rows) for split in seen.splits] == [("train", 20), ("validation", 5), ("test", 6)]
    assert (seen.examined, seen.n_rows, seen.n_crossing) == ("train", 20, 1)
    assert any("validation split (5 rows) stays out" in one for one in seen.advice)


def test_all_rows_are_counted_and_few_examined(tmp_path: Path) -> None:
    """A file sorted by class, longer than what is examined, has its classes counted in full and examined evenly."""
    rows = "".join(f"{text},{'a' if k < 2_000 else 'b'}\n" for k, text in enumerate(texts(3_000)))
    seen = profile_data(write(tmp_path, "a.csv", f"text,label\n{rows}"), max_rows=500)
    assert seen.n_rows == 3_000
    assert seen.class_counts == {"a": 2_000, "b": 1_000}
    assert 250 <= seen.n_examined <= 500
    assert {column.name: column.n_distinct for column in seen.columns}["label"] == 2


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.npz", b"PK\x03\x04" + bytes(50), "a.npz is a NumPy archive, which Graft does not read"),
        ("images.gz", b"\x1f\x8b" + bytes(50), "images.gz is a gzip archive"),
        ("a.csv", b"<html><body>Not found", "a.csv is a web page"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    """A file of another kind is refused by the kind's name."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        profile_data(tmp_path / name)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "code", "where"),
    [
        ("a.json", json.dumps([{"text": "a"}]).encode(), "not-json-lines", "a.json"),
        ("a.csv", b"text,label\na\xe9,b\n", "not-utf8", "Line 2 of a.csv"),
        ("a.csv", b"", "file-empty", "a.csv"),
    ],
)
def test_what_the_reader_refuses_is_refused_alike(
    tmp_path: Path, name: str, content: bytes, code: str, where: str
) -> None:
    """A file that ``read_batches`` does not read is refused for the same reason, by its name."""
    (tmp_path / name).write_bytes(content)
    with refused(code) as error:
        profile_data(tmp_path / name)
    assert where in error.value.what


def test_folders_that_say_nothing(tmp_path: Path) -> None:
    """An empty folder, and tables whose names are no splits, are refused with the names."""
    with pytest.raises(InputError, match="holds nothing that Graft reads"):
        profile_data(tmp_path)
    for name in ("a.csv", "b.csv"):
        write(tmp_path, name, "text,label\nx,y\n")
    with pytest.raises(InputError) as caught:
        profile_data(tmp_path)
    assert caught.value.where == "a.csv, b.csv"


def test_byte_order_mark_is_said(tmp_path: Path) -> None:
    """A byte order mark is read over and named."""
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbftext,label\nsome text here,b\nother text there,c\n")
    seen = profile_data(path)
    assert seen.encoding == "UTF-8 with a byte order mark"
    assert [column.name for column in seen.columns] == ["text", "label"]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "2", "-3"], "integer"),
        (["007", "008"], "category"),
        (["1.5", "-inf", "2e-3", ""], "number"),
        (["2024-01-02", "2024-01-02 10:00:00", "2024-01-02T10:00:00Z"], "date/time"),
        (["1/2/2024", "12.1.2024"], "date/time"),
        (["yes", "No"], "boolean"),
        (["a/b.png", "c.JPG"], "image path"),
        (["", "N/A"], "empty"),
        (["x", "x"], "constant"),
        (["red", "blue", "red"], "category"),
        (["not yet paid", "paid", "not yet paid", "paid"], "category"),
        (["a text with words", "another one"], "text"),
        (["我的银行卡还没有寄到", "请问怎么办理退款手续"], "text"),
        (["1.5 2.5 3.5", "2.5 3.5 4.5"], "category"),
        (["['a', 'b c d']", "['a', 'b']"], "category"),
    ],
)
def test_kinds(values: list[str], kind: str) -> None:
    """What cells hold is told from all of them, empty ones aside; scripts without blanks have words too."""
    assert kind_of(Counter(value for value in values if value)) == kind


def test_letters_alone_are_no_gender(tmp_path: Path) -> None:
    """F and M are taken for genders where the column is called so, and nowhere else."""
    rows = "".join(f"{text},{'FM'[k % 2]},{'FM'[k % 3 % 2]},{k % 2}\n" for k, text in enumerate(texts(60)))
    seen = profile_data(write(tmp_path, "a.csv", f"text,charge_degree,sex,label\n{rows}"))
    assert seen.columns_with("sensitive") == ("sex",)
