"""ingest: what data is this, exactly? Files in, rows with a side out."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from graft.data import TEST, TRAIN, assign_sides, limit_rows_per_class, read_table
from graft.errors import InputError
from graft.recipe import Data
from graft.records import DatasetRecord, digest_folder, sha256_bytes
from tasks.rows import ROWS, SLICE
from tasks.steps import Context


def run(context: Context) -> DatasetRecord:
    """Read the recipe's dataset and put every row on a side."""
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
    train = _read(folder / data.train, data)
    test = _read(folder / data.test, data) if data.test else None
    rows, findings = assign_sides(train, test, fraction_test=data.fraction_test)
    if data.rows_per_class:
        rows = limit_rows_per_class(rows, data.rows_per_class)
    _check_classes(rows, data)
    rows.to_parquet(context.files / ROWS, index=False)

    counts = rows["side"].value_counts()
    n_train, n_test = int(counts.get(TRAIN, 0)), int(counts.get(TEST, 0))
    labels = tuple(sorted({label for label in rows["label"] if label}))
    return DatasetRecord(
        step="ingest",
        recipe=context.recipe.name,
        passed=True,
        summary=f"{n_train:,} train, {n_test:,} test rows, {len(labels)} classes",
        inputs=context.digests,
        n_rows=len(rows),
        n_train=n_train,
        n_test=n_test,
        n_dropped=len(rows) - n_train - n_test,
        labels=labels,
        train_sha256=_side_digest(rows, TRAIN),
        test_sha256=_side_digest(rows, TEST),
        findings=tuple(findings),
    )


def _read(path: Path, data: Data) -> pd.DataFrame:
    """Return one file's rows with the columns that every step knows."""
    sensitive = list(data.sensitive)
    table = read_table(path, [data.text, data.label, *([data.group] if data.group else []), *sensitive])
    rows = pd.DataFrame(
        {
            "row": [f"{path.name} row {n}" for n in range(1, len(table) + 1)],
            "text": table[data.text],
            "label": table[data.label].str.strip(),
            "group": table[data.group] if data.group else "",
        }
    )
    for column in sensitive:
        rows[SLICE + column] = table[column].str.strip()
    return rows


def _check_classes(rows: pd.DataFrame, data: Data) -> None:
    on_train = rows[rows["side"] == TRAIN]
    n_classes = on_train.loc[on_train["label"] != "", "label"].nunique()
    if n_classes < 2:
        raise InputError(
            f"Column {data.label!r} holds {n_classes} class{'es' if n_classes != 1 else ''} in train; a classifier needs two.",
            where=data.train,
            do="check data.label in the recipe",
        )
    if not (rows["side"] == TEST).any():
        raise InputError(
            "No row lies on the test side.", where=data.train, do="add rows, or name a test file: data.test"
        )


def _side_digest(rows: pd.DataFrame, side: str) -> str:
    """Return a digest of what lies on a side: contents and labels, whatever their order."""
    chosen = rows[rows["side"] == side]
    lines = sorted(f"{key}\t{label}" for key, label in zip(chosen["key"], chosen["label"], strict=True))
    return sha256_bytes("\n".join(lines).encode())
