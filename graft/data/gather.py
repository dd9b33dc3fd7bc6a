"""Streams a dataset's files into one file of rows, and keeps of each row in memory just the few numbers that decide its side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from graft.data.sides import position
from graft.data.sketches import Sketches
from graft.data.source_files import Part, columns_of, read_part
from graft.data.times import as_iso, read_times, refuse_unread
from graft.modality import MODALITIES
from graft.recipe import Data
from graft.rows import COLUMN, DROPPED, SIDES, TEST, TRAIN, row_schema

Progress = Callable[[int, int, str], None]
CHANGED, DROP = 1, 2
"""What a repair did to a row."""
_CODE = {side: code for code, side in enumerate(SIDES)}


@dataclass
class Gathered:
    """The rows of all files, in the order in which they came, as numbers.

    ``index`` has a row for each: key, id, group (uint64, 0 for none), label (int32, a place in ``labels``, -1 for none), natural
    (int8, the side by group, content, time or file alone), repaired (0, ``CHANGED`` or ``DROP``), is_label_only.
    """

    index: pd.DataFrame
    labels: list[str]
    parts: list[tuple[str, int]]

    def name(self, row: int) -> str:
        """Return a row's name for people: its file and its number there."""
        for file, n in self.parts:
            if row < n:
                return f"{file} row {row + 1}"
            row -= n
        raise IndexError(row)


def gather(
    parts: list[Part], data: Data, repairs: Mapping[str, str | None], rows: Path, sketches: Sketches, progress: Progress
) -> Gathered:
    """Stream the parts of a dataset, in their order, into one Parquet file ``rows``, as ``graft.rows`` declares it.

    Args:
        repairs: the repaired content of rows, by name; None: the row is dropped.
        sketches: filled with what each row is compared by.

    Raises:
        InputError: a part cannot be read, a time is none, or a content cannot be used.

    Cost: one pass, memory of one batch and about 35 bytes a row.
    """
    schema = row_schema(data.modality, _other_columns(parts, data), placed=False)
    index, labels, n = [], {"": -1}, 0
    sizes = []
    with pq.ParquetWriter(rows, schema, compression="zstd") as writer:
        for part in parts:
            before = n
            for batch in read_part(part, data):
                index.append(_index(batch, labels, part, data, repairs, sketches))
                if data.time_format is not None:
                    batch["time"] = as_iso(batch["time"], read_times(batch["time"], data.time_format))
                table = batch.reindex(columns=schema.names, fill_value="")
                writer.write_table(pa.Table.from_pandas(table, schema=schema, preserve_index=False))
                n += len(batch)
                progress(n, 0, "rows read")
            sizes.append((part.path.name, n - before))
    return Gathered(pd.concat(index, ignore_index=True), list(labels)[1:], sizes)


def read_rows_file(path: Path, columns: list[str] | None = None, *, batch_rows: int = 50_000) -> Iterator[pd.DataFrame]:
    """Yield a file of rows batch by batch."""
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=batch_rows, columns=columns):
            yield batch.to_pandas()


def _other_columns(parts: list[Part], data: Data) -> list[str]:
    """Return the columns of all parts that have no field of their own, as they come; columns of bytes are none."""
    found: dict[str, None] = {}
    own = {data.content, data.label, data.id, data.group, data.time} - set(data.sensitive)
    for part in parts:
        found |= {COLUMN + column: None for column in columns_of(part.path) if column not in own}
    return list(found)


def _index(
    batch: pd.DataFrame,
    labels: dict[str, int],
    part: Part,
    data: Data,
    repairs: Mapping[str, str | None],
    sketches: Sketches,
) -> pd.DataFrame:
    """Return the numbers of one batch and put repaired contents in place; labels not yet known get the next code.

    A repaired row stays on the side where it lay before, so its side comes from the content as it was.
    """
    for label in batch["label"].unique().tolist():
        labels.setdefault(label, len(labels) - 1)
    modality, names = MODALITIES[data.modality], batch["row"].tolist()
    keys = modality.content_keys(batch["content"], names)
    natural = _natural(batch, keys, part, data)
    repaired = np.zeros(len(batch), dtype=np.int8)
    for place, name in enumerate(names) if repairs else ():
        if name in repairs:
            text = repairs[name]
            repaired[place] = DROP if text is None else CHANGED
            if text is not None:
                batch.loc[batch.index[place], "content"] = text
                (keys[place],) = modality.content_keys([text], [name])
    sketches.add(batch["content"], names)
    return pd.DataFrame(
        {
            "key": np.array([int(key, 16) for key in keys], dtype=np.uint64),
            "id": _hash(batch["id"]),
            "group": _hash(batch["group"]),
            "label": batch["label"].map(labels).to_numpy(dtype=np.int32),
            "natural": natural,
            "repaired": repaired,
            "is_label_only": batch["is_label_only"].to_numpy(dtype=bool),
        }
    )


def _natural(batch: pd.DataFrame, keys: list[str], part: Part, data: Data) -> npt.NDArray[np.int8]:
    """Return where each row lies by itself."""
    if part.role == "test":
        return np.full(len(batch), _CODE[TEST], dtype=np.int8)
    if data.test is not None:
        return np.full(len(batch), _CODE[TRAIN], dtype=np.int8)
    if data.test_from is not None:
        times = _times(batch, part, data)
        later = np.where(times >= pd.Timestamp(data.test_from, tz="UTC"), _CODE[TEST], _CODE[TRAIN])
        return np.where(times.isna(), _CODE[DROPPED], later).astype(np.int8)
    anchors = [group or key for group, key in zip(batch["group"], keys, strict=True)]
    return np.array([_CODE[TEST] if position(a) < data.fraction_test else _CODE[TRAIN] for a in anchors], dtype=np.int8)


def check_times(part: Part, data: Data) -> None:
    """Raise an InputError where a part has a time that decides a row's side and cannot be read."""
    if data.test_from is not None:
        for batch in read_part(part, data):
            _times(batch, part, data)


def _times(batch: pd.DataFrame, part: Part, data: Data) -> pd.Series:
    """Return each row's time in UTC, NaT where none is given."""
    times = read_times(batch["time"], data.time_format)
    own = ~batch["is_label_only"].to_numpy(dtype=bool)
    names = batch["row"][own]
    where = f'{part.path}, column "{data.time}"'
    refuse_unread(batch["time"][own], times[own], where=where, row=lambda place: _capital(names.iloc[place]))
    return times


def _capital(name: str) -> str:
    """Return what a row is called at the start of a sentence."""
    file, _, number = name.rpartition(" row ")
    return f"Row {number} of {file}"


def _hash(values: pd.Series) -> npt.NDArray[np.uint64]:
    """Return a hash of each string, the same on every machine; 0 for the empty one."""
    array = values.to_numpy(dtype=object)
    return np.where(array == "", np.uint64(0), pd.util.hash_array(array, categorize=False) | np.uint64(1))
