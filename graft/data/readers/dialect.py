"""How a text file says where a cell ends: the dialect, and what it really is."""

from __future__ import annotations

import csv
import re
from collections import Counter
from pathlib import Path

from pydantic import Field

from graft.data.readers.raw import TextFile
from graft.records import Value

MAX_CELL = 2**20
"""Longest cell in characters: longer ones are mistakes (a quote that never closes), not texts."""

csv.field_size_limit(MAX_CELL)  # the module's own bound, 131,072, is the only one that is not an argument

_SAMPLE = 2**20
_MAX_ROWS = 20_000
_DELIMITERS = (",", "\t", ";", "|")
_NAMES = re.compile(
    r"(?i)(?:^|_| )(?:text|sentence|message|tweet|comment|review|label|class|category|target|id|name|date|time|index"
    r"|score|code|value|type|image|file|path|url|title|sex|gender|age|race|count)s?(?:$|_| )"
)
_LINE_NAMES = {"text", "sentence", "message", "tweet", "comment", "review", "content"}
_NUMBER = re.compile(r"[-+]?(?:\d+(?:[.,]\d*)?|\.\d+)(?:[eE][-+]?\d+)?")


class Dialect(Value):
    """Where a cell ends.

    ``quote`` None: quotes are ordinary characters. ``n_columns``, for files without quotes only: the line is cut at the first
    ``n_columns - 1`` delimiters and the rest belongs to the last column; None: every delimiter counts.
    """

    delimiter: str = Field(default=",", min_length=1, max_length=1)
    quote: str | None = Field(default='"', min_length=1, max_length=1)
    header: bool = True
    n_columns: int | None = Field(default=None, ge=1)


def plain_dialect(path: Path) -> Dialect:
    """Return the dialect of a file inside a dataset: comma, or tab where the name ends in .tsv; double quote; header."""
    return Dialect(delimiter="\t" if path.suffix.lower() == ".tsv" else ",")


def guess_dialect(path: Path) -> tuple[Dialect, tuple[str, ...]]:
    """Return the dialect that the first lines speak, and what is odd about it.

    Of each delimiter, with quotes and without, the share of rows with the usual number of cells is counted, where none has
    more; the best wins, and of equals the plain one, unless its quotes join lines that are even without them and the delimiter
    is no comma. Where nothing is
    even, rows without quotes that all have at least k cells, most of them k, have k columns whose last takes further
    delimiters, if it is the longest. Where that fails too, a name in .csv or .tsv is taken at its word and anything else is
    one text a line.

    Cost: the first MiB.

    Raises:
        InputError: the file is absent, empty or not UTF-8 text.
    """
    plain = plain_dialect(path)
    lines, whole = _first_lines(path)
    found = [(candidate, rows) for candidate in _candidates(plain) if (rows := _rows(lines, candidate, whole=whole))]
    even = [(found_dialect, rows) for found_dialect, rows in found if _is_even(rows)]
    odd: tuple[str, ...] = ()
    if even:
        best = max(_share(rows) for _, rows in even)
        dialect, rows = next((found_dialect, rows) for found_dialect, rows in even if _share(rows) == best)
        loose = Dialect(delimiter=dialect.delimiter, quote=None) if dialect.delimiter != "," else None
        dialect, rows = next(
            ((found_dialect, more) for found_dialect, more in even if found_dialect == loose and len(more) > len(rows)),
            (dialect, rows),
        )
    elif (tail := _with_tail(found)) is not None:
        dialect, rows = tail
        odd = (f"some lines have more delimiters than columns: they belong to column {dialect.n_columns}",)
    elif path.suffix.lower() in {".csv", ".tsv"}:
        dialect, rows = plain, _rows(lines, plain, whole=whole) or []
    else:
        dialect = Dialect(delimiter="\t", quote=None, header=False, n_columns=1)
        rows = [[line] for line in lines]
        odd = ("no delimiter divides every line: each line is one text",)
    header = rows[0][0].lower() in _LINE_NAMES if dialect.n_columns == 1 else has_header(rows)
    return dialect.model_copy(update={"header": header}), odd


def _first_lines(path: Path) -> tuple[list[str], bool]:
    """Return the lines of the first MiB that are whole, and whether that is the whole file."""
    lines: list[str] = []
    n_chars = 0
    for line in TextFile(path).lines():
        n_chars += len(line)
        if (n_chars > _SAMPLE or len(lines) >= _MAX_ROWS) and lines:
            return lines, False
        lines.append(line)
    return lines, True


def _candidates(plain: Dialect) -> list[Dialect]:
    first = [plain.delimiter, *(candidate for candidate in _DELIMITERS if candidate != plain.delimiter)]
    return [Dialect(delimiter=candidate, quote=quote) for candidate in first for quote in ('"', None)]


def _rows(lines: list[str], dialect: Dialect, *, whole: bool) -> list[list[str]] | None:
    """Return the cells of each line that is not blank, or None where the lines are not of this dialect."""
    if dialect.quote is None:
        return [line.removesuffix("\r").split(dialect.delimiter) for line in lines if line.removesuffix("\r")]
    reader = csv.reader((f"{line}\n" for line in lines), delimiter=dialect.delimiter, quotechar='"', strict=True)
    rows = []
    try:
        for row in reader:
            rows += [row] if row else []
    except csv.Error:
        cut = not whole and reader.line_num == len(lines)  # the sample ends inside a cell of several lines
        return rows if cut else None
    return rows


def _share(rows: list[list[str]]) -> float:
    """Return the share of rows of the usual width."""
    return Counter(map(len, rows)).most_common(1)[0][1] / len(rows)


def _is_even(rows: list[list[str]]) -> bool:
    """Return whether nearly all rows have the usual width, two cells or more, and none is wider."""
    usual = Counter(map(len, rows)).most_common(1)[0][0]
    return usual > 1 and usual == max(map(len, rows)) and _share(rows) >= 0.9


def _with_tail(found: list[tuple[Dialect, list[list[str]]]]) -> tuple[Dialect, list[list[str]]] | None:
    """Return the dialect whose last column takes further delimiters, and its rows, or None."""
    for dialect, rows in found:
        k = min(map(len, rows))
        usual = Counter(map(len, rows)).most_common(1)[0][0]
        if dialect.quote is not None or k < 2 or usual != k or _share(rows) < 0.5:
            continue
        cut = [dialect.delimiter.join(row).split(dialect.delimiter, k - 1) for row in rows]
        lengths = [sum(map(len, column)) for column in zip(*cut, strict=True)]
        if lengths[-1] == max(lengths) and not has_header(cut):
            return dialect.model_copy(update={"n_columns": k}), cut
    return None


def has_header(rows: list[list[str]]) -> bool:
    """Return whether the first row names the columns.

    Each column votes: against, where the first cell is a number (three such votes at most: years name columns too), comes again
    below or is as long as a text; for, where it is a common name, or a word above numbers or texts. Even votes: there is a
    header.
    """
    if len(rows) < 2:
        return True
    votes = [
        _vote(cell, [row[k] for row in rows[1:] if k < len(row) and row[k] != ""]) for k, cell in enumerate(rows[0])
    ]
    n_numbers = sum(_NUMBER.fullmatch(cell) is not None for cell in rows[0])
    return sum(votes) - 2 * min(3, n_numbers) >= 0


def _vote(cell: str, below: list[str]) -> int:
    if cell == "" or not below or _NUMBER.fullmatch(cell):
        return 0
    if cell in below:
        return -2
    if _NAMES.search(cell) and len(cell) <= 40:
        return 3
    n_numbers = sum(_NUMBER.fullmatch(candidate) is not None for candidate in below)
    if n_numbers > 0.9 * len(below) or len(cell) < 0.3 * sum(map(len, below)) / len(below):
        return 2
    return -1 if len(cell) > 40 or len(cell.split()) > 5 else 0
