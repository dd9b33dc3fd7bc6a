"""Files that are no rows, each with what must be said of it."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pandas as pd

from graft.data.readers.excel import MAX_BYTES
from tests.support.cli_runner import MESSAGES, csv_bytes

GOOD_CSV = csv_bytes(MESSAGES)
QUOTED = GOOD_CSV + b'm98,"a message, or two",card\n'  # without such a row, quotes may be ordinary characters


@dataclass(frozen=True)
class BadFile:
    """A file by name and content (None: there is none), and words of the sentence that refuses it."""

    file: str
    content: Callable[[], bytes] | bytes | None
    words: tuple[str, ...]

    def write(self, folder: Path) -> Path:
        """Write the file and return its path."""
        path = folder / self.file
        if self.content is not None:
            path.write_bytes(self.content if isinstance(self.content, bytes) else self.content())
        return path


def parquet() -> bytes:
    """Return the good rows as Parquet."""
    file = BytesIO()
    pd.DataFrame(MESSAGES, columns=["id", "text", "label"]).to_parquet(file, index=False)
    return file.getvalue()


def workbook(*sheets: list[tuple[str, ...]]) -> bytes:
    """Return sheets as an Excel workbook, the same bytes every time."""
    import openpyxl

    book = openpyxl.Workbook()
    book.remove(book.active)
    for rows in sheets:
        sheet = book.create_sheet()
        for row in (("id", "text", "label"), *rows):
            sheet.append(row)
    file = BytesIO()
    book.save(file)
    with zipfile.ZipFile(file) as now:
        parts = {name: now.read(name) for name in now.namelist()}
    parts["docProps/core.xml"] = re.sub(
        rb"\d{4}-\d\d-\d\dT[\d:]+Z", b"2026-01-01T00:00:00Z", parts["docProps/core.xml"]
    )
    return archive(parts)


def archive(names: dict[str, bytes]) -> bytes:
    """Return files as a zip archive without a date of today."""
    file = BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in names.items():
            packed.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return file.getvalue()


def workbook_bomb() -> bytes:
    """Return a workbook of some kilobytes that says it unpacks to more than any table."""
    content = bytearray(archive({"xl/workbook.xml": b"<x/>"}))
    size = (MAX_BYTES + 1).to_bytes(4, "little")
    at = content.rindex(b"PK\x01\x02")
    content[at + 24 : at + 28] = size
    return bytes(content)


def jsonl(*lines: str) -> bytes:
    """Return good rows as JSON lines, and further lines behind them."""
    good = [f'{{"id": "{name}", "text": "{text}", "label": "{label}"}}' for name, text, label in MESSAGES]
    return "".join(f"{line}\n" for line in (*good, *lines)).encode()


BAD_FILES: dict[str, BadFile] = {
    "missing": BadFile("rows.csv", None, ("code file-missing", "rows.csv", "check the path")),
    "empty": BadFile("rows.csv", b"", ("code file-empty", "rows.csv")),
    "only a byte order mark": BadFile("rows.csv", b"\xef\xbb\xbf", ("rows.csv",)),
    "only blank lines": BadFile("rows.csv", b"\n\n\r\n", ("rows.csv",)),
    "header only": BadFile("rows.csv", b"id,text,label\n", ("code no-rows", "add rows")),
    "JSONL without rows": BadFile("rows.jsonl", b"\n{}\n\n", ("code no-rows", "rows.jsonl")),
    "10 MB in one cell": BadFile("rows.csv", lambda: GOOD_CSV + b"m99," + b"a" * 10**7 + b",card\n", ("row of line 14",)),
    "10 MB in one JSONL cell": BadFile(
        "rows.jsonl", lambda: jsonl('{"text": "' + "a" * 10**7 + '"}'), ("Row 13", "1,048,576", 'column "text"')
    ),
    "broken UTF-8": BadFile("rows.csv", GOOD_CSV + b"m99,\xff\xfe\xfd,card\n", ("code not-utf8", "Line 14 of rows.csv", "byte ")),
    "UTF-16 with a mark": BadFile("rows.csv", GOOD_CSV.decode().encode("utf-16"), ("code not-utf8", "UTF-16", "save the file")),
    "UTF-16 without one": BadFile("rows.csv", GOOD_CSV.decode().encode("utf-16-le"), ("code not-utf8", "UTF-16")),
    "UTF-16 the other way round": BadFile("rows.csv", GOOD_CSV.decode().encode("utf-16-be"), ("code not-utf8", "UTF-16")),
    "UTF-32": BadFile("rows.csv", GOOD_CSV.decode().encode("utf-32"), ("code not-utf8", "UTF-32")),
    "Windows-1252": BadFile("rows.csv", GOOD_CSV + "m99,café “au lait”,card\n".encode("cp1252"), ("Windows-1252", "Line 14")),
    "NUL bytes": BadFile("rows.csv", GOOD_CSV + b"m99,a\x00b,card\n", ("code nul-bytes", "line 14")),
    "nothing but NUL bytes": BadFile("rows.csv", bytes(5000), ("NUL",)),
    "a quote that never closes": BadFile("rows.csv", QUOTED + b'm99,"a message,card\n', ("row of line 15 never closes",)),
    "text behind a quote": BadFile("rows.csv", QUOTED + b'm99,"a" message,card\n', ("line 15", "follows a closing quote")),
    "cells too many": BadFile("rows.csv", GOOD_CSV + b"m99,a message, or two,card\n", ("code not-a-table", "line 14, saw 4")),
    "old Macintosh lines": BadFile("rows.csv", GOOD_CSV.replace(b"\n", b"\r"), ("a carriage return stands alone",)),
    "two columns of a name": BadFile("rows.csv", csv_bytes(MESSAGES, "text,text,label"), ("code column-twice", "'text'")),
    "Parquet cut short": BadFile("rows.parquet", lambda: parquet()[:-40], ("code parquet-damaged", "copy it again")),
    "Parquet's first bytes": BadFile("rows.parquet", b"PAR1", ("code parquet-damaged",)),
    "Parquet that is CSV, cut": BadFile("rows.csv", lambda: parquet()[:200], ("code parquet-damaged",)),
    "HTML": BadFile("rows.csv", b"\n<!DOCTYPE html>\n<html><body>404, not found</body></html>\n", ("is a web page",)),
    "XML": BadFile("rows.csv", b"<?xml version='1.0'?><rows/>\n", ("is XML",)),
    "an old Excel workbook": BadFile("rows.csv", b"\xd0\xcf\x11\xe0" + bytes(600), ("an old Excel workbook",)),
    "a zip archive": BadFile("rows.csv", archive({"rows.csv": GOOD_CSV}), ("a zip archive",)),
    "a cut zip archive": BadFile("rows.csv", archive({"rows.csv": GOOD_CSV})[:100], ("a zip archive",)),
    "a PDF": BadFile("rows.csv", b"%PDF-1.7\n%\xe2\xe3\n1 0 obj\n", ("is a PDF",)),
    "a gzip archive": BadFile("rows.csv", b"\x1f\x8b\x08" + bytes(60), ("a gzip archive",)),
    "a picture": BadFile("rows.csv", b"\x89PNG\r\n\x1a\n" + bytes(60), ("a PNG image",)),
    "two sheets": BadFile("rows.xlsx", lambda: workbook(MESSAGES, MESSAGES), ("has 2 sheets with cells", "keep one")),
    "a sheet without cells": BadFile("rows.xlsx", lambda: workbook([]), ("code no-rows",)),
    "a workbook cut short": BadFile("rows.xlsx", lambda: workbook(MESSAGES)[:-30], ("rows.xlsx is",)),
    "a workbook that is a bomb": BadFile("rows.xlsx", workbook_bomb, ("unpacks to 1,073,741,825 bytes",)),
    "a workbook of nothing": BadFile("rows.xlsx", archive({"xl/workbook.xml": b"<x/>"}), ("is not a whole workbook",)),
    "a row wider than the sheet": BadFile(
        "rows.xlsx", lambda: workbook([*MESSAGES, ("m99", "a message", "card", "?")]), ("code not-a-table", "row 14")
    ),
    "JSONL with a broken line": BadFile("rows.jsonl", jsonl('{"text": "a'), ("code not-json-lines", "line 13")),
    "JSONL with a list": BadFile("rows.jsonl", jsonl('["a", "b"]'), ("code not-json-lines", "line 13", "object")),
    "JSONL with half a surrogate pair": BadFile("rows.jsonl", jsonl('{"text": "\\ud800"}'), ("code not-json-lines", "line 13")),
    "JSONL with a key twice": BadFile("rows.jsonl", jsonl('{"text": "a", "text": "b"}'), ("line 13", "a key stands twice")),
    "JSONL as deep as a well": BadFile("rows.jsonl", jsonl('{"text": ' + "[" * 10**5 + "]" * 10**5 + "}"), ("line 13",)),
    "JSON, not JSON lines": BadFile("rows.jsonl", b"[\n" + jsonl().replace(b"}\n", b"},\n") + b"{}]\n", ("line 1",)),
}  # fmt: skip
