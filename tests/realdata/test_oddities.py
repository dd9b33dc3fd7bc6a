"""What is known to be odd about public datasets is found, with the number of rows that is known."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from PIL import Image

from graft.modality.image import pictures
from graft.modality.text.normalize import content_key
from graft.recipe import Validate
from graft.records import Check, Finding
from graft.validate import validate_rows
from tests.support.oddities_page import section, table, write_section

pytestmark = pytest.mark.realdata

BOUNDS = Validate(
    max_fraction_damaged=1,
    max_fraction_duplicates=1,
    max_fraction_conflicts=1,
    max_fraction_unlabelled=1,
    min_rows_per_class=2,
    language=None,
    expectations=(),
)
Modality = Literal["text", "image"]
Seen = dict[str, Finding]


def run(frame: pd.DataFrame, modality: Modality, labels: Sequence[str] = ()) -> tuple[tuple[Check, ...], Seen]:
    """Put rows (content, label, side, column.*) on sides as ingest does, without near-duplicates, and validate them."""
    frame = frame.assign(id="", group="", time="", near="", because="")
    frame["row"] = [f"row {k}" for k in range(1, len(frame) + 1)]
    key = content_key if modality == "text" else lambda image: pictures.content_key(image, "")
    frame["key"] = [key(content) for content in frame["content"]]
    on_train = frame["side"] == "train"
    twins = on_train & frame["key"].isin(frame.loc[frame["side"] == "test", "key"])
    repeats = on_train & frame[on_train].duplicated(["key", "label"]).reindex(frame.index, fill_value=False)
    frame.loc[twins | repeats, ["side", "because"]] = ["dropped", "twin"]

    def read() -> Iterator[pd.DataFrame]:
        for start in range(0, len(frame), 50_000):
            yield frame.iloc[start : start + 50_000]

    labels = labels or sorted(set(frame["label"]) - {""})
    checks, findings = validate_rows(
        read, modality=modality, labels=labels, bounds=BOUNDS, is_batch="batch" in set(frame["side"])
    )
    return checks, {finding.name: finding for finding in findings}


def rows(contents: Sequence[Any], labels: Sequence[Any] | str, side: str, **columns: Any) -> pd.DataFrame:
    made = pd.DataFrame({"content": list(contents), "side": side})
    return made.assign(label=labels if isinstance(labels, str) else [str(label) for label in labels], **columns)


def table_of(path: Path, content: str, label: str, side: str = "train", **options: Any) -> pd.DataFrame:
    frame = pd.read_csv(path, dtype=str, keep_default_na=False, **options)
    others = {f"column.{c}": frame[c].to_numpy() for c in frame.columns if c not in (content, label)}
    return rows(frame[content], frame[label], side, **others)


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").removesuffix("\n").split("\n")


def tweets(folder: Path, *splits: str) -> pd.DataFrame:
    """Return splits of {split}_text.txt and {split}_labels.txt: the last one is the test side if there are several."""
    parts = []
    for split in splits:
        labels = [label.strip() for label in lines(folder / f"{split}_labels.txt")]
        side = "test" if split == splits[-1] and len(splits) > 1 else "train"
        parts.append(rows(lines(folder / f"{split}_text.txt"), labels, side))
    return pd.concat(parts, ignore_index=True)


def sst2(folder: Path, split: str, side: str) -> pd.DataFrame:
    pairs = [line.rsplit("\t", 1) for line in lines(folder / f"text/sst2/{split}.tsv")]
    return rows([text for text, _ in pairs], [label for _, label in pairs], side)


def sms(folder: Path) -> pd.DataFrame:
    pairs = [line.split("\t", 1) for line in lines(folder / "text/sms_spam/SMSSpamCollection.tsv")]
    return rows([text for _, text in pairs], [label for label, _ in pairs], "train")


def amazon(folder: Path, domain: str) -> pd.DataFrame:
    frame = table_of(folder / "text/amazon_multidomain/amazon_reviews.csv", "text", "label")
    frame = frame[frame["column.domain"] == domain].reset_index(drop=True)
    return frame.assign(side=np.where(frame["column.split"] == "dev", "test", "train"))


def png(pixels: npt.NDArray[np.uint8]) -> bytes:
    file = BytesIO()
    Image.fromarray(pixels).save(file, format="PNG", compress_level=1)
    return file.getvalue()


def idx(path: Path) -> npt.NDArray[np.uint8]:
    content = gzip.decompress(path.read_bytes())
    shape = np.frombuffer(content, dtype=">i4", count=content[3], offset=4)
    return np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * content[3]).reshape(shape)


def mnist(folder: Path) -> pd.DataFrame:
    parts = []
    for split, side in (("train", "train"), ("t10k", "test")):
        images, labels = (
            idx(folder / f"image/mnist/{split}-{kind}-ubyte.gz") for kind in ("images-idx3", "labels-idx1")
        )
        parts.append(rows([png(image) for image in images[:10_000]], labels[:10_000], side))
    return pd.concat(parts, ignore_index=True)


def arrays(path: Path, sides: Mapping[str, str]) -> pd.DataFrame:
    """Return the images and labels of an npz file, PREFIX_images and PREFIX_labels (or PREFIX_x and PREFIX_y)."""
    with np.load(path, allow_pickle=False) as npz:
        there = {name: npz[name] for name in npz.files}
    parts = []
    for prefix, side in sides.items():
        x, y = (next(there[f"{prefix}_{kind}"] for kind in kinds if f"{prefix}_{kind}" in there) for kinds in _KINDS)
        parts.append(rows([png(np.asarray(image, np.uint8).squeeze()) for image in x], y.ravel(), side))
    return pd.concat(parts, ignore_index=True)


_KINDS = (("images", "x"), ("labels", "y"))


def cifar10(folder: Path) -> pd.DataFrame:
    parts = [pd.read_parquet(folder / f"image/cifar10_jpeg/{split}_10000.parquet") for split in ("train", "test")]
    sides = ("train", "test")
    made = [rows(part["jpeg"], part["label"], side) for part, side in zip(parts, sides, strict=True)]
    return pd.concat(made, ignore_index=True)


def xray(folder: Path) -> pd.DataFrame:
    """Return the X-rays split by image, as somebody would who does not look at patient_id."""
    table = pd.read_csv(folder / "image/xray_hannover/metadata.csv", dtype=str, keep_default_na=False)
    table = table.merge(pd.read_parquet(folder / "image/xray_hannover/images_256.parquet"), on="image_id")
    columns = {f"column.{c}": table[c].to_numpy() for c in table.columns if c not in ("jpeg", "projection")}
    made = rows(table["jpeg"], table["projection"], "train", **columns)
    return made.assign(side=["test" if key[0] in "0123" else "train" for key in map(content_key, table["image_id"])])


@dataclass(frozen=True)
class Known:
    """An oddity that is known of a dataset: what to call it, how many rows are known (None: a number is not), what is found."""

    oddity: str
    finding: str
    known: int | None
    found: int
    note: str = ""


REPEATS, CONFLICTS = "Rows that repeat another", "Texts with two labels"
LEAK, MOJIBAKE = "Test texts that also stand in train", "Texts decoded with the wrong encoding"
LOST, ENTITIES, TAGS = "Texts with replacement characters", "Texts with HTML entities", "Texts with HTML tags"
BREAKS, BLANKS, EMPTY = "Texts with line breaks", "Texts with blanks at the ends", "Texts that are empty"
PLACEHOLDERS, UNKNOWN = "Texts with placeholders for names or links", "Labels that are unknown"
TWINS, PATIENT = "Test images that also stand in train", 'Test rows whose "patient_id" also stands in train'

Case = tuple[str, Modality, Callable[[Path], pd.DataFrame], tuple[Known, ...]]


def bank(folder: Path, *splits: str) -> pd.DataFrame:
    sides = {"train": "train", "test": "test"}
    parts = [table_of(folder / f"text/banking77/{split}.csv", "text", "category", sides[split]) for split in splits]
    return pd.concat(parts, ignore_index=True)


CASES: list[Case] = [
    ("banking77, train", "text", lambda f: bank(f, "train"), (
        Known("texts with a line break", BREAKS, 10, 10),
        Known("stray outer blanks", BLANKS, 9, 9),
        Known("repeats in train", REPEATS, 31, 30, "one more repeats with another label: a conflict"),
        Known("one text with two labels", CONFLICTS, 2, 2),
    )),
    ("banking77", "text", lambda f: bank(f, "train", "test"), (Known("test texts in train", LEAK, 25, 25),)),
    ("TweetEval hate, train", "text", lambda f: tweets(f / "text/tweeteval/hate", "train"), (
        Known("empty texts", EMPTY, 7, 7),
        Known("mojibake", MOJIBAKE, 46, 256, "46 hold Ã or Â; damaged emoji and quotes come on top"),
        Known("HTML entities", ENTITIES, None, 278),
        Known("@user for names", PLACEHOLDERS, None, 3_449),
    )),
    ("TweetEval hate", "text", lambda f: tweets(f / "text/tweeteval/hate", "train", "test"), (
        Known("test texts in train", LEAK, 246, 245, "the known count ignores emoji; here they carry meaning"),
    )),
    ("TweetEval offensive, train", "text", lambda f: tweets(f / "text/tweeteval/offensive", "train"), (
        Known("repeats", REPEATS, 110, 81, "93 where emoji count; 12 of them with another label: conflicts"),
        Known("conflicting labels", CONFLICTS, 14, 29, "rows of 12 texts; the known count is of texts, and ignores emoji"),
    )),
    ("UMSAB French", "text", lambda f: tweets(f / "text/umsab_multilingual/french", "train", "test"), (
        Known("train texts in test", LEAK, 10, 10),
        Known("HTML entities", ENTITIES, None, 75),
        Known("http and @user for links and names", PLACEHOLDERS, None, 2_374),
    )),
    ("UMSAB French, train", "text", lambda f: tweets(f / "text/umsab_multilingual/french", "train"), (
        Known("repeats", REPEATS, 10, 8, "one more has another label; the known count ignores emoji and signs"),
    )),
    ("UMSAB German", "text", lambda f: tweets(f / "text/umsab_multilingual/german", "train", "val", "test"), (
        Known("replacement characters", LOST, 4, 4),
    )),
    ("SST-2, train", "text", lambda f: sst2(f, "train", "train"), (Known("repeats", REPEATS, 9, 9),)),
    ("SST-2", "text", lambda f: pd.concat([sst2(f, "train", "train"), sst2(f, "test", "test")], ignore_index=True), (
        Known("test texts in train", LEAK, 2, 2),
    )),
    *(
        (f"Amazon {domain}", "text", lambda f, d=domain: amazon(f, d), (
            Known("dev texts in train", LEAK, None, leak),
            Known("replacement characters", LOST, None, lost),
            Known("title and body joined by a line break", BREAKS, 2000, 2000),
        ))
        for domain, leak, lost in (("books", 5, 3), ("dvd", 14, 17), ("electronics", 16, 5), ("kitchen", 9, 2))
    ),
    *(
        (f"Amazon {domain}, train", "text", lambda f, d=domain: amazon(f, d).query("side == 'train'"), (
            Known("13 to 39 repeats", REPEATS, None, n),
        ))
        for domain, n in (("books", 39), ("dvd", 31), ("electronics", 18), ("kitchen", 13))
    ),
    ("IMDB, unlabelled", "text", lambda f: rows(
        pd.read_parquet(f / "text/imdb/imdb_unsup_25k.parquet")["text"], "", "batch"
    ), (Known("<br /> in 58%", TAGS, None, 14_675),)),
    ("SMS spam", "text", sms, (
        Known("repeats", REPEATS, 444, 443, "two texts of signs alone, which the known count takes as equal"),
        Known("HTML entities", ENTITIES, 309, 309),
    )),
    ("Davidson", "text", lambda f: table_of(f / "bias/davidson/labeled_data.csv", "tweet", "class"), (
        Known("HTML entities in 27%", ENTITIES, None, 6_633),
        Known("repeats", REPEATS, 46, 42, "four more repeat with another label"),
        Known("conflicting labels", CONFLICTS, 4, 8, "rows of 4 texts"),
    )),
    ("Jigsaw, fuzzed, against BAD and NOT_BAD", "text", lambda f: table_of(
        f / "bias/jigsaw_unintended/toxicity_fuzzed_testset.csv", "comment", "toxic"
    ), (Known("another file's labels", UNKNOWN, 1_492, 1_492),)),
    ("MNIST, 10,000 of train", "image", mnist, (
        Known("no repeats", REPEATS, 0, 0),
        Known("no leakage", TWINS, 0, 0),
    )),
    ("USPS", "image", lambda f: arrays(f / "image/usps/usps16.npz", {"train": "train", "test": "test"}), (
        Known("no repeats", REPEATS, 0, 0),
    )),
    ("CIFAR-10 as JPEG", "image", cifar10, (
        Known("no repeats", REPEATS, 0, 0),
        Known("no leakage", TWINS, 0, 0),
    )),
    ("PneumoniaMNIST, train", "image", lambda f: arrays(_pneumonia(f), {"train": "train"}), (
        Known("repeats", REPEATS, 18, 18),
    )),
    ("PneumoniaMNIST, val", "image", lambda f: arrays(_pneumonia(f), {"train": "train", "val": "test"}), (
        Known("val images in train", TWINS, 8, 8),
    )),
    ("PneumoniaMNIST", "image", lambda f: arrays(_pneumonia(f), {"train": "train", "test": "test"}), (
        Known("no leakage into test", TWINS, 0, 0),
    )),
    ("Hannover X-rays, split by image", "image", xray, (
        Known("patients on both sides", PATIENT, None, 51),
        *(Known(f"no value in {c}", f'Column "{c}" is empty', 243, 243) for c in ("age", "size", "weight")),
        Known("infinite laboratory values", 'Column "d-dimer_val" holds infinite numbers', None, 8),
    )),
]  # fmt: skip


def _pneumonia(folder: Path) -> Path:
    return folder / "image/pneumoniamnist/pneumoniamnist.npz"


@pytest.fixture(scope="module")
def lines_of_page() -> list[tuple[str, ...]]:
    return []


@pytest.mark.slow
@pytest.mark.parametrize(("dataset", "modality", "load", "known"), CASES, ids=[case[0] for case in CASES])
def test_what_is_known_is_found(
    dataset: str, modality: Modality, load: Callable[[Path], pd.DataFrame], known: tuple[Known, ...],
    shared_data: Path, lines_of_page: list[tuple[str, ...]],
) -> None:  # fmt: skip
    """Each known oddity is found in the stated number of rows; where that is not the known number, the table says why."""
    labels = ("BAD", "NOT_BAD") if "BAD" in dataset else ()
    _, seen = run(load(shared_data), modality, labels)
    found = {one.finding: seen[one.finding].n_rows if one.finding in seen else 0 for one in known}
    for one in known:
        n_known = "" if one.known is None else f"{one.known:,}"
        lines_of_page.append((dataset, one.oddity, one.finding, n_known, f"{found[one.finding]:,}", one.note))
    assert found == {one.finding: one.found for one in known}
    assert all(one.note for one in known if one.known not in (None, one.found))


@pytest.mark.slow
def test_the_page_says_what_was_found(
    shared_data: Path, request: pytest.FixtureRequest, lines_of_page: list[tuple[str, ...]]
) -> None:
    """The table in docs/oddities.md is what the tests above counted."""
    if len(lines_of_page) < sum(len(case[3]) for case in CASES):
        pytest.skip("the table is made of all datasets: run the whole file")
    text = table(("dataset", "oddity", "finding", "known", "found", "why they differ"), lines_of_page)
    if request.config.getoption("--update-goldens"):
        write_section("known", text)
    assert section("known") == text


@pytest.mark.slow
def test_personal_data_is_told_precisely(shared_data: Path) -> None:
    """In 20,000 bank questions and film sentences nothing is taken for personal data; in SMS spam numbers are found."""
    clean = pd.concat([bank(shared_data, "train", "test"), sst2(shared_data, "train", "train")], ignore_index=True)
    personal = [f"Texts with {kind}" for kind in ("e-mail addresses", "telephone numbers", "IBANs", "payment card numbers",
                                                  "IP addresses", "US social security numbers")]  # fmt: skip
    assert not set(personal) & set(run(clean.assign(label="x"), "text")[1])
    seen = run(sms(shared_data), "text")[1]
    assert seen["Texts with telephone numbers"].n_rows >= 380
    assert seen["Texts with e-mail addresses"].n_rows == 7
