"""The cells of a curve: one arm, one size, one draw each. Measured once and kept, so that a killed command goes on.

Like a checkpoint a kept cell is a convenience: one that is damaged, or of anything else, is measured again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field, ValidationError

from graft.learning_curve.grid import Size
from graft.records import Value, canonical_json, sha256_bytes, write_json
from graft.records.cost import Cost
from graft.records.safe_read import MAX_JSON

CELLS = 1
"""Version of the code that measures: raise it when the same facts give other hits, and every cell is measured again."""
Hits = npt.NDArray[np.bool_]


class Cell(Value):
    """What one learning gave and took. ``hits`` are the test rows that were right, packed to bits, in hexadecimal."""

    schema_version: int = 1
    key: str
    arm: str
    size: int | None = Field(description="rows of each class; null: all")
    draw: int
    n_rows: int = Field(description="rows that were learned from")
    n_test: int
    hits: str = Field(pattern=r"^([0-9a-f]{2})*$")
    chosen: dict[str, float] = Field(description="settings that the arm chose by its training rows")
    cost: Cost
    surroundings: dict[str, Any] = Field(description="what computed: times can be compared where it is the same")

    def right(self) -> Hits:
        """Return which test rows were right, shape (n_test,)."""
        return unpack(self.hits, self.n_test)


def pack(hits: Hits) -> str:
    """Return hits as hexadecimal digits, four rows each."""
    return np.packbits(hits).tobytes().hex()


def unpack(packed: str, n: int) -> Hits:
    """Return n hits.

    Raises:
        ValueError: the digits are of another number of rows.
    """
    packed_bytes = np.frombuffer(bytes.fromhex(packed), dtype=np.uint8)
    if len(packed_bytes) != (n + 7) // 8:
        raise ValueError(f"{len(packed_bytes)} bytes cannot be {n} hits")
    return np.unpackbits(packed_bytes, count=n).astype(bool)


@dataclass(frozen=True)
class CellKey:
    """Which cell: the arm, its rows of each class (None: all), the number of its draw."""

    arm: str
    size: Size
    draw: int

    @property
    def words(self) -> str:
        """Which cell, for people."""
        size = "all rows" if self.size is None else f"{self.size} a class"
        return f"{self.arm}, {size}, draw {self.draw + 1}"


@dataclass(frozen=True)
class Cells:
    """The folder of a curve's cells.

    Args:
        facts: what every cell depends on beside its place and what its arm adds.
    """

    folder: Path
    facts: dict[str, Any]

    def key(self, place: CellKey, more: dict[str, Any]) -> str:
        """Return the digest of everything that a cell's hits depend on."""
        facts = {**self.facts, "cells": CELLS, "arm": place.arm, "size": place.size, "draw": place.draw, "more": more}
        return sha256_bytes(canonical_json(facts))

    def read(self, place: CellKey, more: dict[str, Any], n_test: int) -> Cell | None:
        """Return the kept cell of a place; None without one that is whole and of these facts."""
        key = self.key(place, more)
        path = self._path(place, key)
        try:
            if path.stat().st_size > MAX_JSON:
                return None
            cell = Cell.model_validate_json(path.read_bytes())
            cell.right()
        except (OSError, ValidationError, ValueError):
            return None
        found = (cell.key, cell.arm, cell.size, cell.draw, cell.n_test)
        return cell if found == (key, place.arm, place.size, place.draw, n_test) else None

    def measured(self, place: CellKey, more: dict[str, Any], measure: Callable[[], dict[str, Any]]) -> Cell:
        """Measure a cell and keep it; a crash leaves a whole cell or none.

        Args:
            measure: gives what stands in the cell beside its place and key.

        Raises:
            OSError: the disk is full or may not be written.
        """
        key = self.key(place, more)
        cell = Cell(key=key, arm=place.arm, size=place.size, draw=place.draw, **measure())
        write_json(self._path(place, key), cell)
        return cell

    def _path(self, place: CellKey, key: str) -> Path:
        size = "all" if place.size is None else f"{place.size}"
        return self.folder / f"{place.arm}-{size}-{place.draw}-{key[:16]}.json"
