"""Hostile datasets: whatever their names end in, nothing in them runs, and nothing is unpacked or read beyond bounds."""

from __future__ import annotations

import json
import resource
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import pytest

from graft.data import import_data, profile_data
from graft.errors import GraftError
from tests.support.bad_files import GOOD_CSV, workbook
from tests.support.cli_runner import MESSAGES, NEW_OPTIONS, CommandLine, check_error, folder_contents
from tests.support.executable_files import (
    executable_array,
    executable_code,
    executable_pickle,
    executable_zip,
    extension_arrow,
    extension_parquet,
)

ENDINGS = (
    ".csv", ".tsv", ".txt", ".json", ".jsonl", ".parquet", ".arrow", ".feather", ".xlsx", ".pkl", ".pickle", ".bin", ".pt",
    ".pth", ".ckpt", ".safetensors", ".npy", ".npz", ".joblib", ".model", ".h5", ".msgpack", ".yaml", ".py", "",
)  # fmt: skip
PACKED: dict[str, Callable[[Path], bytes]] = {
    "pickle": executable_pickle, "torch": executable_zip, "numpy": executable_array,
    "Parquet": extension_parquet, "Arrow": extension_arrow,
    "code": lambda marker: executable_code(marker).encode(),
}  # fmt: skip


@pytest.fixture
def marker(tmp_path: Path) -> Iterator[Path]:
    """A file that must not be there afterwards."""
    path = tmp_path / "marker"
    yield path
    assert not path.exists(), "code of a file ran"


def refused(act: Callable[[], object]) -> bool:
    """Return whether an act was refused; if so, in one sentence."""
    try:
        act()
    except GraftError as error:
        check_error(str(error), ())
        return True
    return False


@pytest.mark.parametrize("kind", PACKED)
def test_what_would_run_never_runs_as_rows(tmp_path: Path, marker: Path, kind: str) -> None:
    """Pickles, arrays of objects, extension types and code under every ending are rows, or refused in a sentence."""
    for ending in ENDINGS:
        source = tmp_path / f"rows{ending}"
        source.write_bytes(PACKED[kind](marker))
        was_refused = (
            refused(lambda source=source: profile_data(source)),
            refused(lambda source=source, ending=ending: import_data(source, tmp_path / f"into{ending}")),
        )
        assert was_refused[0] == was_refused[1] or kind in ("code", "pickle"), ending
        assert not marker.exists(), ending


def test_an_extension_type_is_plain_strings(tmp_path: Path, marker: Path) -> None:
    """Arrow's Python type, which old versions unpickled, comes in as the strings that it holds."""
    (tmp_path / "rows.parquet").write_bytes(extension_parquet(marker))
    assert {column.name for column in profile_data(tmp_path / "rows.parquet").columns} == {"text", "label"}


@pytest.mark.parametrize("name", ["state.json", "dataset_info.json", "dataset_dict.json", "a.arrow", "train/a.arrow"])
def test_saved_datasets_of_pickles(tmp_path: Path, marker: Path, name: str) -> None:
    """A dataset as Hugging Face saves it runs nothing where a pickle lies in place of any of its files."""
    folder = tmp_path / "saved"
    (folder / "train").mkdir(parents=True)
    for part in (folder, folder / "train"):
        (part / "state.json").write_text(json.dumps({"_data_files": [{"filename": "a.arrow"}]}))
        (part / "dataset_info.json").write_text('{"features": {}, "builder_name": "evil", "script": "evil.py"}')
        (part / "a.arrow").write_bytes(extension_arrow(marker))
        (part / "evil.py").write_text(executable_code(marker))
    assert not refused(lambda: profile_data(folder))
    (folder / name).write_bytes(executable_pickle(marker))
    refused(lambda: profile_data(folder))
    refused(lambda: import_data(folder, tmp_path / "into"))


@pytest.mark.parametrize(
    "filename",
    ["../a.arrow", "/etc/passwd", "..", "", ".", "x/../../a.arrow", "a.arrow\x00", "\\\\host\\a", "a" * 5000],
)
def test_saved_datasets_that_name_files_elsewhere(tmp_path: Path, filename: str) -> None:
    """A dataset's own list of files may name files beside it only."""
    folder = tmp_path / "saved"
    folder.mkdir()
    (tmp_path / "a.arrow").write_bytes(extension_arrow(tmp_path / "x"))
    (folder / "dataset_info.json").write_text("{}")
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": filename}]}))
    assert refused(lambda: profile_data(folder))
    assert refused(lambda: import_data(folder, tmp_path / "into"))


def zip_of(names: dict[str, bytes]) -> bytes:
    file = BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in names.items():
            archive.writestr(name, content)
    return file.getvalue()


def tar_of(names: dict[str, bytes], mode: str = "w") -> bytes:
    file = BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in names.items():
            one = tarfile.TarInfo(name)
            one.size = len(content)
            archive.addfile(one, BytesIO(content))
        link = tarfile.TarInfo("rows.csv")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return file.getvalue()


OUT = {"../../out.csv": GOOD_CSV, "/tmp/out.csv": GOOD_CSV, "..\\out.csv": GOOD_CSV}  # noqa: S108 - never written
ARCHIVES: dict[str, Callable[[], bytes]] = {
    "a zip that climbs": lambda: zip_of(OUT),
    "a tar that climbs": lambda: tar_of(OUT),
    "a packed tar that climbs": lambda: tar_of(OUT, "w:gz"),
    "a zip in a zip": lambda: zip_of({"a.zip": zip_of({"b.zip": zip_of({"rows.csv": GOOD_CSV})})}),
    "a workbook that climbs": lambda: zip_of({**OUT, "xl/workbook.xml": b"<x/>"}),
    "a workbook of entities": lambda: zip_of({"xl/workbook.xml": LAUGHS, "[Content_Types].xml": LAUGHS}),
    "a workbook with sheets elsewhere": lambda: elsewhere(workbook(MESSAGES)),
}
LAUGHS = (
    b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a0 "lol">'
    + b"".join(b'<!ENTITY a%d "%s">' % (k, b"&a%d;" % (k - 1) * 10) for k in range(1, 12))
    + b'<!ENTITY file SYSTEM "file:///etc/passwd">]><x>&a11;&file;</x>'
)


def elsewhere(book: bytes) -> bytes:
    """Return a workbook whose sheet is named as a file outside it."""
    with zipfile.ZipFile(BytesIO(book)) as archive:
        inside = {name: archive.read(name) for name in archive.namelist()}
    rels = "xl/_rels/workbook.xml.rels"
    return zip_of({**inside, rels: inside[rels].replace(b"worksheets/sheet1.xml", b"../../../../../etc/passwd")})


@pytest.mark.parametrize(
    ("what", "ending"),
    [
        (what, ending)
        for what in ARCHIVES
        for ending in (".xlsx", ".zip", ".csv", ".tar")
        if ending == ".xlsx" or "workbook" not in what
    ],
)
def test_archives_are_not_unpacked(tmp_path: Path, what: str, ending: str) -> None:
    """An archive is refused, and no file of it is written, wherever its names lead."""
    source = tmp_path / "a" / "b" / f"rows{ending}"
    source.parent.mkdir(parents=True)
    source.write_bytes(ARCHIVES[what]())
    before = folder_contents(tmp_path)
    assert refused(lambda: profile_data(source))
    assert refused(lambda: import_data(source, tmp_path / "a" / "b" / "into"))
    assert folder_contents(tmp_path) == before


ROW = '{"text": "a message", "label": %s}\n'
BOMBS = {
    "depth": ROW % ("[" * 10**5 + "]" * 10**5),
    "depth of objects": ROW % ('{"a":' * 10**5 + "1" + "}" * 10**5),
    "digits": ROW % ("1" + "0" * 10**6),
    "an exponent": ROW % "1e999999",
    "a small exponent": ROW % "-1e-999999",
    "no number": ROW % "NaN",
    "infinity": ROW % "-Infinity",
    "a key twice": '{"text": "a", "label": "x", "label": "y"}\n',
    "ten thousand keys": "{" + ", ".join(f'"k{k}": 1' for k in range(10_000)) + "}\n",
    "a prototype": '{"__proto__": {"x": 1}, "__class__": "os", "text": "a", "label": "x"}\n',
}


@pytest.mark.parametrize("what", BOMBS)
def test_json_bombs_in_rows(tmp_path: Path, what: str) -> None:
    """Lines of JSON that are deep, huge or ambiguous are rows or refused in a sentence, in bounded memory."""
    good = "".join(ROW % f'"{"card" if k % 2 else "parcel"}"' for k in range(12))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for k, text in enumerate((BOMBS[what], good + BOMBS[what], BOMBS[what] * 20)):
        source = tmp_path / f"rows{k}.jsonl"
        source.write_text(text)
        refused(lambda source=source: profile_data(source))
        refused(lambda source=source, k=k: import_data(source, tmp_path / f"into{k}"))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400 * 1024


def test_a_workspace_of_pickles(cli: CommandLine, tmp_path: Path, marker: Path) -> None:
    """Every command ends well, or in one sentence, where pickles lie in place of rows that are given to it."""
    for name in ("rows.pkl", "rows.csv", "model.safetensors", "tokenizer.json", "rows.parquet"):
        source = tmp_path / name
        source.write_bytes(executable_pickle(marker))
        cli.refuses("new", "fresh", "--data", source, *NEW_OPTIONS, words=(), source=tmp_path)
        cli.refuses("add", "known", source, words=(), source=tmp_path)
        cli.refuses("monitor", "known", source, words=("code champion-missing", "known"), source=tmp_path)
