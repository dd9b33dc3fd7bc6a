"""What the bytes of a file are, and its lines as text: nothing is decoded by guessing."""

from __future__ import annotations

import codecs
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from graft.errors import InputError, no_file

MAX_LINE = 64 * 2**20
BATCH_BYTES = 64 * 2**20
"""About how many bytes of rows are held at once."""
_CHUNK = 2**20
_MAGIC = (
    (b"PK\x03\x04", "a zip archive or an Excel workbook"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook or another Office file"),
    (b"%PDF", "a PDF"),
    (b"PAR1", "Parquet"),
    (b"ARROW1", "an Arrow file"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"{\\rtf", "an RTF document"),
)
_USUAL = {"Pi", "Pf", "Pd", "Sc", "Zs", "So"}  # quotes, dashes, currencies, the unbroken blank, degree and the like
_BOMS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)


def head_of(path: Path, n_bytes: int = 4096) -> bytes:
    """Return the first bytes of a file.

    Raises:
        InputError: the file is absent, empty or may not be read.
    """
    if not path.is_file():
        raise no_file(path)
    try:
        with path.open("rb") as file:
            head = file.read(n_bytes)
    except PermissionError as error:
        raise InputError(f"{path.name} may not be read.", where=str(path), do=f"chmod u+r {path.name}") from error
    if not head:
        raise InputError(
            f"{path.name} is empty.", where=str(path), do="give a file with a header and rows", code="file-empty"
        )
    return head


def not_a_table(path: Path, *, where: str, do: str) -> InputError:
    """Return the error of rows that do not fit their header."""
    return InputError(f"{path.name} is not a table.", where=where, do=do, code="not-a-table")


def no_column(path: Path, column: str, *, where: str, do: str) -> InputError:
    """Return the error of a file that lacks a column."""
    return InputError(f'{path.name} has no column "{column}".', where=where, do=do, code="column-missing")


def known_kind(path: Path, head: bytes) -> str | None:
    """Return what a file that is no table of text is, from its first bytes, or None."""
    if path.suffix.lower() == ".npz" and head.startswith(b"PK"):
        return "a NumPy archive"
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:200].lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "a web page"
    return "XML" if start.startswith(b"<?xml") else None


def wide_encoding(head: bytes) -> str | None:
    """Return "UTF-16" or "UTF-32" where the first bytes are in one of them, with a byte order mark or without, or None."""
    for bom, name in _BOMS:
        if head.startswith(bom):
            return name
    even, odd = head[0::2].count(0), head[1::2].count(0)
    few, many = sorted((even, odd))
    return "UTF-16" if many > 0.4 * (len(head) / 2) and few < 0.1 * many else None


def refuse_what_is_not_text(path: Path) -> None:
    """Raise an InputError that names what the file is, where it is not text in UTF-8 or plain ASCII."""
    head = head_of(path)
    kind = known_kind(path, head)
    if kind is not None:
        ending = "rename it to .parquet" if kind == "Parquet" else "save the table as CSV, TSV, JSONL or Parquet"
        raise InputError(f"{path.name} is {kind}, not text.", where=str(path), do=ending)
    wide = wide_encoding(head)
    if wide is not None:
        raise InputError(
            f"{path.name} is {wide}, not UTF-8.", where=str(path), do="save the file as UTF-8", code="not-utf8"
        )
    if b"\r" in head.rstrip(b"\r") and b"\n" not in head:
        what = f"{path.name} has no line feeds."
        raise InputError(what, where=f"{path}: a carriage return stands alone", do="end lines with a line feed")


class TextFile:
    """The lines of a UTF-8 file, checked as they are read; ``n_bytes`` says how far reading has come.

    Memory: the longest line, which may have ``MAX_LINE`` characters.
    """

    def __init__(self, path: Path) -> None:
        refuse_what_is_not_text(path)
        self.path = path
        self.n_bytes = 0

    def lines(self) -> Iterator[str]:
        """Yield every line without its line feed; a carriage return before it stays.

        Raises:
            InputError: a byte is not UTF-8 or is NUL, with its line; or a line is too long.
        """
        n_lines, rest = 0, ""
        for text in self._texts():
            parts = (rest + text).split("\n")
            rest = parts.pop()
            n_lines += len(parts)
            if len(rest) > MAX_LINE:
                what = f"Line {n_lines + 1:,} of {self.path.name} is longer than {MAX_LINE:,} characters."
                raise InputError(what, where=str(self.path), do="give a table with one row a line")
            yield from parts
        if rest:
            yield rest

    def _texts(self) -> Iterator[str]:
        decoder = codecs.getincrementaldecoder("utf-8")()
        n_lines = 0
        with self.path.open("rb") as file:
            while True:
                chunk = file.read(_CHUNK)
                if self.n_bytes == 0:
                    chunk = chunk.removeprefix(codecs.BOM_UTF8)
                    self.n_bytes = file.tell() - len(chunk)
                if b"\x00" in chunk:
                    row = n_lines + chunk.count(b"\n", 0, chunk.index(b"\x00")) + 1
                    what, where = f"{self.path.name} holds NUL bytes.", f"{self.path}, line {row:,}"
                    raise InputError(what, where=where, do="save the file as UTF-8 text", code="nul-bytes")
                held = decoder.getstate()[0]
                try:
                    text = decoder.decode(chunk, final=not chunk)
                except UnicodeDecodeError as error:
                    raise self._not_utf8(error, n_lines, self.n_bytes - len(held)) from error
                n_lines += chunk.count(b"\n")
                self.n_bytes += len(chunk)
                yield text
                if not chunk:
                    return

    def _not_utf8(self, error: UnicodeDecodeError, n_lines: int, offset: int) -> InputError:
        content: bytes = error.object
        near = content[max(0, error.start - 10) : error.start + 10]
        line = n_lines + content.count(b"\n", 0, error.start) + 1
        hint = (
            "it looks like Windows-1252" if _looks_like_1252(content) else "its encoding cannot be found out from here"
        )
        return InputError(
            f"Line {line:,} of {self.path.name} is not UTF-8.",
            where=f"byte {offset + error.start:,}, near {near!r}",
            do=f"save the file as UTF-8: {hint}",
            code="not-utf8",
        )


def _looks_like_1252(content: bytes) -> bool:
    """Return whether the bytes above ASCII stand, as Windows-1252, mostly for letters, quotes and dashes."""
    high = bytes(byte for byte in content if byte > 127)
    text = high.decode("cp1252", "replace")
    usual = sum(character.isalpha() or unicodedata.category(character) in _USUAL for character in text)
    return "�" not in text and usual >= 0.9 * len(text)
