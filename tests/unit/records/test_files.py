"""Bytes on disk."""

from __future__ import annotations

import hashlib
import os
import resource
from pathlib import Path

import pytest

from graft.data.importing import import_data
from graft.errors import TamperError
from graft.records import canonical_json, copy_folder, digest_folder, part, sha256_file, write_atomic, write_json


def test_canonical_json_is_one_byte_string() -> None:
    """Equal values give equal bytes whatever their order: sorted keys, UTF-8, final newline; NaN is refused."""
    content = canonical_json({"b": [1, 0.1], "a": "é"})
    assert content == canonical_json({"a": "é", "b": [1, 0.1]})
    assert content == '{\n  "a": "é",\n  "b": [\n    1,\n    0.1\n  ]\n}\n'.encode()
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json({"a": float("nan")})


def test_failed_write_leaves_old_bytes(tmp_path: Path) -> None:
    """When the disk takes only part of the new bytes, the old file stays whole and nothing else lies there."""
    path = tmp_path / "record.json"
    write_atomic(path, b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            write_atomic(path, b"n" * 1_000_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_write_json_returns_the_digest_of_the_file(tmp_path: Path) -> None:
    """The returned sha256 is that of the bytes on disk, in a folder made on the way."""
    path = tmp_path / "new" / "record.json"
    digest = write_json(path, {"a": 1})
    assert digest == sha256_file(path) == hashlib.sha256(b'{\n  "a": 1\n}\n').hexdigest()


def test_folder_digest_names_paths_and_bytes(tmp_path: Path) -> None:
    """A folder's digest is the same for a copy, and another one for a changed byte, a renamed file and a new file."""
    folder = tmp_path / "model"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.txt").write_bytes(b"a")
    (folder / "sub" / "b.txt").write_bytes(b"b")
    files, digest = digest_folder(folder)
    assert [(file.path, file.size) for file in files] == [("a.txt", 1), ("sub/b.txt", 1)]
    copy_folder(folder, tmp_path / "copy")
    assert digest_folder(tmp_path / "copy")[1] == digest

    seen = {digest}
    (folder / "a.txt").write_bytes(b"c")
    seen.add(digest_folder(folder)[1])
    (folder / "a.txt").rename(folder / "c.txt")
    seen.add(digest_folder(folder)[1])
    (folder / "empty").write_bytes(b"")
    seen.add(digest_folder(folder)[1])
    assert len(seen) == 4


@pytest.mark.parametrize("target", ["a.txt", "sub", "nowhere"])
def test_folder_digest_refuses_links(tmp_path: Path, target: str) -> None:
    """A symbolic link, to a file, a folder or nothing, cannot be part of a digested folder."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.txt").write_bytes(b"a")
    (tmp_path / "link").symlink_to(tmp_path / target)
    with pytest.raises(TamperError, match="not a plain file"):
        digest_folder(tmp_path)


def test_copied_folder_is_whole_or_absent(tmp_path: Path) -> None:
    """A copy that cannot be finished leaves no target, and a part of an earlier attempt does not get into the copy."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "a").write_bytes(b"a")
    (source / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OSError, match="No such file"):
        copy_folder(source, tmp_path / "target")
    assert not (tmp_path / "target").exists()
    (source / "link").unlink()
    (tmp_path / ".target.part").mkdir(exist_ok=True)
    (tmp_path / ".target.part" / "stale").write_bytes(b"x")
    copy_folder(source, tmp_path / "target")
    assert [path.name for path in (tmp_path / "target").iterdir()] == ["a"]


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077])
def test_the_umask_alone_says_who_may_read_what_is_written(umask: int, tmp_path: Path) -> None:
    """A record, a folder, a page and brought rows have the mode of a plain new file or folder, however they are written."""
    (tmp_path / "rows.csv").write_text("text,label\none,a\ntwo,b\n")
    before = os.umask(umask)
    try:
        (tmp_path / "plain").mkdir()
        (tmp_path / "plain" / "file").touch()
        write_atomic(tmp_path / "record.json", b"{}")
        copy_folder(tmp_path / "plain", tmp_path / "copy")
        with part(tmp_path, "page.html") as temporary:
            temporary.rename(tmp_path / "page.html")
        (tmp_path / "data").mkdir()
        import_data(tmp_path / "rows.csv", tmp_path / "data")
    finally:
        os.umask(before)
    modes = {path.relative_to(tmp_path).as_posix(): path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    assert {modes[name] for name in ("plain", "copy")} == {0o777 & ~umask}
    assert {modes[name] for name in ("plain/file", "copy/file", "record.json", "page.html", "data/train.csv")} == {
        0o666 & ~umask
    }
