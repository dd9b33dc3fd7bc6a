"""What is odd about the rows, whether it breaks a bound or not."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.compute as pc

from graft.leak import MIN_SHARE, share_given_away
from graft.modality.text.language import N_TEXTS, tell_languages
from graft.recipe import Modality
from graft.records import Finding
from graft.rows import COLUMN
from graft.validate.compact import LEARNED, TEST, TRAIN, Rows
from graft.validate.groups import crossing
from graft.validate.labels import label_findings
from graft.validate.oddities import IMAGE_ODDITIES, TEXT_ODDITIES, Oddity
from graft.validate.suspects import image_features, rank_suspects, text_features

Ints = npt.NDArray[np.int_]

SEED = 20_250
_MIN_PILE = 10
_PILE = 5
_PILE_WIDTH = 10
_MAX_MINORITY = 0.1


def findings(
    rows: Rows, *, modality: Modality, language: str | None, min_rows_per_class: int, is_batch: bool
) -> list[Finding]:
    """Return what is odd about the rows, but for what the checks count. See ``validate_rows``."""
    found = resembling(rows, modality)
    kinds: tuple[Oddity, ...] = TEXT_ODDITIES if modality == "text" else IMAGE_ODDITIES
    flags = rows.frame["flags"].to_numpy()
    for bit, kind in enumerate(kinds):
        found += rows.finding(flags & np.uint32(1 << bit) > 0, kind.name, severity=kind.severity, do=kind.do)
    if modality == "text":
        found += cut_texts(rows) + languages(rows, language)
    if not is_batch:
        found += leakage(rows, modality) + label_findings(rows, min_rows_per_class)
        found += columns(rows) + suspects(rows, modality)
    return found


def resembling(rows: Rows, modality: Modality) -> list[Finding]:
    """Return the rows that resemble an earlier one without repeating it."""
    near = np.zeros(len(rows.frame), dtype=bool)
    near[rows.near[0]] = True
    near &= ~rows.frame.duplicated("key").to_numpy()
    kind = "Texts" if modality == "text" else "Images"
    return rows.finding(near, f"{kind} that resemble another", do="look whether they are the same")


def leakage(rows: Rows, modality: Modality) -> list[Finding]:
    """Return test rows whose content, or one that resembles it, stands in train; what ingest dropped from train included."""
    key, side = rows.frame["key"].to_numpy(), rows.frame["side"].to_numpy()
    twins = (side == TEST) & np.isin(key, key[side != TEST])
    is_open = bool(np.isin(key[twins], key[np.isin(side, LEARNED)]).any())
    kind = "texts" if modality == "text" else "images"
    found = rows.finding(
        twins,
        f"Test {kind} that also stand in train",
        severity="error" if is_open else "warning",
        done="both kept" if is_open else "their twins were dropped from train",
        do="take them out of train" if is_open else "look how they came into both files",
    )
    at, other = _pairs(rows)
    a, b = side[at], side[other]
    across = np.where(a == TEST, np.isin(b, LEARNED), np.isin(a, LEARNED) & (b == TEST)) & (key[at] != key[other])
    tested = np.unique(np.where(side[at] == TEST, at, other)[across])
    return found + rows.finding(
        tested, f"Test {kind} that resemble one in train", severity="warning", do="look whether they are the same"
    )


def _pairs(rows: Rows) -> tuple[Ints, Ints]:
    """Return the positions of rows that resemble an earlier one, and those of the earlier ones."""
    at, near = rows.near
    if not len(at):
        return at, at
    names = pc.unique(near)
    place = pc.index_in(rows.names, value_set=names).to_numpy()  # NaN where nothing resembles the row
    position = np.full(len(names), -1)
    there = np.flatnonzero(~np.isnan(place.astype(float)))
    position[place[there].astype(int)] = there
    other = position[pc.index_in(near, value_set=names).to_numpy()]
    return at[other >= 0], other[other >= 0]


def cut_texts(rows: Rows) -> list[Finding]:
    """Return texts that were cut at one length: many of just that length, few of the ten below it, most without an end.

    Only the largest length can be one, so only it is looked at.
    """
    n_raw = rows.frame["n_raw"].to_numpy()
    if not len(n_raw):
        return []
    counts = np.bincount(n_raw)
    length, n = len(counts) - 1, int(counts[-1])
    below = counts[max(0, length - _PILE_WIDTH) : length]
    full = n_raw == length
    is_pile = n >= _MIN_PILE and n >= _PILE * max(1.0, float(below.mean()) if len(below) else 0.0)
    if not is_pile or length < 20 or rows.frame["unfinished"].to_numpy()[full].mean() < 0.5:
        return []
    return rows.finding(
        full,
        "Texts that look cut",
        severity="warning",
        done=f"kept: all of {length:,} characters, and no text is longer",
        do="look for the whole texts where they came from",
    )


def languages(rows: Rows, expected: str | None) -> list[Finding]:
    """Return texts in another language than expected; without an expectation, the most frequent one and the few others."""
    sample = rows.sample.head(0) if rows.sample.empty else rows.sample.sort_values("key", kind="stable").head(N_TEXTS)
    sample = sample.sort_values("position")
    told = tell_languages(sample["content"].tolist())
    names, counts = np.unique(told[told != ""], return_counts=True)
    if not len(names):
        return []
    order = np.argsort(-counts, kind="stable")
    said = ", ".join(f"{names[k]} {counts[k]:,}" for k in order[:5])
    done = f"kept; of {counts.sum():,} texts looked at: {said}"
    main = expected or str(names[order[0]])
    at = sample["position"].to_numpy(dtype=int)
    others = at[(told != "") & (told != main)]
    found = [] if expected else rows.finding(at[told == main], f"Texts in the language {main}", done=done)
    if expected or len(others) <= _MAX_MINORITY * counts.sum():
        found += rows.finding(
            others,
            f"Texts in another language than {main}",
            severity="warning" if expected else "note",
            done=done,
            do="look whether they belong here",
        )
        return found
    return found + rows.finding(
        others, "Texts in several languages", severity="warning", done=done, do="choose a base that knows all of them"
    )


def columns(rows: Rows) -> list[Finding]:
    """Return columns that give the label away, are empty or infinite, or look like a group and stand on both sides."""
    found = [one for column in rows.columns if column.startswith(COLUMN) for one in _cells(rows, column)]
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
    if modality == "text":
        features = text_features(chosen["content"].tolist())
    else:
        greys = np.frombuffer(b"".join(chosen["content"]), dtype=np.uint8).reshape(len(chosen), 32, 32)
        features = image_features(greys) if len(chosen) else None
    seen = rank_suspects(features, chosen["label"].tolist(), modality=modality, seed=SEED)
    given = chosen["label"].iloc[seen.positions]
    pairs, counts = np.unique([f"{a} for {b}" for a, b in zip(given, seen.suggested, strict=True)], return_counts=True)
    often = ", ".join(pairs[np.argsort(-counts, kind="stable")[:3]])
    return rows.finding(
        chosen["position"].to_numpy(dtype=int)[seen.positions],
        "Labels that look wrong",
        severity="warning",
        done=f"kept; a probe that is right on {seen.accuracy:.0%} of {len(chosen):,} training rows; most often {often}",
        do="look at each and mend its label",
    )
