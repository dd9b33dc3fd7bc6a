"""What is odd about the labels: tiny classes, classes on one side only, one class written in two ways, and stand-ins for none."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict

import numpy as np

from graft.records import Finding
from graft.rows import MISSING
from graft.validate.compact import TEST, TRAIN, Rows

_STAND_INS = MISSING | {
    "??", "--", ".", "nil", "unknown", "undefined", "unlabeled", "unlabelled", "not labelled", "no label", "missing", "tbd",
    "todo", "<na>", "not available",
}  # fmt: skip
_IMBALANCE = 10
_N_SAID = 5


def label_findings(rows: Rows, min_rows_per_class: int) -> list[Finding]:
    """Return what is odd about the labels of training and test rows."""
    label, side = rows.frame["label"].to_numpy(), rows.frame["side"].to_numpy()
    n_classes = len(rows.labels)
    train = np.bincount(label[(side == TRAIN) & (label >= 0)], minlength=n_classes)
    test = np.bincount(label[(side == TEST) & (label >= 0)], minlength=n_classes)
    used, on_test = train + test > 0, side == TEST
    tiny = used & (train < min_rows_per_class)
    unseen, unmeasured = (test > 0) & (train == 0), (train > 0) & (test == 0)
    found = rows.finding(
        np.isin(label, np.flatnonzero(tiny)) & (side == TRAIN),
        f"Training rows of classes below {min_rows_per_class} rows",
        severity="error",
        done=_say(rows, tiny),
        do="label more rows of them, or merge them with another class",
    )
    found += rows.finding(
        np.isin(label, np.flatnonzero(unseen)) & on_test,
        "Test rows of classes that train lacks",
        severity="error",
        done=_say(rows, unseen),
        do="label training rows of them, or take the class out",
    )
    if on_test.any():
        found += rows.finding(
            np.isin(label, np.flatnonzero(unmeasured)) & (side == TRAIN),
            "Training rows of classes that test lacks",
            severity="warning",
            done=f"cannot be measured: {_say(rows, unmeasured)}",
            do="label test rows of them",
        )
    if (train > 0).sum() > 1 and train.max() >= _IMBALANCE * train[train > 0].min():
        rarest = np.flatnonzero(train == train[train > 0].min())[:1]
        found += rows.finding(
            np.isin(label, rarest) & (side == TRAIN),
            "Training rows of the rarest class, far from balance",
            done=f"{_say(rows, rarest)}; the largest class has {train.max():,} rows",
            do="read macro figures beside accuracy",
        )
    return found + _spelling(rows)


def _spelling(rows: Rows) -> list[Finding]:
    """Return stand-ins for a missing label, and classes that differ in case, blanks, hyphens, Unicode form or as 1 and 1.0 do."""
    label = rows.frame["label"].to_numpy()
    written = defaultdict(list)
    for code, name in enumerate(rows.labels):
        folded = unicodedata.normalize("NFKC", name).casefold().strip()
        number = re.fullmatch(r"([+-]?\d+)(\.0+)?", folded)
        form = number[1] if number else re.sub(r"[\s_-]+", " ", folded).strip()
        written[form or folded].append(code)
    stand_in = np.array([code for form, codes in written.items() if form.strip() in _STAND_INS for code in codes], int)
    variants = np.array([code for codes in written.values() if len(codes) > 1 for code in codes], int)
    found = rows.finding(
        np.isin(label, stand_in),
        "Labels that stand for none",
        severity="warning",
        done=f"kept: {_say(rows, stand_in)}",
        do="leave the label empty, or give the class a name",
    )
    return found + rows.finding(
        np.isin(label, variants),
        "Labels of one class written in several ways",
        severity="warning",
        done=f"kept: {_say(rows, variants)}",
        do="write each class in one way",
    )


def _say(rows: Rows, which: np.ndarray) -> str:
    names = [repr(rows.labels[code]) for code in (np.flatnonzero(which) if which.dtype == bool else which)]
    more = f" and {len(names) - _N_SAID} more" if len(names) > _N_SAID else ""
    return ", ".join(names[:_N_SAID]) + more
