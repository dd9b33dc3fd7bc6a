"""Bad images and bad ways to name them: refused by row and file; odd but whole ones come in as they are."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from graft.modality.image.pictures import describe_picture, open_picture
from tests.support.cli_runner import CommandLine

IMAGES = ("--image", "image", "--label", "label")


def picture(kind: str = "PNG", mode: str = "RGB", *, seed: int = 0, **options: object) -> bytes:
    """Return a picture of 24 x 16 pixels, dark above and light below."""
    noise = np.random.default_rng(seed).integers(0, 100, (16, 24, 3))
    noise[8:] += 150
    file = BytesIO()
    Image.fromarray(noise.astype(np.uint8)).convert(mode).save(file, format=kind, **options)
    return file.getvalue()


def grey_16_bit() -> bytes:
    """Return 16 x 24 greys of 16 bits."""
    file = BytesIO()
    Image.fromarray(np.linspace(0, 65535, 16 * 24).astype(np.uint16).reshape(16, 24)).save(file, format="PNG")
    return file.getvalue()


def sideways() -> bytes:
    """Return a picture whose metadata say that it lies on its side."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return picture("JPEG", exif=exif)


def bomb() -> bytes:
    """Return a file of some hundred bytes whose header promises 3.6 thousand million pixels."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(100_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def animated() -> bytes:
    """Return two frames."""
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    file = BytesIO()
    frames[0].save(file, format="GIF", save_all=True, append_images=frames[1:])
    return file.getvalue()


def image_folder(folder: Path, **further: bytes) -> Path:
    """Write a folder of images by class, and one more image ``cat/NAME.png`` for each keyword."""
    for k in range(6):
        part = folder / ("cat" if k % 2 else "dog")
        part.mkdir(parents=True, exist_ok=True)
        (part / f"{k}.png").write_bytes(picture(seed=k))
    for name, content in further.items():
        (folder / "cat" / f"{name}.png").write_bytes(content)
    return folder


def narrow() -> bytes:
    """Return an image of 1 x 2,000 pixels."""
    file = BytesIO()
    Image.new("L", (1, 2000)).save(file, format="PNG")
    return file.getvalue()


BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "cut short": (lambda: picture(seed=9)[:-300], "code image-damaged"),
    "a decompression bomb": (bomb, "code image-too-large"),
    "text": (lambda: b"there is no picture here\n", "code image-unreadable"),
    "a web page": (lambda: b"<!DOCTYPE html><html>403</html>", "code image-unreadable"),
    "nothing": (lambda: b"", "code image-missing"),
    "animated": (animated, "code image-many-frames"),
    "a strip": (narrow, "code image-too-narrow"),
    "only a header": (lambda: picture()[:33], "code image-unreadable"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_images_in_a_folder(cli: CommandLine, tmp_path: Path, tiny_image_base: Path, what: str) -> None:
    """One bad image among good ones is named by its file, before anything is written."""
    make, says = BAD[what]
    source = image_folder(tmp_path / "pets", bad=make())
    words = (says, "cat/bad.png", "row 4 of pets")
    cli.refuses("new", "fresh", "--data", source, *IMAGES, "--base", tiny_image_base, words=words, source=tmp_path)


@pytest.mark.parametrize("what", BAD)
def test_bad_images_in_a_table(cli: CommandLine, tmp_path: Path, tiny_image_base: Path, what: str) -> None:
    """The same image beside a table is named by its path, in a Parquet column by its row."""
    make, says = BAD[what]
    image_folder(tmp_path / "pets", bad=make())
    paths = [f"{'cat' if k % 2 else 'dog'}/{k}.png" for k in range(6)] + ["cat/bad.png"]
    pd.DataFrame({"path": paths, "label": [p[:3] for p in paths]}).to_csv(tmp_path / "pets" / "table.csv", index=False)
    options = ("--label", "label", "--base", str(tiny_image_base))
    says_here = says if what != "nothing" else "code image-unreadable"
    source = tmp_path / "pets" / "table.csv"
    cli.refuses("new", "fresh", "--data", source, "--image", "path", *options, words=(says_here, "cat/bad.png"))
    contents = [(tmp_path / "pets" / path).read_bytes() for path in paths]
    columns = {"image": pa.array(contents, type=pa.binary()), "label": pa.array([p[:3] for p in paths])}
    pq.write_table(pa.table(columns), tmp_path / "pets.parquet")
    source = tmp_path / "pets.parquet"
    cli.refuses("new", "fresh", "--data", source, "--image", "image", *options, words=(says, "row 7 of"))


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("../secret.png", "is no path inside the table's folder"),
        ("cat/../../secret.png", "is no path inside the table's folder"),
        ("{root}/secret.png", "is no path inside the table's folder"),
        ("cat\\1.png", "is no path inside the table's folder"),
        ("cat/link.png", "is a link"),
        ("cat/gone.png", "There is no image 'cat/gone.png'"),
        ("away/secret.png", "is a link"),
        ("", "is no path inside the table's folder"),
        (f"{'a' * 5000}.png", "There is no image 'aaaa"),
    ],
)
def test_paths_that_lead_elsewhere(
    cli: CommandLine, tmp_path: Path, tiny_image_base: Path, path: str, says: str
) -> None:
    """No image is read that lies outside the table's folder, by whatever name; a missing one is named."""
    pets = image_folder(tmp_path / "pets")
    (tmp_path / "secret.png").write_bytes(picture())
    (pets / "cat" / "link.png").symlink_to(tmp_path / "secret.png")
    (pets / "away").symlink_to(tmp_path)
    rows = [f"{'cat' if k % 2 else 'dog'}/{k}.png" for k in range(6)] + [path.format(root=tmp_path)]
    pd.DataFrame({"path": rows, "label": ["a", "b"] * 3 + ["a"]}).to_csv(pets / "table.csv", index=False)
    cli.refuses(
        "new", "fresh", "--data", pets / "table.csv", "--image", "path", "--label", "label", "--base", tiny_image_base,
        words=(says,), source=tmp_path,
    )  # fmt: skip


def test_no_path_leads_to_an_image(cli: CommandLine, tmp_path: Path, tiny_image_base: Path) -> None:
    """A table whose images are all elsewhere says so, and not that a column is missing."""
    pd.DataFrame({"path": ["a.png", "b.png"] * 3, "label": ["a", "b"] * 3}).to_csv(tmp_path / "t.csv", index=False)
    options = ("--image", "path", "--label", "label", "--base", tiny_image_base)
    cli.refuses("new", "fresh", "--data", tmp_path / "t.csv", *options, words=("t.csv leads to no images.",))


def test_folders_that_are_no_classes(cli: CommandLine, tmp_path: Path, tiny_image_base: Path) -> None:
    """One class, a link out of the folder, and an unlabelled heap of images are refused."""
    options = (*IMAGES, "--base", tiny_image_base)
    pets = image_folder(tmp_path / "pets")
    one = tmp_path / "one"
    (one / "cat").mkdir(parents=True)
    heap = tmp_path / "heap"
    heap.mkdir()
    for k in range(4):
        (one / "cat" / f"{k}.png").write_bytes(picture(seed=k))
        (heap / f"{k}.png").write_bytes(picture(seed=k))
    (pets / "cat" / "out.png").symlink_to("/etc/hostname")
    for source, says in (
        (one, "one folder of images per class"),
        (heap, "code nothing-readable"),
        (pets, "code images-linked"),
    ):
        cli.refuses("new", "fresh", "--data", source, *options, words=(says,), source=tmp_path)


def test_columns_that_hold_the_other_thing(cli: CommandLine, tmp_path: Path, tiny_image_base: Path) -> None:
    """Texts named as images, images named as texts or as classes, and bytes that are no images are told apart."""
    images = pa.array([picture(seed=k) for k in range(6)], type=pa.binary())
    junk = pa.array([bytes([k] * 9) for k in range(6)], type=pa.binary())
    words = pa.array([f"a message about {k}" for k in range(6)])
    columns = {"image": images, "junk": junk, "text": words, "label": pa.array(["a", "b"] * 3)}
    source = tmp_path / "rows.parquet"
    pq.write_table(pa.table(columns), source)
    base = ("--base", str(tiny_image_base))
    for options, says in (
        (("--image", "text", "--label", "label", *base), 'Column "text" of rows.parquet holds no images.'),
        (("--image", "junk", "--label", "label", *base), "not an image"),
        (("--text", "image", "--label", "label"), 'Column "image" of rows.parquet holds bytes, not texts.'),
        (("--text", "text", "--label", "junk"), 'Column "junk" of rows.parquet holds bytes, not texts.'),
        (
            ("--text", "text", "--label", "label", "--id", "junk"),
            'Column "junk" of rows.parquet holds bytes, not texts.',
        ),
        (("--image", "image", "--label", "label"), "Images need a base that knows images, and Graft brings none."),
    ):
        cli.refuses("new", "fresh", "--data", source, *options, words=(says,))


def test_odd_pictures_come_in_upright(cli: CommandLine, tmp_path: Path, tiny_image_base: Path) -> None:
    """16-bit, CMYK, palette and EXIF-turned pictures are taken byte for byte, and read upright in 8-bit RGB."""
    odd = {
        "deep": grey_16_bit(), "ink": picture("JPEG", "CMYK"), "few": picture("PNG", "P"), "lying": sideways(),
        "clear": picture("PNG", "RGBA"),
    }  # fmt: skip
    source = image_folder(tmp_path / "odd-pets", **odd)
    out = cli.succeeds("new", "odd-pets", "--data", source, *IMAGES, "--base", tiny_image_base)
    assert "recipes/odd-pets.yaml" in out
    rows = pq.read_table(cli.root / "data/datasets/odd-pets/train.parquet").to_pandas().set_index("file")["image"]
    for name, content in odd.items():
        assert rows[f"cat/{name}.png"] == content
        upright = open_picture(content, name)
        assert (upright.mode, upright.size) == ("RGB", (16, 24) if name == "lying" else (24, 16))
    assert describe_picture(odd["lying"], "").oddities == ("rotated by EXIF",)
    pixels = np.asarray(open_picture(odd["lying"], ""), dtype=int)
    assert pixels[:, :8].mean() > pixels[:, 8:].mean() + 100  # what lay below stands left once it is turned
