"""Datasets that are folders: saved by Hugging Face datasets, texts beside labels, images by class."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from graft.data.readers.beside import IMAGES
from graft.data.readers.parquet import ClassNames, names_in
from graft.data.readers.raw import BATCH_BYTES, TextFile
from graft.data.readers.read import frames
from graft.data.readers.source import Source, Splits, in_order, split_of
from graft.errors import InputError
from graft.records.safe_read import MAX_JSON, read_small

_IMAGE_BATCH = 256


def saved_dataset(folder: Path) -> Source:
    """Return what ``save_to_disk`` of Hugging Face datasets wrote: Arrow streams, and JSON that names them."""
    inner = folder / "dataset_dict.json"
    names = [str(name) for name in _list(_json(inner).get("splits"))] if inner.is_file() else [""]
    splits: Splits = {}
    classes: ClassNames = {}
    for name in names:
        split = split_of(name) if name else "all"
        if split is None or split in splits or "/" in name or "\\" in name:
            what = f"The split {name!r} of {folder.name} is neither train, validation nor test."
            raise InputError(what, where=str(inner), do="name the splits train and test")
        part = folder / name if name else folder
        listed = _list(_json(part / "state.json").get("_data_files"))
        paths = tuple(part / str(entry.get("filename", "") if isinstance(entry, dict) else "") for entry in listed)
        if not paths or any(path.parent != part or os.path.islink(path) or not os.path.isfile(path) for path in paths):
            raise InputError(
                f"{part.name} lacks its Arrow files.", where=str(part / "state.json"), do="save the dataset again"
            )
        splits[split] = paths
        classes.update(names_in(_json(part / "dataset_info.json").get("features")))
    if not splits:
        raise InputError(f"{folder.name} names no splits.", where=str(inner), do="save the dataset again")
    return Source(folder, "Hugging Face dataset", in_order(splits), classes=classes)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(read_small(path, MAX_JSON).decode())
        json.dumps(value, ensure_ascii=False).encode()  # half of a surrogate pair is no text: a ValueError
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path.name} cannot be read.", where=str(path), do="save the dataset again") from error
    if not isinstance(value, dict):
        raise InputError(f"{path.name} is no JSON object.", where=str(path), do="save the dataset again")
    return value


def text_and_label_files(folder: Path) -> Source | None:
    """Return the texts in SPLIT_text.txt and labels in SPLIT_labels.txt, a line for each row, or None."""
    found: Splits = {}
    for path in sorted(folder.glob("*_text.txt")):
        labels, split = path.with_name(path.name.removesuffix("_text.txt") + "_labels.txt"), split_of(path.name)
        if labels.is_file() and split is not None:
            if path.is_symlink() or labels.is_symlink():
                raise InputError(f"{path.name} is reached by a link.", where=str(path), do="put what it leads to there")
            found[split] = (path, labels)
    if not found:
        return None
    return Source(folder, "text and label files", in_order(found), classes={"label": _mapping(folder)})


def _mapping(folder: Path) -> list[str]:
    """Return the names of the classes by their number, from mapping.txt, or nothing."""
    path = folder / "mapping.txt"
    if not path.is_file():
        return []
    pairs = [line.split(maxsplit=1) for line in TextFile(path).lines() if line.strip()]
    if [pair[0] for pair in pairs] != [str(k) for k in range(len(pairs))] or any(len(pair) < 2 for pair in pairs):
        what = "mapping.txt does not number its classes 0, 1, 2, each with a name."
        raise InputError(what, where=str(path), do="write a number, a blank and a name a line")
    return [pair[1].strip() for pair in pairs]


def text_and_label_rows(source: Source, files: tuple[Path, ...]) -> Iterator[pd.DataFrame]:
    """Yield texts with their labels, line by line, empty texts too."""
    names, (texts, labels) = source.classes["label"], files
    n_texts, n_labels = (sum(1 for _ in TextFile(path).lines()) for path in files)
    if n_texts != n_labels:
        what = f"{texts.name} has {n_texts:,} lines and {labels.name} has {n_labels:,}."
        raise InputError(what, where=str(source.root), do="give one label for each text")

    def label(number: int, cell: str) -> str:
        if not names:
            return cell
        if not (cell.isascii() and cell.isdigit() and int(cell) < len(names)):
            what = f"Line {number:,} of {labels.name} is not a class of mapping.txt."
            raise InputError(what, where=str(labels), do=f"write a number below {len(names)}")
        return names[int(cell)]

    pairs = enumerate(zip(TextFile(texts).lines(), TextFile(labels).lines(), strict=True), start=1)
    rows = ([text.removesuffix("\r"), label(number, cell.strip())] for number, (text, cell) in pairs)
    yield from frames(texts, ["text", "label"], rows)


def image_folder(folder: Path) -> Source:
    """Return the images in folders by class, perhaps below folders by split.

    Raises:
        InputError: there are fewer than two classes, or a link is among them.
    """
    parts = {split: part for part in sorted(folder.iterdir()) if part.is_dir() and (split := split_of(part.name))}
    splits = {split: _class_images(part) for split, part in parts.items()} if parts else {"all": _class_images(folder)}
    splits = {split: files for split, files in splits.items() if files}
    labels = {path.relative_to(_base(folder, path)).parts[0] for files in splits.values() for path in files}
    if len(labels) < 2:
        what = f"{folder.name} holds nothing that Graft reads: no table, no dataset, no images in folders by class."
        raise InputError(
            what,
            where=str(folder),
            do="give a file, or a folder with one folder of images per class",
            code="nothing-readable",
        )
    return Source(folder, "folder of images by class", in_order(splits))


def _base(folder: Path, path: Path) -> Path:
    """Return the folder whose sub-folders are the classes."""
    first = path.relative_to(folder).parts[0]
    return folder / first if split_of(first) else folder


def _class_images(base: Path) -> tuple[Path, ...]:
    found = []
    for path in base.rglob("*"):
        if path.is_symlink():
            raise InputError(
                f"{path.name} is a link.", where=str(path), do="put what it leads to there", code="images-linked"
            )
        if path.is_file() and path.parent != base and path.suffix.lower() in IMAGES and not path.name.startswith("."):
            found.append(path)
    return tuple(sorted(found, key=lambda path: path.relative_to(base).as_posix()))


def image_rows(source: Source, files: tuple[Path, ...]) -> Iterator[pd.DataFrame]:
    """Yield images as bytes with their class and their path below the folder of classes."""
    for batch in _image_batches(files):
        names = [path.relative_to(_base(source.root, path)).as_posix() for path in batch]
        yield pd.DataFrame(
            {
                "image": pd.Series([path.read_bytes() for path in batch], dtype=object),
                "label": pd.Series([name.split("/", 1)[0] for name in names], dtype="str"),
                "file": pd.Series(names, dtype="str"),
            }
        )


def _image_batches(files: tuple[Path, ...]) -> Iterator[list[Path]]:
    batch: list[Path] = []
    n_bytes = 0
    for path in files:
        batch.append(path)
        n_bytes += path.stat().st_size
        if len(batch) == _IMAGE_BATCH or n_bytes > BATCH_BYTES:
            yield batch
            batch, n_bytes = [], 0
    if batch:
        yield batch
