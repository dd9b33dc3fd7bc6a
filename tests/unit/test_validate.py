"""The data suite: each expectation notices its own trouble and no other."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from graft.data import content_key
from graft.validate import validate_rows

BOUNDS: dict[str, Any] = {
    "max_fraction_damaged": 0.0,
    "max_fraction_duplicates": 0.0,
    "max_fraction_conflicts": 0.0,
    "max_fraction_unlabelled": 0.0,
    "min_rows_per_class": 3,
}
Row = tuple[str, str, str]


def good() -> list[Row]:
    rows = [(f"message {k} about x", "x", "train") for k in range(4)] + [
        (f"message {k} about y", "y", "train") for k in range(4)
    ]
    return [*rows, ("another about x", "x", "test"), ("another about y", "y", "test")]


def outcomes(rows: list[Row], labels: tuple[str, ...] = ("x", "y"), **bounds: Any) -> dict[str, str]:
    frame = pd.DataFrame(rows, columns=["text", "label", "side"])
    frame["key"] = frame["text"].map(content_key)
    frame["row"] = [f"row {k}" for k in range(1, len(frame) + 1)]
    checks, _ = validate_rows(frame, labels=labels, **{**BOUNDS, **bounds})
    return {check.name: check.outcome for check in checks}


def test_good_rows_pass() -> None:
    """Rows without any trouble pass every check, ten of them."""
    found = outcomes(good())
    assert set(found.values()) == {"passed"}
    assert len(found) == 10


@pytest.mark.parametrize(
    ("name", "added", "bounds"),
    [
        ("Texts that are empty", [(" \n", "x", "train")], {}),
        ("Texts above 20,000 characters", [("a" * 20_001, "x", "train")], {}),
        ("Texts with encoding damage", [("caf\ufffd noir", "x", "train")], {}),
        ("Texts with encoding damage", [("cafÃ© noir", "x", "train")], {}),
        ("Labels that are unknown", [("new thing", "z", "train")], {}),
        ("Rows without a label", [("new thing", "", "train")], {}),
        ("Rows that repeat another", [("Message 0  about x", "x", "train")], {}),
        ("Texts with two labels", [("message 0 about x", "y", "train")], {}),
        (
            "Rows of the rarest class",
            [("a thing", "z", "train"), ("a thong", "z", "train")],
            {"labels": ("x", "y", "z")},
        ),
        ("Test texts that stand in train", [("message 0 about x", "x", "test")], {"max_fraction_duplicates": 1}),
        (
            "Test rows of classes not in train",
            [("a thing", "z", "test")],
            {"labels": ("x", "y", "z"), "min_rows_per_class": 0},
        ),
    ],
)
def test_each_trouble_fails_its_own_check(name: str, added: list[Row], bounds: dict[str, Any]) -> None:
    """One kind of trouble added to good rows makes just that check fail."""
    assert [check for check, outcome in outcomes(good() + added, **bounds).items() if outcome != "passed"] == [name]


@pytest.mark.parametrize(
    ("bound", "trouble"),
    [
        ("max_fraction_damaged", ("caf\ufffd", "x", "train")),
        ("max_fraction_unlabelled", ("new thing", "", "train")),
        ("max_fraction_duplicates", ("message 0 about x", "x", "train")),
    ],
)
def test_bounds_are_shares_of_all_rows(bound: str, trouble: Row) -> None:
    """One row in twenty passes at a bound of 5% and fails just below it."""
    rows = [*good(), *((f"filler {k}", "x", "train") for k in range(9)), trouble]
    assert len(rows) == 20
    assert set(outcomes(rows, **{bound: 0.05}).values()) == {"passed"}
    assert "failed" in outcomes(rows, **{bound: 0.0499}).values()


def test_batches_have_no_structure() -> None:
    """A production batch is not asked for enough rows of each class, nor for sides."""
    found = outcomes([("one message", "x", "test")], min_rows_per_class=None)
    assert set(found.values()) == {"passed"}
    assert len(found) == 7


def test_findings_name_the_rows() -> None:
    """What is odd is named with its rows, within its bound or not, and so are oddities that no bound is set on."""
    rows = [
        *good(),
        ("message 0 about x", "x", "train"),
        ("fish &amp; chips", "x", "train"),
        (" outer blanks", "x", "train"),
    ]
    rows += [("cafÃ© noir", "x", "train"), ("caf\ufffd crème", "x", "train")]
    frame = pd.DataFrame(rows, columns=["text", "label", "side"]).assign(
        row=[f"row {k}" for k in range(1, len(rows) + 1)]
    )
    frame["key"] = frame["text"].map(content_key)
    _, findings = validate_rows(frame, labels=("x", "y"), **{**BOUNDS, "max_fraction_duplicates": 0.5})
    named = {finding.name: (finding.rows, finding.done) for finding in findings}
    assert named["Rows that repeat another"] == (("row 11",), "within its bound")
    assert named["Texts with HTML entities"][0] == ("row 12",)
    assert named["Texts with blanks at the ends"][0] == ("row 13",)
    assert named["Texts: text decoded with the wrong encoding"][0] == ("row 14",)
    assert named["Texts: replacement characters"][0] == ("row 15",)
    assert len(named) == 5
