"""What lies at a path, file or folder: its format, its splits, and their rows."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from graft.data.readers.beside import pictures_in
from graft.data.readers.dialect import Dialect, guess_dialect
from graft.data.readers.layouts import (
    image_folder,
    image_rows,
    saved_dataset,
    text_and_label_files,
    text_and_label_rows,
)
from graft.data.readers.parquet import arrow_batches, class_names, parquet_batches, schema_of
from graft.data.readers.raw import head_of, known_kind, wide_encoding
from graft.data.readers.read import BATCH_ROWS, check_columns, frames, json_batches, not_empty, text_batches
from graft.data.readers.read import n_columns_of as columns_of_text
from graft.data.readers.source import Format, Source, Splits, in_order, split_of
from graft.errors import InputError

_TABLES = {".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".xlsx"}


def find_source(path: Path, dialect: Dialect | None = None) -> Source:
    """Return what lies at a path.

    Args:
        path: a file, or a folder with files of one table each, of one dataset.
        dialect: of its text files; None: guessed from the first split.

    Raises:
        InputError: there is nothing, nothing that Graft reads, or several tables that no name makes splits.
    """
    if path.is_dir():
        return _folder(path, dialect)
    return _file(path, dialect)


def rows_of(
    source: Source, split: str, *, mend_twins: bool = False, max_columns: int | None = None
) -> Iterator[pd.DataFrame]:
    """Yield the rows of a split as strings and bytes, the columns alike in all its files.

    Args:
        mend_twins: call the second column of a name in a text file "name (2)" instead of refusing it.
        max_columns: leave out all columns behind these first ones; None: none.

    Raises:
        InputError: a file is damaged, its columns differ from those of the first, or there are no rows.
    """
    files = source.splits[split]
    if source.format == "folder of images by class":
        batches = image_rows(source, files)
    elif source.format == "text and label files":
        batches = text_and_label_rows(source, files)
    else:
        batches = _table_rows(source, files, mend_twins, max_columns)
    yield from not_empty(files[0], batches)


def n_columns_of(source: Source) -> int:
    """Return how many columns the first file of a source has."""
    files = next(iter(source.splits.values()))
    if source.dialect is not None:
        return columns_of_text(files[0], source.dialect)
    return len(next(rows_of(source, next(iter(source.splits)))).columns)


def _table_rows(
    source: Source, files: tuple[Path, ...], mend_twins: bool, max_columns: int | None
) -> Iterator[pd.DataFrame]:
    """Yield the rows of files that are tables of the same columns."""
    names: list[str] | None = None
    for path in files:
        for whole in _batches(source, path, mend_twins, max_columns):
            batch = whole if max_columns is None else whole.iloc[:, :max_columns]
            names = names or batch.columns.tolist()
            if batch.columns.tolist() != names:
                what = f"{path.name} has other columns than {files[0].name}."
                raise InputError(what, where=str(path), do="give the files of a split the same columns")
            yield batch


def _batches(source: Source, path: Path, mend_twins: bool, max_columns: int | None) -> Iterator[pd.DataFrame]:
    if source.format == "Parquet":
        return parquet_batches(path, BATCH_ROWS, classes=source.classes)
    if source.format == "JSON lines":
        return json_batches(path)
    if source.format == "Excel":
        from graft.data.readers.excel import excel_rows

        names, rows = excel_rows(path)
        check_columns(path, names, None)
        return frames(path, names, rows)
    if source.format == "Hugging Face dataset":
        return arrow_batches(path, classes=source.classes)
    return text_batches(path, dialect=source.dialect or Dialect(), mend_twins=mend_twins, max_columns=max_columns)


def _file(path: Path, dialect: Dialect | None) -> Source:
    head = head_of(path)
    only: Splits = {"all": (path,)}
    if head.startswith(b"PAR1"):
        return Source(path.parent, "Parquet", only, classes=class_names(schema_of(path)))
    if head.startswith(b"PK") and _is_workbook(path):
        return Source(path.parent, "Excel", only)
    kind = known_kind(path, head)
    if kind is not None:
        what = f"{path.name} is {kind}, which Graft does not read."
        raise InputError(what, where=str(path), do="give CSV, TSV, JSONL, Parquet, Excel or a folder of images")
    if dialect is None and wide_encoding(head) is None and _is_json(path, head):
        return Source(path.parent, "JSON lines", only)
    guessed, odd = (dialect, ()) if dialect is not None else guess_dialect(path)
    delimited: Format = "CSV" if guessed.delimiter == "," else "TSV" if guessed.delimiter == "\t" else "delimited text"
    return Source(path.parent, delimited, only, dialect=guessed, oddities=odd)


def _is_workbook(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return "xl/workbook.xml" in archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError):  # a directory cut short, of no version, of no name
        return False


def _is_json(path: Path, head: bytes) -> bool:
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    return path.suffix.lower() not in {".csv", ".tsv"} and start in {b"{", b"["}


def _folder(folder: Path, dialect: Dialect | None) -> Source:
    if (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file():
        return saved_dataset(folder)
    texts = text_and_label_files(folder)
    if texts is not None:
        return texts
    tables = sorted(
        path
        for pattern in ("*", "*/*", "*/*/*")
        for path in folder.glob(pattern)
        if path.suffix.lower() in _TABLES and path.is_file() and not path.name.startswith(".")
    )
    return _tables(folder, tables, dialect) if tables else image_folder(folder)


def _tables(folder: Path, tables: list[Path], dialect: Dialect | None) -> Source:
    for path in tables:
        if path.resolve() != folder.resolve() / path.relative_to(folder):
            raise InputError(f"{path.name} is reached by a link.", where=str(path), do="put what it leads to there")
    splits: Splits = {"all": (tables[0],)} if len(tables) == 1 else {}
    for path in tables if len(tables) > 1 else ():
        parents = [parent.name for parent in path.parents if folder in parent.parents]
        split = next((found for name in (path.name, *parents) if (found := split_of(name))), None)
        if split is not None:
            splits[split] = (*splits.get(split, ()), path)
    kinds = {path.suffix.lower() for paths in splits.values() for path in paths}
    if len(kinds) != 1 or not all(map(_are_shards, splits.values())):
        names = ", ".join(str(path.relative_to(folder)) for path in tables[:6]) + (" ..." if len(tables) > 6 else "")
        what = f"{folder.name} holds {len(tables)} tables, and their names do not say which is train and which is test."
        raise InputError(what, where=names, do="give one of them, or call them train and test")
    splits = in_order(splits)
    first = _file(next(iter(splits.values()))[0], dialect)
    n_unnamed = len(tables) - sum(map(len, splits.values()))
    odd = (f"{n_unnamed} tables beside the splits were not looked at",) if n_unnamed else ()
    return Source(folder, first.format, splits, first.dialect, first.classes, first.oddities + odd, pictures_in(folder))


def _are_shards(paths: tuple[Path, ...]) -> bool:
    """Return whether files are the numbered parts of one table."""
    numbered = all(re.search(r"\d+-of-\d+|\d{4}\.", path.name) for path in paths)
    return len(paths) == 1 or (numbered and len({path.parent for path in paths}) == 1)
