"""Bringing data in: byte for byte where it can be read so, else as Parquet; whole or not at all."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from graft.data.importing import import_data
from graft.data.profile.profile import profile_data
from graft.data.readers.dialect import Dialect
from graft.data.readers.read import BATCH_ROWS, read_table
from graft.errors import InputError
from graft.records import sha256_file
from tests.support.refusals import refused


def picture(seed: int, kind: str = "PNG") -> bytes:
    """The bytes of a small image."""
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format=kind)
    return stream.getvalue()


def origin(path: Path) -> dict[str, object]:
    """What a brought file says about its source."""
    found: dict[str, object] = json.loads(pq.read_schema(path).metadata[b"graft.source"])
    return found


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The folder of a dataset, not there yet."""
    return tmp_path / "data"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", b'\xef\xbb\xbftext,label\r\n"one, text",x\r\ntwo,y\r\n'),
        ("a.tsv", b'text\tlabel\n"one\ttext"\tx\ntwo\ty\n'),
        ("a.txt", b"text\tlabel\none text\tx\ntwo texts\ty\n"),
        ("a.jsonl", b'{"text": "one", "label": 1}\n{"text": "two", "label": null}\n'),
    ],
)
def test_what_can_be_read_is_copied(tmp_path: Path, data: Path, name: str, content: bytes) -> None:
    """Plain tables arrive with the same bytes, under the ending that says their format."""
    (tmp_path / name).write_bytes(content)
    written = import_data(tmp_path / name, data)
    assert written == {"train": data / f"train{'.tsv' if name == 'a.txt' else Path(name).suffix}"}
    assert written["train"].read_bytes() == content
    assert len(read_table(written["train"], ["text", "label"])) == 2
    assert [path.name for path in data.iterdir()] == [written["train"].name]


@pytest.mark.parametrize(
    ("name", "content", "dialect"),
    [
        ("a.csv", "text;label\none, text;x\ntwo;y\n", Dialect(delimiter=";")),
        ("a.tsv", 'one, "text\tx\ntwo\ty\n', Dialect(delimiter="\t", quote=None, header=False)),
    ],
)
def test_other_dialects_become_parquet(tmp_path: Path, data: Path, name: str, content: str, dialect: Dialect) -> None:
    """A table of another dialect becomes Parquet of strings that names its source, digest and dialect, and no folder."""
    (tmp_path / name).write_text(content)
    written = import_data(tmp_path / name, data, dialect=dialect, role="test")
    assert written == {"test": data / "test.parquet"}
    assert read_table(written["test"]).equals(read_table(tmp_path / name, dialect=dialect))
    said = origin(written["test"])
    assert (said["name"], said["sha256"]) == (name, sha256_file(tmp_path / name))
    assert Dialect.model_validate(said["dialect"]) == dialect
    assert str(tmp_path) not in json.dumps(said)


def test_the_same_source_gives_the_same_bytes(tmp_path: Path) -> None:
    """Bringing twice writes equal bytes, and a second time replaces the first."""
    (tmp_path / "a.csv").write_text("text;label\none;x\ntwo;y\n")
    first = import_data(tmp_path / "a.csv", tmp_path / "one")["train"].read_bytes()
    assert import_data(tmp_path / "a.csv", tmp_path / "two")["train"].read_bytes() == first
    assert import_data(tmp_path / "a.csv", tmp_path / "one")["train"].read_bytes() == first


def test_splits_of_text_and_label_files(tmp_path: Path, data: Path) -> None:
    """Texts beside labels are joined line by line, empty texts too, with the names of mapping.txt; no line is lost."""
    source = tmp_path / "emotion"
    source.mkdir()
    (source / "mapping.txt").write_text("0\tanger\n1\tjoy")
    for split, n in {"train": 3, "val": 1, "test": 2}.items():
        (source / f"{split}_text.txt").write_text("".join(f"“text” {k}, x\n" if k != 1 else "\n" for k in range(n)))
        (source / f"{split}_labels.txt").write_text("".join(f"{k % 2}\n" for k in range(n)))
    written = import_data(source, data)
    assert set(written) == {"train", "test"}
    assert read_table(written["train"]).to_dict("list") == {
        "text": ["“text” 0, x", "", "“text” 2, x"],
        "label": ["anger", "joy", "anger"],
    }
    assert len(read_table(written["test"])) == 2
    (source / "train_labels.txt").write_text("0\n1\n")
    with pytest.raises(InputError, match=r"has 3 lines and train_labels\.txt has 2"):
        import_data(source, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_saved_datasets(tmp_path: Path, data: Path) -> None:
    """What Hugging Face datasets saved comes back: splits, names of classes, images' bytes."""
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {
            "text": datasets.Value("string"),
            "label": datasets.ClassLabel(names=["neg", "pos"]),
            "image": datasets.Image(decode=False),
        }
    )

    def part(n: int) -> object:
        images = [{"bytes": picture(k), "path": None} for k in range(n)]
        rows = {"text": [f"t{k}" for k in range(n)], "label": [k % 2 for k in range(n)], "image": images}
        return datasets.Dataset.from_dict(rows, features=features)

    datasets.DatasetDict({"train": part(5), "validation": part(2)}).save_to_disk(tmp_path / "saved")
    written = import_data(tmp_path / "saved", data)
    train, test = (read_table(written[name]) for name in ("train", "test"))
    assert train["label"].tolist() == ["neg", "pos", "neg", "pos", "neg"]
    assert train["image"].tolist() == [picture(k) for k in range(5)]
    assert len(test) == 2
    part(3).save_to_disk(tmp_path / "one")  # type: ignore[attr-defined]
    assert len(read_table(import_data(tmp_path / "one", tmp_path / "b")["train"])) == 3
    part(4).to_parquet(tmp_path / "hub" / "data" / "train-00000-of-00002.parquet")  # type: ignore[attr-defined]
    part(3).to_parquet(tmp_path / "hub" / "data" / "train-00001-of-00002.parquet")  # type: ignore[attr-defined]
    hub = read_table(import_data(tmp_path / "hub", tmp_path / "c")["train"])
    assert (len(hub), hub["label"].iloc[1]) == (7, "pos")


def test_excel(tmp_path: Path, data: Path) -> None:
    """The one sheet of a workbook becomes strings; two sheets are refused by name, and so are twin columns."""
    pytest.importorskip("openpyxl")
    frame = pd.DataFrame({"text": ["a, b", "c"], "n": [1, 2], "label": ["x", None]})
    frame.to_excel(tmp_path / "a.xlsx", index=False)
    written = import_data(tmp_path / "a.xlsx", data)["train"]
    assert read_table(written).to_dict("list") == {"text": ["a, b", "c"], "n": ["1", "2"], "label": ["x", ""]}
    assert profile_data(tmp_path / "a.xlsx").format == "Excel"
    with pd.ExcelWriter(tmp_path / "b.xlsx") as writer:
        for name in ("rows", "notes"):
            frame.to_excel(writer, sheet_name=name, index=False)
    with pytest.raises(InputError) as caught:
        import_data(tmp_path / "b.xlsx", data)
    assert caught.value.where == "rows, notes"
    frame.set_axis(["text", "text", "label"], axis=1).to_excel(tmp_path / "c.xlsx", index=False)
    with refused("column-twice") as twin:
        import_data(tmp_path / "c.xlsx", data)
    assert "'text'" in twin.value.what
    (tmp_path / "d.xlsx").write_bytes((tmp_path / "a.xlsx").read_bytes()[:-200])
    with pytest.raises(InputError):
        import_data(tmp_path / "d.xlsx", data)


def images(folder: Path, *parts: str) -> Path:
    """A folder with two images in each of the given folders."""
    for k, part in enumerate(parts):
        (folder / part).mkdir(parents=True)
        for number in range(2):
            (folder / part / f"{number}.{'png' if k % 2 else 'jpg'}").write_bytes(
                picture(k, "PNG" if k % 2 else "JPEG")
            )
    return folder


def test_images_by_class(tmp_path: Path, data: Path) -> None:
    """Images in folders by class, with splits or without, keep their bytes beside their class and path."""
    source = images(tmp_path / "pets", "cat", "dog")
    train = read_table(import_data(source, data)["train"])
    assert train["file"].tolist() == ["cat/0.jpg", "cat/1.jpg", "dog/0.png", "dog/1.png"]
    assert train["label"].tolist() == ["cat", "cat", "dog", "dog"]
    assert train["image"].iloc[3] == (source / "dog" / "1.png").read_bytes()
    seen = profile_data(source)
    assert (seen.columns_with("image"), seen.columns_with("label"), seen.n_duplicates) == (("image",), ("label",), 2)
    split = images(tmp_path / "split", "train/cat", "train/dog", "test/cat", "test/dog")
    written = import_data(split, tmp_path / "b")
    assert {name: len(read_table(path)) for name, path in written.items()} == {"train": 4, "test": 4}
    assert read_table(written["test"])["file"].iloc[0] == "cat/0.jpg"


def test_table_with_image_paths(tmp_path: Path, data: Path) -> None:
    """Paths beside a table are replaced by the images; the other columns stay."""
    source = images(tmp_path / "pets", "cat", "dog")
    rows = "".join(
        f"{kind}/{k}.{ending},{kind},p{k}\n" for kind, ending in (("cat", "jpg"), ("dog", "png")) for k in range(2)
    )
    (source / "rows.csv").write_text(f"image,label,patient\n{rows}")
    train = read_table(import_data(source / "rows.csv", data)["train"])
    assert set(train) == {"file", "label", "patient", "image"}
    assert train["image"].iloc[2] == (source / "dog" / "0.png").read_bytes()
    assert train["patient"].tolist() == ["p0", "p1", "p0", "p1"]


@pytest.mark.parametrize(
    "evil", ["../secret.png", "{root}/secret.png", "cat/link.png", "up/secret.png", "cat/none.png", ""]
)
def test_images_outside_are_refused(tmp_path: Path, data: Path, evil: str) -> None:
    """A path out of the table's folder, a link, an absent image or no path is refused, and nothing is left."""
    source = images(tmp_path / "pets", "cat", "dog")
    (tmp_path / "secret.png").write_bytes(picture(9))
    (source / "cat" / "link.png").symlink_to(tmp_path / "secret.png")
    (source / "up").symlink_to(tmp_path)
    bad = evil.replace("{root}", str(tmp_path))
    (source / "rows.csv").write_text(f"image,label\ncat/0.jpg,cat\n{bad},dog\n")
    with pytest.raises(InputError):
        import_data(source / "rows.csv", data)
    assert not data.exists()


def test_links_among_images_are_refused(tmp_path: Path, data: Path) -> None:
    """A link to an image, or to a folder of a class, is refused rather than followed or left out."""
    for name in ("file", "folder"):
        source = images(tmp_path / name, "cat", "dog")
        target = source / "cat" / "0.jpg" if name == "file" else source / "cat"
        (source / "dog" / "x.png" if name == "file" else source / "bird").symlink_to(target)
        with pytest.raises(InputError, match="is a link"):
            import_data(source, data)


@pytest.mark.parametrize("how", ["folder", "paths", "parquet"])
def test_a_broken_image_leaves_nothing(tmp_path: Path, data: Path, how: str) -> None:
    """A cut image is refused by name or row, wherever it stands, and nothing is written."""
    source = images(tmp_path / "pets", "cat", "dog")
    (source / "dog" / "1.png").write_bytes(picture(1)[:60])
    path = source
    if how == "paths":
        path = source / "rows.csv"
        path.write_text("path,label\ncat/0.jpg,cat\ndog/1.png,dog\n")
    if how == "parquet":
        path = tmp_path / "a.parquet"
        pq.write_table(pa.table({"jpeg": [picture(0), picture(1)[:60]], "label": ["x", "y"]}), path)
    with pytest.raises(InputError):
        import_data(path, data)
    assert not data.exists()


def test_parquet_with_images_is_copied(tmp_path: Path, data: Path) -> None:
    """Parquet whose images are all whole is copied byte for byte; a row without an image is refused."""
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"jpeg": [picture(0), picture(1)], "label": ["x", "y"]}), path)
    assert import_data(path, data)["train"].read_bytes() == path.read_bytes()
    pq.write_table(pa.table({"jpeg": [picture(0), None], "label": ["x", "y"]}), path)
    with pytest.raises(InputError, match="no image"):
        import_data(path, tmp_path / "b")


@pytest.mark.slow
def test_errors_leave_what_was_there(tmp_path: Path, data: Path) -> None:
    """A source that breaks after many rows leaves the old file as it was, and no temporary one."""
    rows = "text;label\n" + "a;b\n" * (BATCH_ROWS + 1)
    (tmp_path / "a.csv").write_text(rows)
    before = import_data(tmp_path / "a.csv", data)["train"].read_bytes()
    for tail in ("a;b;c\n", '"a;b\n'):
        (tmp_path / "a.csv").write_text(rows + tail)
        with refused("not-a-table"):
            import_data(tmp_path / "a.csv", data)
        assert [path.name for path in data.iterdir()] == ["train.parquet"]
        assert (data / "train.parquet").read_bytes() == before


def test_refusals(tmp_path: Path, data: Path) -> None:
    """A second format beside the first, a role that is a path, splits without train, and a role for splits are refused."""
    (tmp_path / "a.csv").write_text("text,label\na,b\n")
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n')
    import_data(tmp_path / "a.csv", data)
    with pytest.raises(InputError, match=r"already has train\.csv"):
        import_data(tmp_path / "a.jsonl", data)
    with pytest.raises(InputError, match="no name for a file"):
        import_data(tmp_path / "a.csv", data, role="../x")
    for name in ("dev", "test"):
        (tmp_path / "s").mkdir(exist_ok=True)
        (tmp_path / "s" / f"{name}.csv").write_text("text,label\na,b\n")
    with pytest.raises(InputError, match="and no train"):
        import_data(tmp_path / "s", data)
    (tmp_path / "s" / "train.csv").write_text("text,label\na,b\n")
    with pytest.raises(InputError, match="splits of its own"):
        import_data(tmp_path / "s", data, role="test")


@pytest.mark.parametrize("inside", ["../../a.arrow", "/etc/passwd", "state.json"])
def test_a_saved_dataset_that_names_other_files_is_refused(tmp_path: Path, data: Path, inside: str) -> None:
    """Files that a saved dataset names must lie in its folder and be Arrow."""
    source = tmp_path / "saved"
    source.mkdir()
    (source / "state.json").write_text(json.dumps({"_data_files": [{"filename": inside}]}))
    (source / "dataset_info.json").write_text("{}")
    with pytest.raises(InputError):
        import_data(source, data)
