"""Looking at files as their owners have them: tweets out of a spreadsheet, sensor tables, X-rays beside a table."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image

from graft.data import check_test_labels, import_data, profile_data
from graft.data.labels import nearest_label, strange_labels
from graft.data.profile.entities import rounded_example, strength_as_group
from graft.errors import InputError

WORDS = [
    "my",
    "flight",
    "was",
    "late",
    "again",
    "and",
    "nobody",
    "said",
    "why",
    "the",
    "crew",
    "was",
    "kind",
    "but",
    "bag",
    "lost",
    "thanks",
    "for",
    "help",
    "at",
    "the",
    "gate",
]


@pytest.fixture(scope="module")
def tweets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file like the well-known tweets about airlines: ids that a spreadsheet has rounded, times with the month first."""
    n, rng = 1500, np.random.default_rng(3)
    ids = rng.choice(rng.uniform(5.67e17, 5.71e17, 250), n)
    zones = np.array([f"Zone {k} (US & Canada)" for k in range(13)] + [""] * 10)
    frame = pd.DataFrame(
        {
            "tweet_id": [f"{one:.4E}" for one in ids],
            "airline_sentiment": rng.choice(["negative", "neutral", "positive"], n, p=[0.6, 0.2, 0.2]),
            "airline_sentiment_confidence": rng.choice(["1", "0.6735", "0.35"], n),
            "airline": rng.choice(["United", "Delta", "Southwest"], n),
            "name": [f"user{k}" for k in rng.integers(0, n * 0.6, n)],
            "retweet_count": rng.choice(["0", "0", "0", "1"], n),
            "text": [f"@airline {' '.join(rng.choice(WORDS, 12))} {k}" for k in range(n)],
            "tweet_created": [f"2/{16 + k % 9}/2015 {k % 24}:{k % 60:02}" for k in range(n)],
            "user_timezone": rng.choice(zones, n),
        }
    )
    path = tmp_path_factory.mktemp("tweets") / "Tweets.csv"
    frame.to_csv(path, index=False)
    return path


def test_tweets_are_seen_for_what_they_are(tweets: Path) -> None:
    """The user is the group and no time zone is; the times' order is said; rounded ids are named and are no id."""
    seen = profile_data(tweets)
    roles = {column.name: column.role for column in seen.columns}
    assert {name: role for name, role in roles.items() if role not in {"none", "leaks_label"}} == {
        "airline_sentiment": "label",
        "name": "group",
        "text": "text",
        "tweet_created": "time",
    }
    assert next(c.because for c in seen.columns if c.name == "tweet_created") == "dates or times, month-first"
    (odd,) = (one for one in seen.oddities if '"tweet_id"' in one)
    assert "a spreadsheet has rounded (5." in odd
    assert re.search(r"1\d\d different ones are left in 1,500 rows", odd)
    assert seen.refusal == ""


def counted(n_values: int, rows_each: int, first: int | None = None) -> Counter[str]:
    return Counter({f"v{k}": first if first and not k else rows_each for k in range(n_values)})


@pytest.mark.parametrize(
    ("name", "counts", "is_group"),
    [
        ("name", counted(500, 2), True),
        ("Patientid", counted(71, 3), True),
        ("patientID", counted(71, 3), True),
        ("author name", counted(50, 4), True),
        ("case_id", counted(200, 3), True),
        ("speaker", counted(24, 400), True),
        ("user_timezone", counted(85, 115), False),
        ("user_timezone", counted(85, 3), False),
        ("customer_segment", counted(60, 3), False),
        ("product_name", counted(60, 3), False),
        ("category_id", counted(77, 130), False),
        ("paid", counted(60, 3), False),
        ("client", counted(6, 2000), False),
        ("customer", counted(100, 2, first=500), False),
        ("customer_id", counted(100, 1), False),
    ],
)
def test_what_names_whoever_has_several_rows(name: str, counts: Counter[str], is_group: bool) -> None:
    """Many values of several rows each, under a name that says so; an attribute of a user is no user."""
    assert (strength_as_group(name, counts) > 0) == is_group


@pytest.mark.parametrize(
    ("values", "is_id", "is_rounded"),
    [
        (["5.7E+17", "5.68E+17"], False, True),
        (["5,7E+17"], False, True),
        (["1.2E+09"], True, True),
        (["1.2E+09"], False, False),
        (["570306133677760513"], True, False),
        (["0.5", "1.5E-05"], True, False),
    ],
)
def test_ids_that_a_spreadsheet_has_rounded(values: list[str], is_id: bool, is_rounded: bool) -> None:
    """Long numbers of which some digits are left; measurements and whole ids are none."""
    assert bool(rounded_example(Counter(values), is_id=is_id)) == is_rounded


def people(k: int) -> str:
    return f"{20 + k % 50},{['Private', 'State-gov', 'Private'][k % 3]},{k % 60},{['<=50K', '>50K'][k % 4 == 0]}"


def sensor(k: int) -> str:
    return f"2015-02-{1 + k % 28:02} 00:{k % 60:02}:00,{k * 1.5},{k / 7:.3f}"


@pytest.mark.parametrize(
    ("header", "row", "instead"),
    [("age,workclass,hours,income", people, "HistGradientBoosting"), ("timestamp,value,load", sensor, "sktime")],
)
def test_what_graft_cannot_do_is_said_first(
    tmp_path: Path, header: str, row: Callable[[int], str], instead: str
) -> None:
    """Tables of numbers and categories are refused with what to use instead, and no advice leads on."""
    (tmp_path / "a.csv").write_text(header + "\n" + "\n".join(row(k) for k in range(300)) + "\n")
    seen = profile_data(tmp_path / "a.csv")
    assert seen.refusal.startswith("Graft trains on texts and images")
    assert instead in seen.refusal
    assert seen.advice == ()


def test_test_labels_that_train_does_not_have(tmp_path: Path) -> None:
    """Where every test label differs from train's, it is said with the nearest one."""
    for side, end in (("train", ""), ("test", ".")):
        rows = "".join(
            f"{' '.join(WORDS[k % 5 : k % 5 + 9])} {side} {k}, {'<=50K' if k % 4 else '>50K'}{end}\n" for k in range(60)
        )
        (tmp_path / f"{side}.csv").write_text(f"text,label\n{rows}")
    said = [one for one in profile_data(tmp_path).oddities if one.startswith("No class of the test rows")]
    assert len(said) == 1
    assert "' <=50K.' (45 rows, in train ' <=50K')" in said[0]
    assert strange_labels(Counter(a=3, b=2), Counter(a=1, c=9)) == ""
    assert nearest_label("Billing ", ["billing", "refund"]) == "billing"
    assert nearest_label("else", ["billing", "refund"]) is None


@pytest.mark.slow
def test_a_table_of_a_hundred_thousand_columns_is_bounded(tmp_path: Path) -> None:
    """The first 1,000 columns are looked at, all are counted, and two of a name are told apart."""
    names = ",".join(f"c{k}" for k in range(99_997))
    cells = ",".join(["1"] * 99_997)
    rows = "".join(f"{' '.join(WORDS[:8])} {k},{'ab'[k % 2]},{k},{cells}\n" for k in range(6))
    (tmp_path / "wide.csv").write_text(f"text,label,label,{names}\n{rows}")
    seen = profile_data(tmp_path / "wide.csv")
    assert (seen.n_columns, len(seen.columns), seen.n_rows) == (100_000, 1_000, 6)
    assert seen.columns[2].name == "label (2)"


@pytest.fixture
def xrays(tmp_path: Path) -> Path:
    """Images in folders of folders, and a table that names them without folder and, in some rows, without ending."""
    folder = tmp_path / "xrays"
    rng = np.random.default_rng(0)
    rows = []
    for k in range(24):
        inner = folder / f"images_{k % 3}" / "png"
        inner.mkdir(parents=True, exist_ok=True)
        file = BytesIO()
        Image.fromarray(rng.integers(0, 255, (16, 16), dtype=np.uint8)).save(file, format="PNG")
        (inner / f"{k:08}_000.png").write_bytes(file.getvalue())
        rows.append(
            {"Image Index": f"{k:08}_000.png", "Finding": ["none", "effusion"][k % 2], "Patientid": f"p{k // 2}"}
        )
    pd.DataFrame(rows).to_csv(folder / "Data_Entry.csv", index=False)
    return folder


def test_images_in_sub_folders_are_joined_to_their_table(xrays: Path, tmp_path: Path) -> None:
    """Look says that the column names the images, and bringing the folder in puts every image beside its row."""
    seen = profile_data(xrays)
    assert seen.columns_with("image") == ("Image Index",)
    assert seen.columns_with("group") == ("Patientid",)
    assert any("the images themselves are put into the table" in one for one in seen.advice)
    (path,) = import_data(xrays, tmp_path / "brought").values()
    table = pq.read_table(path).to_pandas()
    assert table["file"].tolist() == [f"{k:08}_000.png" for k in range(24)]
    for k, content in enumerate(table["image"]):
        assert content == (xrays / f"images_{k % 3}" / "png" / f"{k:08}_000.png").read_bytes()


def test_images_named_without_their_ending(xrays: Path, tmp_path: Path) -> None:
    """An id that is a file's name without .png is enough."""
    table = pd.read_csv(xrays / "Data_Entry.csv")
    table.assign(**{"Image Index": table["Image Index"].str.removesuffix(".png")}).to_csv(
        xrays / "Data_Entry.csv", index=False
    )
    assert profile_data(xrays).columns_with("image") == ("Image Index",)
    (path,) = import_data(xrays, tmp_path / "brought").values()
    assert pq.read_table(path).num_rows == 24


def test_two_images_of_one_name_are_refused(xrays: Path, tmp_path: Path) -> None:
    """Which one is meant cannot be told: both are named."""
    (xrays / "images_1" / "png" / "00000000_000.png").write_bytes(
        (xrays / "images_0/png/00000000_000.png").read_bytes()
    )
    with pytest.raises(InputError, match=r"2 images are called '00000000_000\.png'"):
        import_data(xrays, tmp_path / "brought")


def test_images_that_are_not_there_are_not_promised(tmp_path: Path) -> None:
    """A table that names images which lie nowhere near it says so."""
    (tmp_path / "a.csv").write_text("file,label\n" + "".join(f"x{k}.png,{'ab'[k % 2]}\n" for k in range(40)))
    assert any("not beside the table" in one for one in profile_data(tmp_path / "a.csv").advice)


def test_single_words_may_be_texts(tmp_path: Path) -> None:
    """A column of names, nearly all different, is not refused: it is asked whether they are the texts."""
    names = ["".join(np.random.default_rng(k).choice(list("abcdefgh"), 7)) for k in range(200)]
    (tmp_path / "a.csv").write_text(
        "given,label\n" + "".join(f"{name},{'ab'[k % 2]}\n" for k, name in enumerate(names))
    )
    seen = profile_data(tmp_path / "a.csv")
    assert seen.refusal == ""
    assert 'if "given" holds them' in seen.advice[0]


def test_new_refuses_test_rows_of_other_classes(tmp_path: Path) -> None:
    """Before anything is kept, with file, column and the nearest name."""
    files = {"train": tmp_path / "train.csv", "test": tmp_path / "test.csv"}
    with pytest.raises(InputError) as caught:
        check_test_labels({"train": Counter({"<=50K": 9}), "test": Counter({"<=50K.": 4})}, "income", files)
    assert "'<=50K.' (4 rows, in train '<=50K')" in caught.value.what
    assert "test.csv" in caught.value.where
    check_test_labels({"train": Counter({"<=50K": 9})}, "income", files)
