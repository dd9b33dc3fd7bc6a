"""What is kept of all rows while they stream by: a few numbers each, a sample, and the columns that expectations name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from graft.modality import Modality
from graft.records import TAKEN_OUT, Finding, Severity
from graft.rows import COLUMN, SIDES, strings
from graft.validate.groups import looks_like_group

Whole = Callable[[str, Iterable[str]], None]
"""Called with the name of each finding and those of all its rows."""
Read = Callable[[], Iterator[pd.DataFrame]]
Ints = npt.NDArray[np.int_]
Bools = npt.NDArray[np.bool_]

TRAIN, TEST, DROPPED, UNLABELLED, BATCH = range(len(SIDES))
"""Codes of the sides."""
LEARNED = (TRAIN, UNLABELLED)
"""Sides whose rows are learned from: no row of the test side may stand there."""
N_SAMPLE = 20_000
_N_GROUPS = 8
N_NAMED = 20
_N_TAKEN = 50_000


@dataclass(frozen=True)
class Rows:
    """All rows, in the order in which they came.

    Args:
        frame: columns key (uint64), label (code into ``labels``, -1 for none), side (code), waiting (bool), and those of the
            modality's ``describe``, flags (uint32) among them.
        names: of the rows, for people.
        near: positions of the rows that resemble an earlier one, and that one's name.
        sample: the N_SAMPLE rows of smallest key that were not dropped, whole, but for contents, which the modality shortens;
            ``position`` is the row's.
        kept: whole columns, by name.
        groups: hashes (0 for empty) of columns that may name a customer or a patient.
        whole: called with each finding and all its rows; None: nobody asks.
    """

    frame: pd.DataFrame
    names: pa.ChunkedArray
    labels: tuple[str, ...]
    near: tuple[Ints, pa.ChunkedArray]
    sample: pd.DataFrame
    kept: dict[str, pa.ChunkedArray]
    groups: dict[str, npt.NDArray[np.uint64]]
    columns: tuple[str, ...]
    has_group: bool
    whole: Whole | None = None

    def names_of(self, positions: npt.NDArray[Any]) -> Iterator[str]:
        """Yield the names of rows."""
        for start in range(0, len(positions), _N_TAKEN):
            yield from self.names.take(pa.array(positions[start : start + _N_TAKEN], type=pa.int64())).to_pylist()

    def finding(
        self, where: Bools | Ints, name: str, *, severity: Severity = "note", done: str = "kept", do: str = ""
    ) -> list[Finding]:
        """Return the finding of the rows of a mask, or of positions in their order; none of no rows."""
        positions = np.flatnonzero(where) if where.dtype == bool else where
        named = tuple(self.names_of(positions[:N_NAMED]))
        if self.whole is not None:
            self.whole(name, self.names_of(positions))
        finding = Finding(name=name, n_rows=len(positions), rows=named, severity=severity, done=done, do=do)
        return [finding] if len(positions) else []


def gather(read: Read, modality: Modality, keep: Collection[str], whole: Whole | None = None) -> Rows:
    """Stream the rows once.

    Args:
        read: yields frames of rows; see ``validate_rows``.
        keep: columns to keep whole; those that are not there are left out.
        whole: see ``Rows``.

    Cost: linear in the rows; the frame takes at most 50 bytes a row; names, hashes and kept columns come on top.
    """
    frames: list[pd.DataFrame] = []
    names, near_names, near_at = [], [], []
    labels: dict[str, int] = {}
    kept: dict[str, list[pa.Array]] = {}
    groups: dict[str, list[npt.NDArray[np.uint64]]] | None = None
    columns: tuple[str, ...] = ()
    sample, n, has_group = Sample(modality), 0, False
    for table in read():
        batch = table[table["because"] != TAKEN_OUT].reset_index(drop=True)
        if not len(batch):
            continue
        if groups is None:
            columns = tuple(str(column) for column in batch.columns)
            groups = {c: [] for c in columns if c.startswith(COLUMN) and looks_like_group(c, batch[c])}
            groups = dict(list(groups.items())[:_N_GROUPS])
        compact = _compact(batch, modality, labels)
        frames.append(compact)
        names.append(strings(batch["row"]))
        resembles = np.flatnonzero((batch["near"] != "").to_numpy())
        near_at.append(resembles + n)
        near_names.append(strings(batch["near"].iloc[resembles]))
        for column in keep:
            if column in batch.columns:
                kept.setdefault(column, []).append(strings(batch[column]))
        for column, hashes in groups.items():
            hashes.append(_hashes(batch[column]))
        has_group = has_group or bool((batch["group"] != "").any())
        sample.add(batch.assign(position=np.arange(n, n + len(batch))), compact)
        n += len(batch)
    text = pa.large_string()
    return Rows(
        frame=pd.concat(frames, ignore_index=True) if frames else _compact(_NONE, modality, labels),
        names=pa.chunked_array(names, type=text),
        labels=tuple(labels),
        near=(np.concatenate([np.zeros(0, int), *near_at]), pa.chunked_array(near_names, type=text)),
        sample=sample.whole(),
        kept={column: pa.chunked_array(pieces, type=text) for column, pieces in kept.items()},
        groups={column: np.concatenate(hashes) for column, hashes in (groups or {}).items()},
        columns=columns,
        has_group=has_group,
        whole=whole,
    )


_NONE = pd.DataFrame({c: pd.Series([], dtype=str) for c in ("row", "id", "content", "label", "key", "side")})


def _compact(batch: pd.DataFrame, modality: Modality, labels: dict[str, int]) -> pd.DataFrame:
    """Return a batch's numbers; labels not seen before get the next codes."""
    described = modality.describe(batch["content"], batch["row"].tolist())
    key = np.frombuffer(bytes.fromhex("".join(batch["key"])), dtype=">u8").astype(np.uint64)
    return described.assign(
        key=key,
        label=_codes(batch["label"], labels),
        side=np.select([(batch["side"] == side).to_numpy() for side in SIDES], range(len(SIDES)), -1).astype(np.int8),
        waiting=((batch["id"] != "") & (batch["label"] == "")).to_numpy(dtype=bool),
    )


def _codes(column: pd.Series, labels: dict[str, int]) -> npt.NDArray[np.int32]:
    coded = pc.dictionary_encode(strings(column))
    codes = [labels.setdefault(label, len(labels)) if label else -1 for label in coded.dictionary.to_pylist()]
    taken: npt.NDArray[np.int32] = np.array(codes, dtype=np.int32)[coded.indices.to_numpy(zero_copy_only=False)]
    return taken


def _hashes(column: pd.Series) -> npt.NDArray[np.uint64]:
    coded = pc.dictionary_encode(strings(column))
    values = np.array(coded.dictionary.to_pylist(), dtype=object)
    hashes: npt.NDArray[np.uint64] = np.where(values == "", np.uint64(0), pd.util.hash_array(values, categorize=False))
    taken: npt.NDArray[np.uint64] = hashes[coded.indices.to_numpy(zero_copy_only=False)]
    return taken


class Sample:
    """The rows of smallest key: a sample that no order of the rows changes."""

    def __init__(self, modality: Modality) -> None:
        self.modality = modality
        self.frames: list[pd.DataFrame] = []
        self.n, self.limit = 0, np.uint64(2**64 - 1)

    def add(self, batch: pd.DataFrame, compact: pd.DataFrame) -> None:
        chosen = (compact["side"] != DROPPED).to_numpy() & (compact["key"].to_numpy() <= self.limit)
        if not chosen.any():
            return
        part = batch[chosen].assign(key=compact["key"].to_numpy()[chosen])
        if len(part) > N_SAMPLE:
            part = part.sort_values("key", kind="stable").head(N_SAMPLE)
        self.frames.append(part.assign(content=self.modality.shorten(part["content"], part["row"].tolist())))
        self.n += len(part)
        if self.n > 2 * N_SAMPLE:
            self._prune()

    def _prune(self) -> None:
        whole = pd.concat(self.frames, ignore_index=True).sort_values("key", kind="stable").head(N_SAMPLE)
        self.frames, self.n = [whole], len(whole)
        if len(whole) == N_SAMPLE:
            self.limit = whole["key"].iloc[-1]

    def whole(self) -> pd.DataFrame:
        """Return the sample, rows in the order in which they came."""
        if not self.frames:
            return pd.DataFrame({"label": [], "content": [], "position": []})
        self._prune()
        return self.frames[0].sort_values("position").reset_index(drop=True)
