"""Are these the classes that were meant? Names that nearly are another class's, and test rows of other classes than train's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from pathlib import Path

from graft.errors import InputError, nearest

_ALIKE = 0.8


def nearest_label(name: str, known: Collection[str]) -> str | None:
    """Return the class whose name is most like one that is no class, case and blanks around it aside, or None."""
    return nearest(name, known, cutoff=_ALIKE)


def strange_labels(train: Counter[str], test: Counter[str]) -> str:
    """Return a sentence where no class of the test rows is one of the training rows', else an empty text."""
    if not train or not test or any(label in train for label in test):
        return ""
    shown = []
    for label, n in test.most_common(3):
        near = nearest_label(label, train)
        shown.append(f"{label[:60]!r} ({n:,} rows{f', in train {near[:60]!r}' if near else ''})")
    more = f" and {len(test) - 3:,} more" if len(test) > 3 else ""
    return f"No class of the test rows occurs in train: {', '.join(shown)}{more}."


def check_test_labels(counts: dict[str, Counter[str]], column: str, files: dict[str, Path]) -> None:
    """Raise an InputError where no class of the test rows is one of the training rows': nothing could be measured.

    Args:
        counts: the rows of each class, by role.
        column: with the classes.
        files: by role.
    """
    problem = strange_labels(counts["train"], counts["test"]) if "test" in counts else ""
    if problem:
        where = f'{files["test"]}, column "{column}"'
        raise InputError(problem, where=where, do="write the classes alike in both files")


def check_new_labels(new: Counter[str], known: Collection[str], *, min_rows: int, accepted: Collection[str]) -> None:
    """Raise an InputError where a class that is new has few rows and nearly the name of one that is there.

    Args:
        new: the rows of each class that an added file brings.
        min_rows: that a class needs to be trained on.
        accepted: classes that a person says are meant.
    """
    for label, n in new.items():
        near = nearest_label(label, known) if label not in known and label not in accepted and n < min_rows else None
        if near:
            raise InputError(
                f"Class {label[:60]!r} is new and has {n:,} row{'s' * (n != 1)}; did you mean {near[:60]!r}?",
                do=f"correct the label; or, if it is a class of its own: --new-class {label[:60]!r}",
            )
