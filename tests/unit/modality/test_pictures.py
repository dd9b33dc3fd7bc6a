"""Image files become upright RGB pixels whatever their format, and what is no whole picture is refused in a sentence."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from graft.errors import InputError
from graft.modality.image.pictures import content_key, describe_picture, grey, open_picture, thumbnail

PIXELS = np.random.default_rng(7).integers(0, 256, (20, 30, 3), dtype=np.uint8)
RGB = Image.fromarray(PIXELS)
LOSSLESS = {"PNG": {}, "WEBP": {"lossless": True}, "BMP": {}, "TIFF": {"compression": "tiff_lzw"}}
TURNED = Image.Exif()
TURNED[0x0112] = 6
TURNED[0x010F] = "a maker of cameras"


def encode(image: Image.Image, kind: str, **how: Any) -> bytes:
    file = BytesIO()
    image.save(file, format=kind, **how)
    return file.getvalue()


def array(content: bytes) -> np.ndarray:
    return np.asarray(open_picture(content, "row 1"))


def grey_tiff(values: np.ndarray) -> bytes:
    return encode(Image.fromarray(values), "TIFF")


FILES = {
    **{kind: encode(RGB, kind, **how) for kind, how in LOSSLESS.items()},
    "PNG, 16-bit": encode(Image.fromarray(PIXELS[..., 0].astype(np.uint16) * 257), "PNG"),
    "PNG, palette": encode(RGB.convert("P"), "PNG", transparency=3),
    "PNG, turned": encode(RGB, "PNG", exif=TURNED),
    "PNG, animated": encode(RGB, "PNG", save_all=True, append_images=[RGB.rotate(90)]),
    "JPEG": encode(RGB, "JPEG", exif=TURNED),
    "JPEG, progressive": encode(RGB, "JPEG", progressive=True),
    "JPEG, CMYK": encode(RGB.convert("CMYK"), "JPEG"),
    "JPEG, with a preview": encode(RGB, "MPO", save_all=True, append_images=[RGB.rotate(90)]),
    "WebP, lossy": encode(RGB, "WEBP", exif=TURNED),
    "WebP, animated": encode(RGB, "WEBP", save_all=True, append_images=[RGB.rotate(90)]),
    "BMP, palette": encode(RGB.convert("P"), "BMP"),
    "GIF": encode(RGB, "GIF"),
    "GIF, animated": encode(RGB, "GIF", save_all=True, append_images=[RGB.rotate(90)]),
    "TIFF, raw": encode(RGB, "TIFF", exif=TURNED),
    "TIFF, JPEG inside": encode(RGB, "TIFF", compression="jpeg"),
    "TIFF, fax": encode(RGB.convert("1"), "TIFF", compression="group4"),
    "TIFF, float": grey_tiff(PIXELS[..., 0].astype(np.float32) / 255),
    "TIFF, integers": grey_tiff(PIXELS[..., 0].astype(np.int32)),
    "TIFF, two pages": encode(RGB, "TIFF", save_all=True, append_images=[RGB.rotate(90)]),
}


@pytest.mark.parametrize("kind", LOSSLESS)
def test_the_file_does_not_matter(kind: str) -> None:
    """A lossless file of any format gives the pixels that were written, and so one key; another pixel gives another key."""
    assert (array(FILES[kind]) == PIXELS).all()
    key = content_key(FILES[kind], "row 1")
    assert key == content_key(FILES["PNG"], "row 2") == describe_picture(FILES[kind], "row 1").key
    assert len(key) == 16
    int(key, 16)
    other = PIXELS.copy()
    other[3, 4, 1] ^= 1
    assert content_key(encode(Image.fromarray(other), kind, **LOSSLESS[kind]), "row 1") != key


def test_the_sides_are_part_of_the_key() -> None:
    """The same bytes of pixels as 2 x 8 and as 4 x 4 have two keys."""
    flat = np.arange(48, dtype=np.uint8)
    keys = {content_key(encode(Image.fromarray(flat.reshape(h, -1, 3)), "PNG"), "row 1") for h in (2, 4)}
    assert len(keys) == 2


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_stand_upright(kind: str, orientation: int) -> None:
    """Each EXIF orientation gives the pixels that a viewer shows (Exif 2.32, tag 0x0112), and no metadata goes further."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = open_picture(encode(RGB, kind, exif=exif, **LOSSLESS[kind]), "row 1")
    a = PIXELS
    shown = {1: a, 2: a[:, ::-1], 3: a[::-1, ::-1], 4: a[::-1], 5: a.swapaxes(0, 1), 6: np.rot90(a, -1),
             7: a[::-1, ::-1].swapaxes(0, 1), 8: np.rot90(a)}  # fmt: skip
    assert (np.asarray(picture) == shown[orientation]).all()
    assert picture.info == {}
    assert not picture.getexif()


@pytest.mark.parametrize(
    ("name", "mode", "oddities"),
    [("PNG", "RGB", ()), ("PNG, 16-bit", "I;16", ("16-bit",)), ("PNG, turned", "RGB", ("rotated by EXIF",)),
     ("JPEG", "RGB", ("rotated by EXIF",)), ("JPEG, CMYK", "CMYK", ("CMYK",)), ("JPEG, with a preview", "RGB", ()),
     ("WebP, lossy", "RGB", ("rotated by EXIF",)), ("BMP, palette", "P", ("palette",)), ("GIF", "P", ("palette",)),
     ("TIFF, raw", "RGB", ("rotated by EXIF",)), ("TIFF, fax", "1", ()), ("TIFF, float", "F", ("float",))],
)  # fmt: skip
def test_what_is_odd_is_named(name: str, mode: str, oddities: tuple[str, ...]) -> None:
    """Mode, format and oddities are the file's; the sides are those of the upright picture."""
    picture = describe_picture(FILES[name], "row 1")
    assert (picture.mode, picture.oddities) == (mode, oddities)
    assert picture.format == name.partition(",")[0].upper()
    assert (picture.width, picture.height) == ((20, 30) if "rotated by EXIF" in oddities else (30, 20))
    assert not picture.is_blank


def test_16_bits_a_colour_are_odd() -> None:
    """A PNG of 16 bits in each of three colours, which Pillow itself halves, is named as such and keeps the upper 8."""
    wide = (PIXELS * np.uint16(256)).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in wide)
    header = struct.pack(">IIBBBBB", 30, 20, 16, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    content = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
    assert describe_picture(content, "row 1").oddities == ("16-bit",)
    assert (array(content) == PIXELS).all()


def test_one_colour_is_blank() -> None:
    """A picture of one colour is blank; one other pixel makes it none."""
    white = np.full((9, 9, 3), 255, dtype=np.uint8)
    assert describe_picture(encode(Image.fromarray(white), "PNG"), "row 1").is_blank
    white[8, 8, 2] = 254
    assert not describe_picture(encode(Image.fromarray(white), "PNG"), "row 1").is_blank


@pytest.mark.parametrize(
    ("values", "expected"),
    [(np.array([[0, 257, 65535]], np.uint16), [0, 1, 255]), (np.array([[0, 7, 255]], np.int32), [0, 7, 255]),
     (np.array([[0, 257, 65535]], np.int32), [0, 1, 255]), (np.array([[0, 1]], np.uint16), [0, 0]),
     (np.array([[0, 0.5, 1]], np.float32), [0, 128, 255]), (np.array([[0, 7.4, 200]], np.float32), [0, 7, 200]),
     (np.array([[0, 25700, 51400]], np.float32), [0, 100, 200])],
)  # fmt: skip
def test_greys_of_other_depths(values: np.ndarray, expected: list[int]) -> None:
    """16-bit, integer and float greys are scaled from the smallest of the ranges 0-1, 0-255 and 0-65535 that holds them."""
    assert array(grey_tiff(values))[0, :, 0].tolist() == expected
    assert describe_picture(grey_tiff(values), "row 1").width == len(expected)


@pytest.mark.parametrize("value", [-1.0, 1e6, np.nan, np.inf])
def test_greys_without_a_range_are_refused(value: float) -> None:
    """Negative values, values above 65535 and values that are no number are refused, not guessed at."""
    with pytest.raises(InputError, match="no known range"):
        open_picture(grey_tiff(np.array([[0.5, value]], np.float32)), "row 1")


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_transparent_parts_are_white(kind: str) -> None:
    """Nothing shows through as white, half as half; an alpha channel that is full everywhere is not odd."""
    layer = np.zeros((2, 3, 4), dtype=np.uint8)
    layer[..., 3] = [0, 128, 255]
    content = encode(Image.fromarray(layer), kind, **({"lossless": True, "exact": True} if kind == "WEBP" else {}))
    assert array(content)[0, :, 0].tolist() == [255, 127, 0]
    assert describe_picture(content, "row 1").oddities == ("transparent",)
    layer[..., 3] = 255
    assert describe_picture(encode(Image.fromarray(layer), kind), "row 1").oddities == ()


def test_transparency_by_palette() -> None:
    """A palette's transparent colour is white, as an alpha channel would be."""
    image = Image.new("P", (2, 1))
    image.putpalette([9, 9, 9, 50, 60, 70])
    image.putpixel((1, 0), 1)
    content = encode(image, "PNG", transparency=0)
    assert array(content).tolist() == [[[255, 255, 255], [50, 60, 70]]]
    assert describe_picture(content, "row 1").oddities == ("transparent", "palette")


def test_grey_is_brightness() -> None:
    """Greys are the luma of ITU-R 601, at the side asked for, whatever the proportions."""
    red = encode(Image.new("RGB", (50, 7), (255, 0, 0)), "PNG")
    assert grey(red, "row 1").shape == (32, 32)
    assert grey(red, "row 1", side=8).tolist() == [[76] * 8] * 8  # 0.299 x 255
    halves = np.zeros((64, 64), dtype=np.uint8)
    halves[:, 32:] = 255
    small = grey(encode(Image.fromarray(halves), "PNG"), "row 1", side=8)
    assert (small[:, :3] == 0).all()
    assert (small[:, 5:] == 255).all()


def test_thumbnails_are_small_files_without_metadata() -> None:
    """A thumbnail is a PNG within its side, proportions kept, never larger than the picture, nothing else inside."""
    large = encode(Image.fromarray(np.tile(PIXELS, (10, 10, 1))), "JPEG", exif=TURNED)
    small = thumbnail(large, 48)
    with Image.open(BytesIO(small)) as image:
        assert (image.format, image.size, image.mode) == ("PNG", (32, 48), "RGB")
    assert b"camera" in large
    assert b"camera" not in small
    assert small.count(b"eXIf") == 0
    assert small == thumbnail(large, 48)
    with Image.open(BytesIO(thumbnail(FILES["PNG"]))) as image:
        assert image.size == (30, 20)


def bomb(width: int, height: int, kind: str) -> bytes:
    """A file whose header promises more than its body holds."""
    content = bytearray(encode(Image.new("L", (1, 1)), kind))
    if kind == "PNG":
        content[16:24] = struct.pack(">II", width, height)
        content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    elif kind == "GIF":
        content[6:10] = struct.pack("<HH", width, height)
    else:
        content[18:26] = struct.pack("<ii", width, height)
    return bytes(content)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP"])
@pytest.mark.parametrize("sides", [(10_000, 5_001), (12_000, 12_000), (40_000, 40_000)])
def test_bombs_are_seen_in_the_header(kind: str, sides: tuple[int, int]) -> None:
    """Above 50 million pixels nothing is decoded, below, between and above the bounds that Pillow has of its own."""
    with pytest.raises(InputError, match="more than 50,000,000 pixels"):
        open_picture(bomb(*sides, kind), "row 1")


def test_just_below_the_bound_is_decoded() -> None:
    """The bound is on pixels, not on files: 7,000 x 7,000 blank pixels are a picture."""
    picture = describe_picture(encode(Image.new("1", (7_000, 7_000)), "PNG"), "row 1")
    assert (picture.width, picture.height, picture.is_blank) == (7_000, 7_000, True)


def test_strips_are_refused() -> None:
    """A strip over 100 times as long as wide is refused, one of exactly 100 times is not."""
    with pytest.raises(InputError, match="100 times as long"):
        open_picture(encode(Image.new("L", (2, 201)), "PNG"), "row 1")
    assert open_picture(encode(Image.new("L", (2, 200)), "PNG"), "row 1").size == (2, 200)


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "not an image"), (b"cat,1\n", "not an image"), (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image"),
     (b"%!PS-Adobe-3.0 EPSF-3.0\n", "not an image"), (encode(RGB, "PPM"), "not an image"),
     (FILES["GIF, animated"], "more than one frame"), (FILES["PNG, animated"], "more than one frame"),
     (FILES["WebP, animated"], "more than one frame"), (FILES["TIFF, two pages"], "more than one frame or page"),
     (bomb(0, 5, "BMP"), "has no pixels|damaged|not an image")],
)  # fmt: skip
def test_what_is_no_picture_is_refused(content: bytes, says: str) -> None:
    """What is refused is refused by name, with the row, and with what to do."""
    for read in (open_picture, describe_picture, content_key, grey):
        with pytest.raises(InputError, match=says) as caught:
            read(content, "photos.parquet, row 7")
        assert caught.value.where == "photos.parquet, row 7"
        assert caught.value.do
    with pytest.raises(InputError, match=says):
        thumbnail(content)


@pytest.mark.parametrize("name", ["PNG", "JPEG", "WebP, lossy", "BMP", "TIFF", "GIF"])
def test_cut_files_are_refused(name: str) -> None:
    """A file that lost its second half is damaged, in every format: nothing is filled in with grey."""
    content = FILES.get(name) or FILES[name.upper()]
    with pytest.raises(InputError, match=r"damaged or cut short|not an image"):
        open_picture(content[: len(content) // 2], "row 1")


@pytest.mark.parametrize("n_bytes", [3, 8, 12])
def test_metadata_that_say_nothing_are_damage(n_bytes: int) -> None:
    """Where EXIF data are cut short, nobody knows which way up the pixels stand."""
    content = encode(RGB, "PNG", exif=TURNED.tobytes()[:n_bytes])
    with pytest.raises(InputError, match="damaged"):
        open_picture(content, "row 1")


def damage(content: bytes, rng: np.random.Generator) -> bytes:
    """Cut a file, or overwrite some of its bytes, or of its header's, or replace a piece by one of another length."""
    hurt = bytearray(content)
    way = rng.integers(0, 4)
    if way == 0:
        return bytes(hurt[: rng.integers(0, len(hurt))])
    if way == 3:
        start = rng.integers(0, len(hurt))
        hurt[start : start + rng.integers(1, 20)] = rng.bytes(int(rng.integers(0, 20)))
        return bytes(hurt)
    for _ in range(rng.integers(1, 6)):
        hurt[rng.integers(0, len(hurt) if way == 1 else min(len(hurt), 120))] = rng.integers(0, 256)
    return bytes(hurt)


@pytest.mark.parametrize("name", FILES)
def test_damage_never_escapes(name: str) -> None:
    """300 random damages of each kind of file end as RGB pixels or as an InputError, never as Pillow's own error."""
    rng = np.random.default_rng(list(FILES).index(name))
    refused = []
    for _ in range(300):
        try:
            assert open_picture(damage(FILES[name], rng), "row 1").mode == "RGB"
        except InputError as error:
            refused.append(error.where)
    assert len(refused) > 20
    assert set(refused) == {"row 1"}
