"""Samples that are no good: a stated reason or a finished comparison, never an exception or a number that is none."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from graft.recipe.schema import DetectShift
from graft.records import ShiftComparison
from graft.shift.compare import compare
from graft.shift.sample import Sample

BOUNDS = DetectShift(alpha=0.05, max_auc=0.6, n_permutations=99, max_rows=500)


def rows(seed: int, n: int, shift: float = 0.0, scale: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1, (n, 6)).astype(np.float32) * np.float32(scale)


def labels(seed: int, n: int, classes: str = "ab") -> np.ndarray:
    return np.random.default_rng(seed).choice(list(classes), n)


def compared(
    reference: tuple[np.ndarray, np.ndarray | None], current: tuple[np.ndarray, np.ndarray | None]
) -> ShiftComparison:
    """Compare, check that the record is whole and its sentences are free of what is no number, and return it."""
    samples = [
        Sample(name, X, y, rows=[f"row {k}" for k in range(len(X))])
        for name, (X, y) in zip(("rows before", "rows now"), (reference, current), strict=True)
    ]
    with np.errstate(all="raise", under="ignore"):
        found = compare("now", *samples, BOUNDS, rng=np.random.default_rng(0))
    assert all(math.isfinite(one) for one in numbers(found.model_dump()))
    assert not any(word in sentence.split() for sentence in sentences(found) for word in ("nan", "inf", "+nan"))
    assert ShiftComparison.model_validate_json(found.model_dump_json()) == found
    if found.shifted is None:
        assert found.because
        assert (found.auc, found.p_value, found.tests, found.kinds) == (None, None, (), ())
    else:
        assert found.p_value is not None
        assert found.p_value > 0
        assert [kind.name for kind in found.kinds] == ["covariate", "label", "concept"]
        assert all(kind.because for kind in found.kinds)
    return found


def numbers(value: Any) -> Iterator[float]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for one in value:
            yield from numbers(one)
    elif isinstance(value, float):
        yield value


def sentences(found: ShiftComparison) -> list[str]:
    return [found.because, found.advice, *(kind.because for kind in found.kinds)]


def kind(found: ShiftComparison, name: str) -> Any:
    return next(one for one in found.kinds if one.name == name)


def with_one(value: float) -> np.ndarray:
    X = rows(1, 50)
    X[3, 2] = value
    return X


@pytest.mark.parametrize(
    ("reference", "current", "because"),
    [
        (rows(0, 1), rows(1, 50), "1 rows on one side; 10 are needed"),
        (rows(0, 50), rows(1, 1), "1 rows on one side; 10 are needed"),
        (rows(0, 50), with_one(np.nan), "1 of rows now have features that are no numbers, or too large for any"),
        (with_one(np.inf), rows(0, 50), "1 of rows before have features that are no numbers, or too large for any"),
        (rows(0, 50), with_one(-np.inf), "1 of rows now have"),
        (rows(0, 50), rows(1, 50, scale=1e30), "50 of rows now have"),
        (rows(0, 50), rows(1, 50)[:, :4], "different width"),
        (rows(0, 50)[:, :0], rows(1, 50)[:, :0], "no columns"),
        (np.ones((50, 6), np.float32), np.ones((30, 6), np.float32), "all rows of each side have the same features"),
    ],
)
def test_what_cannot_be_compared(reference: np.ndarray, current: np.ndarray, because: str) -> None:
    """One row, NaN, infinity, diverged features, another width, none, or constant features: nothing is said, and why."""
    for has_labels in (True, False):
        sides = [(X, labels(2, len(X)) if has_labels else None) for X in (reference, current)]
        found = compared(*sides)
        assert found.shifted is None
        assert because in found.because


@pytest.mark.parametrize("has_labels", [True, False])
@pytest.mark.parametrize(("n", "m"), [(300, 20), (20, 300)])
def test_one_side_constant(n: int, m: int, has_labels: bool) -> None:
    """A side whose rows are all the same differs from one whose rows are not."""
    for sides in ((np.ones((n, 6), np.float32), rows(1, m)), (rows(0, n), np.ones((m, 6), np.float32))):
        assert compared(*((X, labels(2, len(X)) if has_labels else None) for X in sides)).shifted


def test_constant_and_repeated_columns() -> None:
    """Columns that are constant or repeat one another change no verdict."""
    for shift in (0.0, 1.0):
        X, Y = (
            np.hstack([one, one[:, :2], np.ones((len(one), 2), np.float32)])
            for one in (rows(0, 200), rows(11, 200, shift))
        )
        assert compared((X, labels(2, 200)), (Y, labels(3, 200))).shifted is bool(shift)


def test_duplicates_on_both_sides() -> None:
    """A sample against itself, and rows that stand five times on both sides alike, have not shifted."""
    X, y = rows(0, 200), labels(1, 200)
    assert compared((X, y), (X, y)).shifted is False
    assert (
        compared((np.repeat(X, 5, axis=0), np.repeat(y, 5)), (np.repeat(X, 5, axis=0), np.repeat(y, 5))).shifted
        is False
    )


@pytest.mark.parametrize("shift", [0.0, 1.5])
@pytest.mark.parametrize(("n", "m"), [(20, 20_000), (20_000, 20)])
def test_very_different_sizes(n: int, m: int, shift: float) -> None:
    """Twenty rows against 20,000 are compared either way round."""
    found = compared((rows(0, n), labels(2, n)), (rows(1, m, shift), labels(3, m)))
    assert found.shifted is bool(shift)
    assert kind(found, "concept").found is None


def test_a_class_missing_on_one_side() -> None:
    """A class that is gone, or new, is a shift of labels, counted; what is new is said to be."""
    three, two = labels(2, 300, "abc"), labels(3, 300, "ab")
    gone = compared((rows(0, 300), three), (rows(1, 300), two))
    assert kind(gone, "label").found
    assert "lacks" not in kind(gone, "label").because
    new = compared((rows(0, 300), two), (rows(1, 300), three))
    assert kind(new, "label").found
    assert f"{(three == 'c').mean():.0%} have labels that the reference lacks" in kind(new, "label").because
    assert new.shares


def test_labels_unseen_in_the_reference() -> None:
    """Where no current label was ever seen, every row would need another class, and of the concept nothing can be said."""
    found = compared((rows(0, 300), labels(2, 300)), (rows(1, 300), labels(3, 300, "xyz")))
    assert kind(found, "label").found
    assert kind(found, "label").because.startswith("100% of the rows would need another class")
    assert kind(found, "concept").found is None
    assert compared((rows(0, 300), labels(2, 300)), (rows(1, 300, 1), labels(3, 300, "xyz"))).shifted


def test_labels_of_one_class() -> None:
    """A reference of one class, or where each row has a class of its own, gives no probe, and the kinds say so."""
    own = np.array([f"label {k}" for k in range(200)])
    for known in (np.full(200, "a"), own, np.full(200, "")):
        for now in (np.full(200, "a"), own, labels(1, 200)):
            found = compared((rows(0, 200), known), (rows(11, 200), now))
            assert len(found.tests) == 2
            assert kind(found, "label").found is None
            assert kind(found, "concept").found is None
    found = compared((rows(0, 300), labels(1, 300)), (rows(1, 300), np.full(300, "a")))
    assert kind(found, "label").found


def test_a_class_that_the_probe_rules_out() -> None:
    """Rows that a sure probe answers with a class that is gone have finite confidences all the same."""
    before, now = rows(0, 400), rows(1, 400)
    known = np.where(before[:, 0] > 0, "a", "b")
    found = compared((before * np.float32(1000), known), (np.abs(now) * np.float32(1000), np.full(400, "b")))
    assert found.shifted
    assert kind(found, "label").found


@pytest.mark.parametrize("scale", [1e-30, 1e-6, 1e6, 1e12])
def test_units_change_no_verdict(scale: float) -> None:
    """Features in very small or very large units are compared as others are."""
    for shift in (0.0, 1.0):
        found = compared((rows(0, 200, scale=scale), labels(2, 200)), (rows(11, 200, shift, scale), labels(3, 200)))
        assert found.shifted is bool(shift)
        assert found.tests[1].p_value == pytest.approx(1 / (1 + BOUNDS.n_made)) or not shift


CASES: dict[str, Callable[[int], np.ndarray | None]] = {
    "none": lambda n: None,
    "all empty": lambda n: np.full(n, ""),
    "few": lambda n: np.where(np.arange(n) < 30, labels(4, n), ""),
    "two of many": lambda n: np.where(np.arange(n) < 2, "rare", labels(5, n)),
    "many": lambda n: np.array([f"c{k % 40}" for k in range(n)]),
}


@pytest.mark.parametrize("known", CASES)
@pytest.mark.parametrize("now", CASES)
def test_any_labels(known: str, now: str) -> None:
    """No labels, empty ones, few, rare classes and forty classes are compared with any of these on the other side."""
    found = compared((rows(0, 200), CASES[known](200)), (rows(11, 200), CASES[now](200)))
    assert found.shifted is False
