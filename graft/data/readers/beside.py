"""Images that lie beside a table, which names them: by their path from the table, or by their name anywhere in the folder."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

import pandas as pd

from graft.data.readers.source import Pictures, Source
from graft.errors import InputError

IMAGES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"})
_MIN_SHARE = 0.5


def pictures_in(folder: Path) -> Pictures:
    """Return the images in a folder and below it by their name, with its ending and without; links are none."""
    found: Pictures = {}
    for above, _, names in os.walk(folder):
        for name in sorted(names):
            path = Path(above, name)
            if path.suffix.lower() in IMAGES and not name.startswith(".") and not path.is_symlink():
                for key in {name, path.stem}:
                    found.setdefault(key, []).append(path)
    return found


def naming_column(source: Source, batch: pd.DataFrame) -> str | None:
    """Return the column of a table that names image files which are there, or None.

    Args:
        batch: first rows of the table.
    """
    if source.format in {"folder of images by class", "text and label files"}:
        return None
    if any(batch[name].dtype == object for name in batch):
        return None
    shares: dict[str, float] = {}
    for name in map(str, batch):
        cells = batch[name].head(1000)
        cells = cells[cells != ""].drop_duplicates()
        if any(_is_path(source.root, cell) for cell in cells if "." in cell):
            return name
        n_named = sum(cell in source.pictures for cell in cells)
        shares[name] = n_named / max(1, len(cells))
    best = max(shares, key=lambda name: shares[name])
    return best if shares[best] >= _MIN_SHARE else None


def _is_path(root: Path, cell: str) -> bool:
    path = root / cell
    return len(cell) < 1000 and path.suffix.lower() in IMAGES and os.path.lexists(path) and path.is_file()


def picture(source: Source, cell: str) -> Path:
    """Return the image that a cell names: by its path from the table without links on the way, else by its name.

    Raises:
        InputError: the cell leads out of the table's folder, there is no such image, or there are several of that name.
    """
    named = source.pictures.get(cell, [])
    if len(named) == 1:
        return named[0]
    if len(named) > 1 and not _is_path(source.root, cell):
        where = ", ".join(str(path.relative_to(source.root)) for path in named[:3])
        what = f"{len(named)} images are called {cell[:80]!r}."
        raise InputError(what, where=where, do="give paths relative to the table, or call them differently")
    return _inside(source.root, cell)


def _inside(root: Path, cell: str) -> Path:
    """Return the file that a cell names, which lies in ``root`` without links on the way."""
    inner = PurePosixPath(cell)
    if cell == "" or inner.is_absolute() or ".." in inner.parts or "\\" in cell or "\x00" in cell:
        raise InputError(
            f"{cell[:80]!r} is no path inside the table's folder.", where=root.name, do="give relative paths"
        )
    path = root
    for part in inner.parts:
        path = path / part
        if os.path.islink(path):  # Path's own would raise where a name is too long
            raise InputError(f"{cell[:80]!r} is a link.", where=root.name, do="put the image itself there")
    if not os.path.lexists(path) or not path.is_file():
        raise InputError(f"There is no image {cell[:80]!r}.", where=root.name, do="give paths relative to the table")
    return path
