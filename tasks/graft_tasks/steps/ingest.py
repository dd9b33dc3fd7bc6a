"""ingest: what data is this, exactly? Files in, rows with a side out."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from graft.data import (
    BECAUSE,
    Gathered,
    Placed,
    Sides,
    parts_of,
    place_rows,
    read_repairs,
    read_rows_file,
    side_findings,
)
from graft.errors import InputError
from graft.recipe import Data
from graft.records import DatasetRecord, digest_folder
from graft.rows import SIDES, TEST, TRAIN, UNLABELLED
from graft_tasks.datasets.findings import finding_rows
from graft_tasks.steps.context import Context
from graft_tasks.steps.rows import ROWS

Bools = npt.NDArray[np.bool_]


def run(context: Context) -> DatasetRecord:
    """Read the recipe's dataset and put every row on a side: once through its files, then once through its rows."""
    data = context.recipe.data
    folder = _dataset(context)
    with (
        _scratch(context) as scratch,
        finding_rows(context.handle, "ingest") as all_rows,
    ):
        placed = place_rows(parts_of(folder, data), data, read_repairs(folder), scratch, context.progress)
        gathered, updates, sides = placed.gathered, placed.updates, placed.sides
        index = gathered.index
        _check_classes(index, sides, data)
        findings = side_findings(index, sides, updates, gathered.name, all_rows.add)
        _write(context.files / ROWS, placed)
        n_train, n_test, n_unlabelled = (int(sides.on(side).sum()) for side in (TRAIN, TEST, UNLABELLED))
        n, more = int((~updates.is_update).sum()), f", {n_unlabelled:,} unlabelled" if n_unlabelled else ""
        codes = index["label"].to_numpy()[~updates.is_update]
        labels = tuple(sorted(gathered.labels[code] for code in np.unique(codes) if code >= 0))
        record = DatasetRecord(
            step="ingest",
            recipe=context.recipe.name,
            passed=True,
            summary=f"{n_train:,} train, {n_test:,} test{more} rows, {len(labels)} classes",
            inputs=context.digests,
            n_rows=n,
            n_train=n_train,
            n_test=n_test,
            n_dropped=n - n_train - n_test - n_unlabelled,
            n_unlabelled=n_unlabelled,
            labels=labels,
            train_sha256=_side_digest(gathered, sides.on(TRAIN)),
            test_sha256=_side_digest(gathered, sides.on(TEST)),
            findings=tuple(findings),
        )
        all_rows.finish(record)
    return record


@contextmanager
def _scratch(context: Context) -> Iterator[Path]:
    """Give an empty folder beside the step's files; what a killed run left there is taken away."""
    folder = context.files.with_name(".placing")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _dataset(context: Context) -> Path:
    """Return the dataset's folder, which must be the pinned version."""
    data = context.recipe.data
    folder = context.workspace.dataset(data.dataset)
    files, digest = digest_folder(folder) if folder.is_dir() else ((), "")
    if digest != context.pinned.dataset.sha256:
        raise InputError(
            f"Dataset {data.dataset} is not the version that was pinned.",
            where=str(folder),
            do=f"dvc checkout, or graft run {context.recipe.name} to pin what is there",
        )
    context.digests |= {f"dataset/{file.path}": file.sha256 for file in files}
    return folder


def _first_alike(pairs: npt.NDArray[np.int64], n: int) -> npt.NDArray[np.int64]:
    """Return for each row the first row before it that it resembles, -1 for none, shape (n,)."""
    near = np.full(n, -1)
    order = np.argsort(-pairs[:, 0], kind="stable")
    near[pairs[order, 1]] = pairs[order, 0]
    return near


def _write(target: Path, placed: Placed) -> None:
    """Write the rows that stand for themselves, with their last label and all fields of ``graft.rows``.

    The types are those that pandas gives, large strings: by the declared schema the bytes would be others, and say no more.
    """
    gathered, sides, stands = placed.gathered, placed.sides, ~placed.updates.is_update
    near = _first_alike(placed.pairs, len(stands))
    words, sides_of, reasons = (np.array(w, dtype=object) for w in ([*gathered.labels, ""], SIDES, BECAUSE))
    done, writer = 0, None
    for batch in read_rows_file(placed.rows):
        here = slice(done, done + len(batch))
        done += len(batch)
        index = gathered.index[here]
        batch["label"] = words[index["label"].to_numpy()]  # code -1 is the last word, the empty one
        batch["key"] = [f"{key:016x}" for key in index["key"].tolist()]
        batch["near"] = [gathered.name(other) if other >= 0 else "" for other in near[here].tolist()]
        batch["side"], batch["because"] = sides_of[sides.side[here]], reasons[sides.because[here]]
        table = pa.Table.from_pandas(batch[stands[here]], preserve_index=False)
        writer = writer or pq.ParquetWriter(target, table.schema, compression="zstd")
        writer.write_table(table)
    if writer:
        writer.close()


def _check_classes(index: pd.DataFrame, sides: Sides, data: Data) -> None:
    if not sides.on(TRAIN).any() and sides.stands_across().any():
        raise InputError(
            "Every training row is also a test row, or like one, so there is nothing to train on.",
            where=f"{data.train} and {data.test or 'the rows set aside of it'}",
            do="give a test file of other rows, or data.test: null, which sets a share of the rows aside",
        )
    n_classes = len(np.unique(index["label"].to_numpy()[sides.on(TRAIN)]))
    if n_classes < 2:
        raise InputError(
            f"Column {data.label!r} holds {n_classes} class{'es' if n_classes != 1 else ''} in train; a classifier needs two.",
            where=data.train,
            do="check data.label in the recipe",
        )
    if not sides.on(TEST).any():
        raise InputError(
            "No row lies on the test side.", where=data.train, do="add rows, or name a test file: data.test"
        )


def _side_digest(gathered: Gathered, chosen: Bools) -> str:
    """Return a digest of what lies on a side: contents and labels, whatever their order."""
    rows = gathered.index[chosen]
    rank = np.argsort(np.argsort(np.array(gathered.labels, dtype=object)))
    keys, codes = rows["key"].to_numpy(), rows["label"].to_numpy()
    digest = hashlib.sha256()
    for k, row in enumerate(np.lexsort((rank[codes], keys)).tolist()):
        digest.update(f"{chr(10) * (k > 0)}{keys[row]:016x}\t{gathered.labels[codes[row]]}".encode())
    return digest.hexdigest()
