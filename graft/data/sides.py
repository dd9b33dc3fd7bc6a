"""Which side of the train/test border a row lies on: a function of its content, so that it never changes as data grows."""

from __future__ import annotations

import hashlib
import re
import sys
import unicodedata
from functools import cache

import pandas as pd

from graft.records import Finding

TRAIN, TEST, DROPPED = "train", "test", "dropped"
_SPACE = re.compile(r"\s+")
_N_NAMED = 20


def content_key(text: str) -> str:
    """Return 16 hex digits that name a text's content: equal for texts that differ in case, spacing, punctuation or Unicode form.

    Currency and mathematical signs are form too ("a $1 charge" and "a £1 charge" ask the same); emoji and vowel signs count.
    A text of signs alone is named by them.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    normal = _SPACE.sub(" ", folded.translate(_punctuation())).strip() or folded.strip()
    return hashlib.sha256(normal.encode("utf-8", "surrogatepass")).hexdigest()[:16]


@cache
def _punctuation() -> dict[int, str]:
    """Return every punctuation, separator, control, currency and mathematical character, each to become a blank."""
    kinds = ("P", "Z", "Cc", "Cf", "Sc", "Sm", "Sk")
    return {code: " " for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)).startswith(kinds)}


def _position(key: str) -> float:
    """Return a place in [0, 1) that the key alone determines."""
    return int(hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:13], 16) / 16**13


def assign_sides(
    train: pd.DataFrame, test: pd.DataFrame | None, *, fraction_test: float
) -> tuple[pd.DataFrame, list[Finding]]:
    """Return all rows with their side, and what was dropped and why.

    A row lies in test where the hash of its group (of its content, without groups) falls below ``fraction_test``; given test
    rows are respected. Then no twin crosses: a training row whose content stands in test, or repeats an earlier training row
    with the same label, is dropped and named. A text that stands in train with two labels keeps both rows and is named.
    Findings count what stood in the files, before anything was dropped.

    Args:
        train: columns row (a name for people), text, label, group (may be empty strings).
        test: the same, or None.
        fraction_test: share of groups set aside when ``test`` is None, in (0, 1).

    Returns:
        the rows with the added columns ``key``, ``side`` and ``because``; the findings.

    Cost: O(rows), one hash each.
    """
    train = train.assign(key=[content_key(text) for text in train["text"]], side=TRAIN, because="")
    if test is None:
        anchor = train["group"].where(train["group"] != "", train["key"])
        train.loc[anchor.map(_position) < fraction_test, "side"] = TEST
        rows = train
    else:
        test = test.assign(key=[content_key(text) for text in test["text"]], side=TEST, because="")
        rows = pd.concat([train, test], ignore_index=True)

    findings = [
        _drop_unlabelled(rows),
        _drop_twins(rows),
        _drop_repeats(rows),
        _name_conflicts(rows),
    ]
    return rows, [finding for finding in findings if finding.n_rows]


def _drop_unlabelled(rows: pd.DataFrame) -> Finding:
    """Drop rows without a label, from both sides: they can neither teach nor be scored."""
    unlabelled = rows["label"] == ""
    rows.loc[unlabelled, ["side", "because"]] = [DROPPED, "no label"]
    return _finding(rows, unlabelled, "rows without a label", "dropped")


def _drop_twins(rows: pd.DataFrame) -> Finding:
    """Drop training rows whose content stands in test; name the test rows."""
    on_train, on_test = rows["side"] == TRAIN, rows["side"] == TEST
    twins = on_train & rows["key"].isin(rows.loc[on_test, "key"])
    tested = on_test & rows["key"].isin(rows.loc[on_train, "key"])
    rows.loc[twins, ["side", "because"]] = [DROPPED, "also in test"]
    n = int(twins.sum())
    return _finding(
        rows, tested, "test texts that also stand in train", f"{n} twin{'s' if n != 1 else ''} dropped from train"
    )


def _drop_repeats(rows: pd.DataFrame) -> Finding:
    """Drop training rows that repeat an earlier one; where the label differs both are kept, as neither is known to be right."""
    given = (rows["side"] != TEST) & (rows["label"] != "")
    repeats = given & rows[given].duplicated("key").reindex(rows.index, fill_value=False)
    same = given & rows[given].duplicated(["key", "label"]).reindex(rows.index, fill_value=False)
    rows.loc[same & (rows["side"] == TRAIN), ["side", "because"]] = [DROPPED, "repeats another row"]
    return _finding(rows, repeats, "training rows that repeat another", "dropped where the label is the same")


def _name_conflicts(rows: pd.DataFrame) -> Finding:
    given = (rows["side"] != TEST) & (rows["label"] != "")
    n_labels = rows[given].groupby("key")["label"].nunique()
    conflict = given & rows["key"].isin(n_labels[n_labels > 1].index)
    return _finding(rows, conflict, "training rows of texts with two labels", "kept, each with its label")


def _finding(rows: pd.DataFrame, chosen: pd.Series, name: str, done: str) -> Finding:
    named = tuple(rows.loc[chosen, "row"].head(_N_NAMED))
    return Finding(name=name, n_rows=int(chosen.sum()), rows=named, done=done)


def limit_rows_per_class(rows: pd.DataFrame, n: int) -> pd.DataFrame:
    """Return the rows with all but ``n`` training rows of each class dropped; which ones, the hash of the content decides."""
    on_train = rows[rows["side"] == TRAIN]
    rank = on_train.assign(place=on_train["key"].map(_position)).groupby("label")["place"].rank(method="first")
    over = rank[rank > n].index
    rows = rows.copy()
    rows.loc[over, ["side", "because"]] = [DROPPED, f"beyond {n} rows per class"]
    return rows
