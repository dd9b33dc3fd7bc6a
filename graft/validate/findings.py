"""What is odd about the rows, whether it breaks a bound or not."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.compute as pc

from graft.leak import MIN_SHARE, share_given_away
from graft.modality import Modality
from graft.recipe import Validate
from graft.records import Finding
from graft.rows import COLUMN
from graft.validate.compact import LEARNED, TEST, TRAIN, Rows
from graft.validate.groups import crossing
from graft.validate.labels import label_findings
from graft.validate.suspects import rank_suspects

Ints = npt.NDArray[np.int_]

SEED = 20_250


def findings(rows: Rows, *, modality: Modality, bounds: Validate, is_batch: bool) -> list[Finding]:
    """Return what is odd about the rows, but for what the checks count. See ``validate_rows``."""
    found = resembling(rows, modality)
    flags = rows.frame["flags"].to_numpy()
    for bit, kind in enumerate(modality.oddities):
        found += rows.finding(flags & np.uint32(1 << bit) > 0, kind.name, severity=kind.severity, do=kind.do)
    for finding in modality.findings(rows.frame, rows.sample, bounds):
        found += rows.finding(finding.where, finding.name, severity=finding.severity, done=finding.done, do=finding.do)
    if not is_batch:
        found += leakage(rows, modality) + label_findings(rows, bounds.min_rows_per_class)
        found += columns(rows) + suspects(rows, modality)
    return found


def resembling(rows: Rows, modality: Modality) -> list[Finding]:
    """Return the rows that resemble an earlier one without repeating it."""
    near = np.zeros(len(rows.frame), dtype=bool)
    near[rows.near[0]] = True
    near &= ~rows.frame.duplicated("key").to_numpy()
    name = f"{modality.plural.capitalize()} that resemble another"
    return rows.finding(near, name, do="look whether they are the same")


def leakage(rows: Rows, modality: Modality) -> list[Finding]:
    """Return test rows whose content, or one that resembles it, stands in train; what ingest dropped from train included."""
    key, side = rows.frame["key"].to_numpy(), rows.frame["side"].to_numpy()
    twins = (side == TEST) & np.isin(key, key[side != TEST])
    is_open = bool(np.isin(key[twins], key[np.isin(side, LEARNED)]).any())
    found = rows.finding(
        twins,
        f"Test {modality.plural} that also stand in train",
        severity="error" if is_open else "warning",
        done="both kept" if is_open else "their twins were dropped from train",
        do="take them out of train" if is_open else "look how they came into both files",
    )
    at, other = _pairs(rows)
    a, b = side[at], side[other]
    across = np.where(a == TEST, np.isin(b, LEARNED), np.isin(a, LEARNED) & (b == TEST)) & (key[at] != key[other])
    tested = np.unique(np.where(side[at] == TEST, at, other)[across])
    return found + rows.finding(
        tested,
        f"Test {modality.plural} that resemble one in train",
        severity="warning",
        do="look whether they are the same",
    )


def _pairs(rows: Rows) -> tuple[Ints, Ints]:
    """Return the positions of rows that resemble an earlier one, and those of the earlier ones."""
    at, near = rows.near
    if not len(at):
        return at, at
    names = pc.unique(near)
    place = pc.index_in(rows.names, value_set=names).to_numpy()  # NaN where nothing resembles the row
    position = np.full(len(names), -1)
    placed = np.flatnonzero(~np.isnan(place.astype(float)))
    position[place[placed].astype(int)] = placed
    other = position[pc.index_in(near, value_set=names).to_numpy()]
    return at[other >= 0], other[other >= 0]


def columns(rows: Rows) -> list[Finding]:
    """Return columns that give the label away, are empty or infinite, or look like a group and stand on both sides."""
    found = [cell for column in rows.columns if column.startswith(COLUMN) for cell in _cells(rows, column)]
    sample = rows.sample[rows.sample["label"] != ""]
    codes = pd.factorize(sample["label"])[0]
    side = rows.frame["side"].to_numpy()
    for column in (name for name in rows.columns if name.startswith(COLUMN) and len(sample)):
        share = share_given_away(sample[column], codes)
        if share >= MIN_SHARE:
            found += rows.finding(
                sample["position"].to_numpy(dtype=int),
                f'Column "{column.removeprefix(COLUMN)}" gives the label away',
                severity="error",
                done=f"kept: right for {share:.1%} of {len(sample):,} rows",
                do="never train on it; ask whether it is known when the model is asked",
            )
    for column, hashes in rows.groups.items() if not rows.has_group else ():
        name = column.removeprefix(COLUMN)
        found += rows.finding(
            crossing(hashes, np.isin(side, LEARNED), side == TEST),
            f'Test rows whose "{name}" also stands in train',
            severity="warning",
            do=f"set data.group: {name}",
        )
    return found


def _cells(rows: Rows, column: str) -> list[Finding]:
    """Return whether a column of the sample is empty, and its infinite numbers."""
    values, name = rows.sample[column], column.removeprefix(COLUMN)
    at = rows.sample["position"].to_numpy(dtype=int)
    infinite = values.str.fullmatch(r"(?i)[+-]?inf(?:inity)?").to_numpy(dtype=bool)
    found = rows.finding(at if (values == "").all() else at[:0], f'Column "{name}" is empty', do="leave it out")
    return found + rows.finding(
        at[infinite], f'Column "{name}" holds infinite numbers', do="look how they came about, or leave them empty"
    )


def suspects(rows: Rows, modality: Modality) -> list[Finding]:
    """Return the training rows whose label looks wrong, the most suspicious first."""
    position = rows.sample["position"].to_numpy(dtype=int)
    chosen = rows.sample[(rows.frame["side"].to_numpy()[position] == TRAIN) & (rows.sample["label"] != "").to_numpy()]
    features = modality.suspect_features(chosen["content"].tolist())
    wrong = rank_suspects(features, chosen["label"].tolist(), C=modality.suspect_C, seed=SEED)
    given = chosen["label"].iloc[wrong.positions]
    pairs, counts = np.unique([f"{a} for {b}" for a, b in zip(given, wrong.suggested, strict=True)], return_counts=True)
    often = ", ".join(pairs[np.argsort(-counts, kind="stable")[:3]])
    return rows.finding(
        chosen["position"].to_numpy(dtype=int)[wrong.positions],
        "Labels that look wrong",
        severity="warning",
        done=f"kept; a probe that is right on {wrong.accuracy:.0%} of {len(chosen):,} training rows; most often {often}",
        do="look at each and mend its label",
    )
