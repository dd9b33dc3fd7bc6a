"""Any damage to any kind of file: it is read, or refused in a sentence, and nothing half done is left."""

from __future__ import annotations

import json
import random
import shutil
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from graft.data import import_data, parts_of, place_rows, profile_data, read_repairs
from graft.errors import InputError
from graft.recipe import Data, parse_recipe
from graft.recipe.text import recipe_text
from tests.support.bad_files import GOOD_CSV, jsonl, parquet, workbook
from tests.support.cli_runner import MESSAGES, check_error, csv_bytes

Files = dict[str, bytes]
N_ROUNDS = 80
TOKENS = [
    b'"', b"'", b",", b"\t", b"\n", b"\r", b"\r\n", b"\x00", b"\xff", b"\xef\xbb\xbf", b"{", b"}", b"[", b"null", b"-1", b"1e999",
    b"99999999999999999999", b"\\ud800", b"\\", b"\x1b[2J", b"../", b"&a", b"*a", b"!!python/name:os.system", b"%",
    b"\xe2\x80\xa8",
]  # fmt: skip


def saved_dataset() -> Files:
    """Return a folder as Hugging Face datasets saves it: an Arrow stream, and JSON that names it."""
    ids, texts, labels = zip(*MESSAGES, strict=True)
    codes = pa.array([("card", "parcel").index(label) for label in labels], type=pa.int64())
    rows = pa.table({"id": list(ids), "text": list(texts), "label": codes})
    stream = BytesIO()
    with pa.ipc.new_stream(stream, rows.schema) as writer:
        writer.write_table(rows)
    features = {"label": {"names": ["card", "parcel"], "_type": "ClassLabel"}}
    return {
        "data-00000-of-00001.arrow": stream.getvalue(),
        "state.json": json.dumps({"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}).encode(),
        "dataset_info.json": json.dumps({"features": features}).encode(),
    }


def text_and_label_files() -> Files:
    """Return texts and labels in files of their own, with a mapping."""
    texts = "".join(f"{text}\n" for _, text, _ in MESSAGES).encode()
    labels = "".join(f"{int(label == 'card')}\n" for *_, label in MESSAGES).encode()
    files = {
        f"{split}_{what}.txt": c for split in ("train", "test") for what, c in (("text", texts), ("labels", labels))
    }
    return {**files, "mapping.txt": b"0\tparcel\n1\tcard\n"}


def images_by_class() -> Files:
    """Return four images in two folders, each in a format of its own."""
    files = {}
    for k, kind in enumerate(("png", "jpeg", "webp", "gif")):
        noise = np.random.default_rng(k).integers(0, 256, (12, 10, 3)).astype(np.uint8)
        file = BytesIO()
        Image.fromarray(noise).save(file, format=kind)
        files[f"{'cat' if k % 2 else 'dog'}/{k}.{kind}"] = file.getvalue()
    return files


KINDS: dict[str, Callable[[], Files]] = {
    "CSV": lambda: {"rows.csv": GOOD_CSV + b'm98,"a message, with ""quotes""",card\n'},
    "TSV": lambda: {"rows.tsv": csv_bytes(MESSAGES, "id\ttext\tlabel", "\t")},
    "text": lambda: {"rows.txt": csv_bytes(MESSAGES, "id;text;label", ";")},
    "JSONL": lambda: {"rows.jsonl": jsonl('{"id": "m98", "text": "caf\\u00e9", "label": "card", "tags": [1, null]}')},
    "Parquet": lambda: {"rows.parquet": parquet()},
    "Excel": lambda: {"rows.xlsx": workbook(MESSAGES)},
    "saved dataset": saved_dataset,
    "text and label files": text_and_label_files,
    "images": images_by_class,
}
DATA = Data(
    dataset="d", train="train.csv", test=None, text="text", image=None, label="label", id="id", group=None, time=None,
    test_from=None, sensitive=(), fraction_test=0.3, min_similarity=0.8, rows_per_class=None,
)  # fmt: skip


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Return a file after one to three accidents."""
    for _ in range(rng.randint(1, 3)):
        a, b = sorted(rng.randrange(len(content) + 1) for _ in range(2))
        b = min(b, a + 400)
        accident = rng.choice(["flip", "cut", "take out", "insert", "repeat", "noise", "encode", "swap"])
        if accident == "flip" and content:
            at = rng.randrange(len(content))
            content = content[:at] + bytes([content[at] ^ (1 << rng.randrange(8))]) + content[at + 1 :]
        elif accident == "cut":
            content = content[:b]
        elif accident == "take out":
            content = content[:a] + content[b:]
        elif accident == "insert":
            content = content[:a] + rng.choice(TOKENS) * rng.choice([1, 1, 1, 50]) + content[a:]
        elif accident == "repeat":
            content = content[:b] + content[a:b] * rng.randint(1, 5) + content[b:]
        elif accident == "noise":
            content = content[:a] + rng.randbytes(min(b - a, 8)) + content[a + 8 :]
        elif accident == "encode":
            text = content.decode("latin-1")
            content = text.encode(rng.choice(["utf-16", "utf-16-le", "utf-8", "utf-8-sig", "utf-32"]))
        elif accident == "swap":
            middle = (a + b) // 2
            content = content[:a] + content[middle:b] + content[a:middle] + content[b:]
    return content


def write_damaged(files: Files, folder: Path, rng: random.Random) -> Path:
    """Write files, one of them damaged, and return the path that a person would give."""
    victim = rng.choice(sorted(files))
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(damaged(content, rng) if name == victim else content)
    return folder / victim if len(files) == 1 else folder


def succeeds_or_is_refused(act: Callable[[], object]) -> bool:
    """Return whether an act succeeded; it may fail in one sentence, and in no other way."""
    try:
        act()
    except InputError as error:
        check_error(str(error), ())
        return False
    return True


def one_round(files: Files, folder: Path, rng: random.Random) -> bool:
    """Damage a source, look at it and bring it in; return whether it came in."""
    source, target = write_damaged(files, folder / "source", rng), folder / "target"
    succeeds_or_is_refused(lambda: profile_data(source))
    target.mkdir()
    came = succeeds_or_is_refused(lambda: import_data(source, target))
    left = sorted(path.name for path in target.iterdir())
    assert left == [] or (came and {Path(name).stem for name in left} <= {"train", "test"}), left
    return came


def rounds(kind: str, n: int, tmp_path: Path) -> None:
    """Play rounds that are always the same; neither all may be refused nor all come in."""
    rng, files, n_came = random.Random(zlib.crc32(kind.encode())), KINDS[kind](), 0  # noqa: S311 - damage, no secrets
    for k in range(n):
        folder = tmp_path / str(k)
        n_came += one_round(files, folder, rng)
        shutil.rmtree(folder)
    assert 0 < n_came < n


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_sources(kind: str, tmp_path: Path) -> None:
    """Look and bring take a damaged source or refuse it in a sentence; what is refused leaves nothing."""
    rounds(kind, N_ROUNDS, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_damaged_sources_at_length(kind: str, tmp_path: Path) -> None:
    """The same, fifty times as often."""
    rounds(kind, 50 * N_ROUNDS, tmp_path)


def test_a_workbooks_directory_damaged_at_every_byte(tmp_path: Path) -> None:
    """No byte of the directory at a workbook's end, set to a number no version has, brings another error."""
    content, path = workbook(MESSAGES), tmp_path / "rows.xlsx"
    for at in range(content.rindex(b"PK\x01\x02"), len(content)):
        path.write_bytes(content[:at] + b"\x54" + content[at + 1 :])
        succeeds_or_is_refused(lambda: profile_data(path))


def dataset() -> Files:
    """Return a dataset of rows, mended ones, labels that came late, and further rows."""
    mended = [
        {"row": "train.csv row 2", "action": "content", "content": "mended"},
        {"row": "train.csv row 3", "action": "drop"},
    ]
    return {
        "train.csv": GOOD_CSV,
        "repair-0001.jsonl": "".join(f"{json.dumps(one)}\n" for one in mended).encode(),
        "added-0002.csv": csv_bytes([("m0", "card"), ("m1", "parcel")], "id,label"),
        "added-0003.jsonl": b'{"id": "m50", "text": "a message about a house", "label": "card"}\n',
    }


def place_damaged(n: int, tmp_path: Path) -> None:
    rng, n_placed = random.Random(2), 0  # noqa: S311
    for k in range(n):
        folder, scratch = tmp_path / f"{k}", tmp_path / f"{k}-scratch"
        scratch.mkdir()
        write_damaged(dataset(), folder, rng)
        n_placed += succeeds_or_is_refused(
            lambda folder=folder, scratch=scratch: place_rows(
                parts_of(folder, DATA), DATA, read_repairs(folder), scratch, lambda *_: None
            )
        )
        shutil.rmtree(folder)
        shutil.rmtree(scratch)
    assert 0 < n_placed < n


def test_damaged_datasets(tmp_path: Path) -> None:
    """Rows, repairs and late labels that were damaged on disk are placed or refused in a sentence."""
    place_damaged(N_ROUNDS, tmp_path)


@pytest.mark.long
def test_damaged_datasets_at_length(tmp_path: Path) -> None:
    """The same, fifty times as often."""
    place_damaged(50 * N_ROUNDS, tmp_path)


def parse(n: int) -> None:
    rng, n_read = random.Random(3), 0  # noqa: S311
    values = {"data.dataset": "d", "data.train": "train.csv", "data.text": "text", "data.label": "label"}
    content = recipe_text("d", values).encode()
    lines = b"".join(line.split(b"  #")[0].rstrip() + b"\n" for line in content.splitlines(keepends=True)[2:])
    for _ in range(n):
        spoilt = damaged(lines, rng)
        n_read += succeeds_or_is_refused(lambda spoilt=spoilt: parse_recipe("d", spoilt))
    assert 0 < n_read < n


def test_damaged_recipes() -> None:
    """A recipe that was damaged is a recipe still, or refused in a sentence."""
    parse(2 * N_ROUNDS)


@pytest.mark.long
def test_damaged_recipes_at_length() -> None:
    """The same, fifty times as often."""
    parse(100 * N_ROUNDS)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("state.json", '{"_data_files": null}'), ("state.json", '{"_data_files": [3]}'), ("state.json", "[]"),
        ("state.json", '{"_data_files": [{"filename": "../rows.arrow"}]}'), ("state.json", '{"_data_files": {"a": 1}}'),
        ("state.json", json.dumps({"_data_files": [{"filename": "a" * 5000}]})), ("state.json", "[" * 10**5),
        ("dataset_info.json", '{"features": {"label": {"names": ["\\ud800", "b"], "_type": "ClassLabel"}}}'),
        ("dataset_dict.json", '{"splits": 3}'), ("dataset_dict.json", '{"splits": ["nowhere"]}'),
        ("dataset_dict.json", '{"splits": ["train\\u0000"]}'), ("dataset_dict.json", '{"splits": [null]}'),
    ],
)  # fmt: skip
def test_saved_datasets_that_say_other_things(tmp_path: Path, file: str, content: str) -> None:
    """JSON of a saved dataset that is whole and says what it never says is refused in a sentence."""
    for name, written in {**saved_dataset(), file: content.encode()}.items():
        (tmp_path / name).write_bytes(written)
    assert not succeeds_or_is_refused(lambda: profile_data(tmp_path))
    assert not succeeds_or_is_refused(lambda: import_data(tmp_path, tmp_path / "target"))
    assert not (tmp_path / "target").exists()


def test_keys_and_columns_that_are_no_text(tmp_path: Path) -> None:
    """Half a surrogate pair in a key of JSON lines, and bytes that are no UTF-8 in a column's name, are refused."""
    (tmp_path / "rows.jsonl").write_bytes(jsonl('{"te\\ud800xt": "a"}'))
    stream = saved_dataset()
    arrow = stream["data-00000-of-00001.arrow"].replace(b"text", b"t\xec\xfft")
    (tmp_path / "saved").mkdir()
    for name, written in {**stream, "data-00000-of-00001.arrow": arrow}.items():
        (tmp_path / "saved" / name).write_bytes(written)
    for source, says in ((tmp_path / "rows.jsonl", "is not JSON lines"), (tmp_path / "saved", "is not a whole Arrow")):
        for act in (profile_data, lambda path: import_data(path, tmp_path / "target")):
            with pytest.raises(InputError, match=says):
                act(source)
