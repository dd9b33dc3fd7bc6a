"""The data suite: each expectation notices its own trouble and no other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from graft.errors import InputError
from graft.modality import TEXT
from graft.modality.image.pictures import content_key as image_key
from graft.modality.text.normalize import content_key
from graft.presentation.titles import title
from graft.recipe import Validate
from graft.records import Check, Finding
from graft.validate import validate_rows
from tests.support.refusals import refused
from tests.unit.validate.test_findings import png

BOUNDS: dict[str, Any] = {
    "max_fraction_damaged": 0.0,
    "max_fraction_duplicates": 0.0,
    "max_fraction_conflicts": 0.0,
    "max_fraction_unlabelled": 0.0,
    "min_rows_per_class": 3,
    "language": None,
    "expectations": (),
}
Row = tuple[str, str, str]


def good() -> list[Row]:
    rows = [(f"message {k} about x", "x", "train") for k in range(4)] + [
        (f"message {k} about y", "y", "train") for k in range(4)
    ]
    return [*rows, ("another about x", "x", "test"), ("another about y", "y", "test")]


def validated(
    rows: list[Row] | pd.DataFrame,
    labels: tuple[str, ...] = ("x", "y"),
    *,
    is_batch: bool = False,
    size: int = 50_000,
    columns: dict[str, Any] | None = None,
    **bounds: Any,
) -> tuple[tuple[Check, ...], tuple[Finding, ...]]:
    frame = pd.DataFrame(rows, columns=["content", "label", "side"]).assign(
        id="", group="", time="", near="", because="", row=lambda f: [f"row {k}" for k in range(1, len(f) + 1)]
    )
    frame["key"] = [content_key(text) for text in frame["content"]]
    frame = frame.assign(**(columns or {}))

    def read() -> Iterator[pd.DataFrame]:
        for start in range(0, len(frame), size):
            yield frame.iloc[start : start + size]

    wanted = Validate(**{**BOUNDS, **bounds})
    return validate_rows(read, modality="text", labels=labels, bounds=wanted, is_batch=is_batch)


def outcomes(*args: Any, **kwargs: Any) -> dict[str, str]:
    return {check.id.removeprefix("validate."): check.outcome for check in validated(*args, **kwargs)[0]}


def test_good_rows_pass() -> None:
    """Rows without any trouble pass every check, ten of them, and nothing about them is worse than a note."""
    checks, findings = validated(good())
    assert {check.outcome for check in checks} == {"passed"}
    assert len(checks) == 10
    assert [finding for finding in findings if finding.severity != "note"] == []


@pytest.mark.parametrize(
    ("check_id", "added", "bounds"),
    [
        ("empty", [(" \n", "x", "train")], {}),
        ("too_long", [("a" * 20_001, "x", "train")], {}),
        ("encoding_damage", [("caf\ufffd noir", "x", "train")], {}),
        ("encoding_damage", [("cafÃ© noir", "x", "train")], {}),
        ("encoding_damage", [("it\x92s noir", "x", "train")], {}),
        ("unknown_labels", [("new thing", "z", "train")], {}),
        ("unlabelled", [("new thing", "", "train")], {}),
        ("duplicates", [("Message 0  about x", "x", "train")], {}),
        ("conflicting_labels", [("message 0 about x", "y", "train")], {}),
        (
            "rarest_class",
            [("a thing", "z", "train"), ("a thong", "z", "train")],
            {"labels": ("x", "y", "z")},
        ),
        ("test_in_train", [("message 0 about x", "x", "test")], {"max_fraction_duplicates": 1}),
        (
            "test_in_train",
            [("a thing", "", "unlabelled"), ("a thing", "x", "test")],
            {"max_fraction_unlabelled": 1},
        ),
        ("unseen_classes", [("a thing", "z", "test")], {}),
    ],
)
def test_each_trouble_fails_its_own_check(check_id: str, added: list[Row], bounds: dict[str, Any]) -> None:
    """One kind of trouble added to good rows makes just that check fail; a class of test rows alone is also unknown."""
    failed = [check for check, outcome in outcomes(good() + added, **bounds).items() if outcome != "passed"]
    also = ["unknown_labels"] if check_id == "unseen_classes" else []
    assert failed == [*also, check_id]


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
    found = outcomes([("one message", "x", "batch")], is_batch=True)
    assert set(found.values()) == {"passed"}
    assert len(found) == 7


def test_a_batch_is_unlabelled_by_design_or_damaged() -> None:
    """A batch without any label passes; one that lacks a few labels fails, ids or not."""
    three = [(f"message {k}", "", "batch") for k in range(3)]
    labelled = [*three, ("another", "x", "batch")]
    assert set(outcomes(three, is_batch=True).values()) == {"passed"}
    assert outcomes(labelled, is_batch=True)["unlabelled"] == "failed"
    waiting = {"id": ["a", "b", "c", ""]}
    assert outcomes(labelled, is_batch=True, columns=waiting)["unlabelled"] == "failed"


def test_rows_that_wait_for_their_label_are_not_unlabelled() -> None:
    """Of two training rows without a label, just the one without an id counts."""
    rows = [*good(), ("one", "", "dropped"), ("two", "", "dropped")]
    checks, findings = validated(rows, columns={"id": ["k", *[""] * 9, "k1", ""]})
    assert {c.id: c.observed.value for c in checks}["validate.unlabelled"] == pytest.approx(1 / 12)
    assert [f.rows for f in findings if f.name == "Rows without a label"] == [("row 12",)]


def test_rows_that_a_repair_took_out_do_not_count() -> None:
    """A repeated row that a repair dropped is no repeat any more, and an empty one no empty text."""
    rows = [*good(), ("message 0 about x", "x", "dropped"), ("", "x", "dropped")]
    because = [""] * 10 + ["mended: dropped"] * 2
    checks, _ = validated(rows, columns={"because": because})
    assert {check.outcome for check in checks} == {"passed"}
    assert checks[0].observed.n == 10


def test_batches_of_rows_change_nothing() -> None:
    """Rows that come one, three or all at a time give the same checks and findings."""
    rows = [*good(), ("message 0 about x", "y", "train"), ("fish &amp; chips", "x", "train"), ("", "", "train")]
    whole = validated(rows)
    assert validated(rows, size=1) == whole
    assert validated(rows, size=3) == whole


def test_findings_name_the_rows() -> None:
    """What is odd is named with its rows, within its bound or not, and so are oddities that no bound is set on."""
    rows = [
        *good(),
        ("message 0 about x", "x", "train"),
        ("fish &amp; chips", "x", "train"),
        (" outer blanks", "x", "train"),
    ]
    rows += [("cafÃ© noir", "x", "train"), ("caf\ufffd crème", "x", "train")]
    _, findings = validated(rows, max_fraction_duplicates=0.5)
    named = {finding.name: (finding.rows, finding.done, finding.severity) for finding in findings}
    assert named["Rows that repeat another"] == (("row 11",), "within its bound", "note")
    assert named["Texts with HTML entities"][0] == ("row 12",)
    assert named["Texts with blanks at the ends"][0] == ("row 13",)
    assert named["Texts decoded with the wrong encoding"] == (("row 14",), "kept", "warning")
    assert named["Texts with replacement characters"] == (("row 15",), "kept", "warning")
    assert len(named) == 5
    _, findings = validated(rows)
    assert findings[0].name == "Rows that repeat another"
    assert (findings[0].severity, findings[0].done) == ("error", "over its bound")


def test_findings_name_twenty_rows_at_most() -> None:
    """Of 30 odd rows all are counted and the first 20 named."""
    _, findings = validated([(f"this & that &lt; {k}", "x", "train") for k in range(30)])
    odd = next(f for f in findings if f.name == "Texts with HTML entities")
    assert odd.n_rows == 30
    assert odd.rows == tuple(f"row {k}" for k in range(1, 21))


# --- expectations that a recipe adds ---


AGES = {"column.age": ["30", "41", "", "x", "200", "7", "8", "9", "10", "11"]}


WANTED: list[tuple[dict[str, Any], int]] = [
    ({"type": "expect_column_value_lengths_to_be_between", "column": "content", "max_value": 15}, 8),
    ({"type": "expect_column_values_to_match_regex", "column": "content", "regex": "^message"}, 2),
    ({"type": "expect_column_values_to_not_match_regex", "column": "content", "regex": "about y"}, 5),
    ({"type": "expect_column_values_to_be_unique", "column": "content"}, 0),
    ({"type": "expect_column_values_to_be_between", "column": "n_chars", "min_value": 16}, 2),
    ({"type": "expect_column_values_to_be_in_set", "column": "label", "value_set": ["x"]}, 5),
    ({"type": "expect_column_values_to_be_in_set", "column": "column.age", "value_set": [30, 41, 7]}, 6),
    ({"type": "expect_column_values_to_be_between", "column": "column.age", "min_value": 0, "max_value": 120}, 2),
    ({"type": "expect_column_values_to_be_between", "column": "column.age", "min_value": 9}, 3),
    ({"type": "expect_column_values_to_not_be_null", "column": "column.age"}, 1),
    ({"type": "expect_column_values_to_match_strftime_format", "column": "time", "strftime_format": "%Y-%m-%d"}, 1),
    ({"type": "expect_column_values_to_be_between", "column": "time", "min_value": "2024-01-03"}, 3),
    ({"type": "expect_column_values_to_be_between", "column": "time", "max_value": "2024-01-02T12:00"}, 8),
]
"""Expectations, each with how many of the ten rows break it."""


def test_expectations_of_the_recipe() -> None:
    """Each GX expectation counts the rows that break it: numbers compared as numbers, empty cells missing, texts never."""
    times = {"time": ["2024-01-01", "2024-01-02", *["2024-02-01"] * 7, "today"]}
    expectations = tuple({**wanted, "max_fraction": 0.1} for wanted, _ in WANTED)
    checks, _ = validated(good(), columns={**AGES, **times}, expectations=expectations)
    assert len(checks) == 10 + len(WANTED)
    for made, (wanted, n_found) in zip(checks[10:], WANTED, strict=True):
        assert made.observed.value == pytest.approx(n_found / 10), wanted
        assert made.outcome == ("passed" if n_found <= 1 else "failed"), wanted
        assert made.bound == 0.1


def test_a_broken_expectation_names_rows() -> None:
    """What breaks the recipe's own expectation is a finding like any other, an error where it is over its bound."""
    wanted = {"type": "expect_column_values_to_be_between", "column": "column.age", "max_value": 120}
    _, findings = validated(good(), columns=AGES, expectations=(wanted,))
    assert findings[0].name == "column.age: values to be between (max_value=120)"
    assert (findings[0].rows, findings[0].severity) == (("row 4", "row 5"), "error")


@pytest.mark.parametrize(
    ("wanted", "what", "do"),
    [
        ({"type": "expect_column_values_to_be_beetween", "column": "time"}, "no expectation", "values_to_be_between"),
        ({"type": "expect_table_row_count_to_equal", "column": "time", "value": 1}, "no expectation", "did you mean"),
        ({"type": "expect_column_values_to_not_be_null", "column": "column.agee"}, "no column", "column.age"),
        ({"type": "expect_column_values_to_be_unique", "column": "text"}, "no column", "content"),
        ({"type": "expect_column_values_to_not_be_null"}, "names no column", "column: NAME"),
        ({"type": "expect_column_values_to_match_regex", "column": "label", "regexp": "x"}, "takes no 'regexp'", "regex"),
        ({"type": "expect_column_values_to_be_in_set", "column": "label"}, "cannot be made", "correct"),
        ({"type": "expect_column_values_to_be_unique", "column": "label", "mostly": 0.9}, "max_fraction", "mostly"),
        ({"type": "expect_column_values_to_be_unique", "column": "label", "max_fraction": 2}, "no share", "0 to 1"),
        ({"type": "expect_column_values_to_be_unique", "column": "label", "row_condition": "1"}, "row_condition", "nothing"),
        (
            {"type": "expect_column_values_to_be_between", "column": "time", "min_value": {"$PARAMETER": "now()"}},
            "computed",
            "value itself",
        ),
        ({"type": "expect_column_values_to_match_regex", "column": "label", "regex": "("}, "cannot be held", "look at"),
    ],
)  # fmt: skip
def test_expectations_that_cannot_be(wanted: dict[str, Any], what: str, do: str) -> None:
    """An unknown type, column, key or value, and a pattern that is none, is one sentence that names the place."""
    with pytest.raises(InputError) as caught:
        validated(good(), columns=AGES, expectations=(wanted,))
    assert what in caught.value.what
    assert do in caught.value.do
    assert caught.value.where == "validate.expectations[0]"


def test_images_have_no_characters() -> None:
    """Of images nothing can be expected that only texts have."""
    wanted = Validate(
        **{**BOUNDS, "expectations": ({"type": "expect_column_values_to_be_unique", "column": "n_chars"},)}
    )
    with refused("expectation-column-missing") as error:
        validate_rows(lambda: iter([]), modality="image", labels=("x",), bounds=wanted)
    assert "'n_chars'" in error.value.what


def test_images_are_checked_without_a_word_of_texts() -> None:
    """Of images a repeated one is counted and named, and neither checks nor findings speak of texts."""
    images = [png(np.full((9, 9), 40 * k, np.uint8)) for k in range(6)]
    frame = pd.DataFrame({"content": [*images, images[0]], "label": list("xxxyyyx"), "side": "train"})
    frame = frame.assign(id="", group="", time="", near="", because="", row=[f"row {k}" for k in range(1, 8)])
    frame["key"] = [image_key(content, "") for content in frame["content"]]
    checks, findings = validate_rows(
        lambda: iter([frame]),
        modality="image",
        labels=("x", "y"),
        bounds=Validate(**{**BOUNDS, "min_rows_per_class": 2}),
    )
    repeated = next(one for one in findings if one.name == "Rows that repeat another")
    assert (repeated.rows, repeated.severity) == (("row 7",), "error")
    assert not [name for name in (*map(title, checks), *(finding.name for finding in findings)) if "ext" in name]


def test_an_unknown_language_is_refused() -> None:
    """A language that cannot be told is an error, not a silent pass."""
    with pytest.raises(InputError, match="'zz'"):
        validated(good(), language="zz")


def test_compact_memory() -> None:
    """What is kept of a row beyond the sample is a few numbers: 50 bytes at most besides its name."""
    from graft.validate.compact import gather

    n = 60_000
    frame = pd.DataFrame({"content": "some words " * 10, "label": "x", "side": "train", "row": "r"}, index=range(n))
    frame = frame.assign(id="", group="", time="", near="", because="")
    frame["key"] = [f"{k:016x}" for k in np.random.default_rng(0).integers(0, 2**62, n)]
    rows = gather(lambda: iter([frame[:30_000], frame[30_000:]]), TEXT, ())
    assert rows.frame.memory_usage(index=False).sum() <= 50 * n
    assert len(rows.sample) == 20_000
    smallest = np.sort(rows.frame["key"].to_numpy())[:20_000]
    assert set(rows.sample["key"]) == set(smallest)
