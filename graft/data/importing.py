"""Brings data into a dataset's folder: as it stands where Graft reads it so, else as Parquet that says where it came from."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from graft.data.profile.counts import image_type
from graft.data.readers.beside import naming_column, picture
from graft.data.readers.dialect import Dialect
from graft.data.readers.folders import find_source, rows_of
from graft.data.readers.read import FORMATS
from graft.data.readers.source import Source
from graft.errors import InputError
from graft.modality.image.pictures import open_picture
from graft.records import canonical_json, sha256_bytes, sha256_file, sync_folder

_PLAIN = {"CSV": ".csv", "TSV": ".tsv", "JSON lines": ".jsonl", "Parquet": ".parquet"}
_IMAGE_BATCH = 64
IMAGE_COLUMN = "image"
"""Where images lie that were brought in with a table that names them, or from a folder."""


def import_data(source: Path, folder: Path, *, dialect: Dialect | None = None, role: str = "train") -> dict[str, Path]:
    """Write a source into ``folder`` as files of a dataset, each whole or not at all.

    What the strict reader reads as it stands (plain CSV or TSV, JSON lines, Parquet) is copied byte for byte. Anything else
    becomes Parquet of strings, with images as bytes in the column ``image`` and their names in ``file``; its metadata
    ``graft.source`` holds the source's name, sha256, format, split and dialect. Every image is decoded once and refused where it
    is broken; its bytes stay as they are.

    Args:
        source: a file, or a folder with splits, of images by class, or saved by Hugging Face datasets.
        folder: the dataset's folder; made where it is absent.
        dialect: of a text file; None: guessed.
        role: name of the file written ("train", "test") where the source names no splits. A source with splits gives train
            and test; its validation split is the test where there is no other.

    Returns:
        the file of each role.

    Raises:
        InputError: the source cannot be read to its end, a path of an image leads out of the source's folder, or the folder
            holds a file of that role in another format.

    Cost: two passes over what is copied, one over what is written; memory for one batch. Images: about 10 ms a million pixels.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,39}", role):
        raise InputError(f"{role!r} is no name for a file of rows.", do="take train or test")
    found = find_source(source, dialect)
    wanted = _roles(found, role)
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    written: dict[str, tuple[Path, Path]] = {}
    try:
        for name, split in wanted.items():
            column = naming_column(found, next(rows_of(found, split)))
            ending = None if column is not None else _as_it_stands(found, split)
            target = folder / f"{name}{ending or '.parquet'}"
            _refuse_other_formats(folder, target)
            written[name] = (_temporary(target), target)
            if ending is not None:
                _copy(found, split, written[name][0])
            else:
                _write(found, split, written[name][0], source.name, column)
        _put([*written.values()])
        sync_folder(folder)
    finally:
        for temporary, _ in written.values():
            temporary.unlink(missing_ok=True)
        if is_new and not any(folder.iterdir()):
            folder.rmdir()
    return {name: target for name, (_, target) in written.items()}


def _roles(found: Source, role: str) -> dict[str, str]:
    """Return which split is written for each role."""
    if "all" in found.splits:
        return {role: "all"}
    if "train" not in found.splits:
        what = f"{found.root.name} has the splits {', '.join(found.splits)} and no train."
        raise InputError(what, where=str(found.root), do="give one of its files, or call one train")
    if role != "train":
        what = f"{found.root.name} has splits of its own: it cannot be brought in as {role}."
        raise InputError(what, where=str(found.root), do="give one of its files", code="dataset-has-splits")
    test = "test" if "test" in found.splits else "validation" if "validation" in found.splits else None
    return {"train": "train"} | ({"test": test} if test else {})


def _refuse_other_formats(folder: Path, target: Path) -> None:
    others = [path for path in map(target.with_suffix, FORMATS) if path != target and path.exists()]
    if others:
        what = f"{folder.name} already has {others[0].name}; {target.name} beside it would be ambiguous."
        raise InputError(what, where=str(others[0]), do="take it away first")


def _as_it_stands(found: Source, split: str) -> str | None:
    """Return the ending under which the strict reader reads a split's only file as it stands, or None."""
    ending = _PLAIN.get(found.format)
    if ending is None or len(found.splits[split]) > 1 or found.classes:
        return None
    plain = Dialect(delimiter="\t" if ending == ".tsv" else ",")
    return ending if found.dialect in {None, plain} else None


def _temporary(target: Path) -> Path:
    path = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    path.touch(exist_ok=False)
    return path


def _put(written: list[tuple[Path, Path]]) -> None:
    """Give finished files their names: all of them or, where one is refused, none."""
    done: list[Path] = []
    try:
        for temporary, target in written:
            os.replace(temporary, target)
            done.append(target)
    except OSError:
        for target in done:
            target.unlink()
        raise


def _copy(found: Source, split: str, temporary: Path) -> None:
    for _ in _checked(rows_of(found, split), found):
        pass
    shutil.copyfile(found.splits[split][0], temporary)
    _sync(temporary)


def _write(found: Source, split: str, temporary: Path, name: str, column: str | None) -> None:
    batches = _checked(rows_of(found, split), found)
    if column is not None:
        few = (batch[k : k + _IMAGE_BATCH] for batch in batches for k in range(0, len(batch), _IMAGE_BATCH))
        batches = (_with_images(batch, found, column) for batch in few)
    first = next(batches)
    kinds = [(str(key), pa.binary() if first[key].dtype == object else pa.string()) for key in first]
    origin = {
        "name": name,
        "sha256": _digest(found, split),
        "format": found.format,
        "split": split,
        "dialect": found.dialect.model_dump() if found.dialect else None,
    }
    schema = pa.schema(kinds, metadata={b"graft.source": canonical_json(origin)})
    with pq.ParquetWriter(temporary, schema) as writer:
        writer.write_table(_table(first, schema))
        for batch in batches:
            writer.write_table(_table(batch, schema))
    _sync(temporary)


def _table(batch: pd.DataFrame, schema: Any) -> Any:
    arrays = [pa.array(batch[field.name].tolist(), type=field.type) for field in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


def _digest(found: Source, split: str) -> str:
    """Return the sha256 of a split's file, or of the list of its files with their digests."""
    files = found.splits[split]
    if len(files) == 1:
        return sha256_file(files[0])
    return sha256_bytes(
        canonical_json([[path.relative_to(found.root).as_posix(), sha256_file(path)] for path in files])
    )


def _checked(batches: Iterator[pd.DataFrame], found: Source) -> Iterator[pd.DataFrame]:
    """Yield batches whose images all open."""
    n_before = 0
    images: set[str] | None = None
    for batch in batches:
        binary = [str(name) for name in batch if batch[name].dtype == object]
        if images is None:
            images = {name for name in binary if any(map(_is_image, batch[name].head(100)))}
        for name in images:
            for k, content in enumerate(batch[name]):
                named = f" ({batch['file'].iloc[k]})" if found.format == "folder of images by class" else ""
                where = f"row {n_before + k + 1:,} of {found.root.name}{named}"
                if not content:
                    raise InputError("A row has no image.", where=where, do="take the row out", code="image-missing")
                open_picture(content, where)
        n_before += len(batch)
        yield batch


def _is_image(content: bytes | None) -> bool:
    return bool(content) and image_type(content or b"") is not None


def _with_images(batch: pd.DataFrame, found: Source, column: str) -> pd.DataFrame:
    clash = {IMAGE_COLUMN, "file"} & {str(name) for name in batch} - {column}
    if clash:
        what = f'The table has a column "{min(clash)}" beside the paths of images in "{column}".'
        raise InputError(what, where=found.root.name, do="rename it: images are written under that name")
    contents = []
    for cell in batch[column]:
        content = picture(found, cell).read_bytes()
        open_picture(content, cell)
        contents.append(content)
    renamed = batch.rename(columns={column: "file"})
    return renamed.assign(**{IMAGE_COLUMN: pd.Series(contents, index=batch.index, dtype=object)})


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
