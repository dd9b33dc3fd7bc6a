"""Which side of the train/test border a row lies on."""

from __future__ import annotations

import pandas as pd
import pytest

from graft.data import assign_sides, content_key, limit_rows_per_class


def rows(*given: tuple[str, str, str], name: str = "row") -> pd.DataFrame:
    frame = pd.DataFrame(given, columns=["text", "label", "group"])
    return frame.assign(row=[f"{name} {k}" for k in range(1, len(frame) + 1)])


def many(n: int, *, n_groups: int = 0) -> pd.DataFrame:
    return rows(*((f"text number {k}", f"l{k % 2}", f"g{k % n_groups}" if n_groups else "") for k in range(n)))


@pytest.mark.parametrize(
    "twin", ["Where is MY card", "where  is\nmy card ", "\uff57here is my card", "where is my card"]
)
def test_twins_share_a_key(twin: str) -> None:
    """Case, spacing and Unicode form do not make another text; another word does."""
    assert content_key(twin) == content_key("where is my card")
    assert content_key("where is your card") != content_key("where is my card")
    assert content_key("caf\u00e9") == content_key("cafe\u0301") != content_key("cafe")


def test_share_of_test_rows() -> None:
    """About the asked share of 4,000 ungrouped rows lies in test: within 4 standard errors, a false alarm in 15,000."""
    sides, findings = assign_sides(many(4000), None, fraction_test=0.3)
    assert abs((sides["side"] == "test").mean() - 0.3) < 4 * (0.21 / 4000) ** 0.5
    assert findings == []
    more, _ = assign_sides(many(4000), None, fraction_test=0.4)
    assert set(sides.index[sides["side"] == "test"]) < set(more.index[more["side"] == "test"])


def test_group_stays_together() -> None:
    """Without twins, all rows of a group lie on one side, and both sides have groups."""
    sides, _ = assign_sides(many(600, n_groups=60), None, fraction_test=0.3)
    per_group = sides.groupby("group")["side"].agg(set)
    assert set(map(len, per_group)) == {1}
    assert set.union(*per_group) == {"train", "test"}


def test_given_test_rows_are_respected() -> None:
    """With a test file every one of its rows is tested, no twin of one is trained on, and both files are named."""
    train = rows(("a b", "x", ""), ("C  d", "y", ""), ("e", "x", ""), name="train.csv row")
    test = rows(("c D", "y", ""), ("f", "x", ""), ("f", "x", ""), name="test.csv row")
    sides, findings = assign_sides(train, test, fraction_test=0.9)
    assert sides["side"].tolist() == ["train", "dropped", "train", "test", "test", "test"]
    assert sides["because"].tolist() == ["", "also in test", "", "", "", ""]
    assert [(finding.n_rows, finding.rows) for finding in findings] == [(1, ("test.csv row 1",))]


def test_repeats_and_conflicts() -> None:
    """A training row that repeats one with its label is dropped, the first stays; of two labels both are kept and named."""
    test = rows(("other", "x", ""))
    train = rows(("a", "x", ""), ("A ", "x", ""), ("b", "x", ""), ("b", "y", ""), ("c", "x", ""))
    sides, findings = assign_sides(train, test, fraction_test=0.5)
    assert sides["side"].tolist()[:5] == ["train", "dropped", "train", "train", "train"]
    assert sides["because"].tolist()[1] == "repeats another row"
    named = {finding.name: finding.rows for finding in findings}
    assert "row 2" in named["training rows that repeat another"]
    assert next(rows for name, rows in named.items() if "two labels" in name) == ("row 3", "row 4")


def test_limit_rows_per_class() -> None:
    """At most n training rows of a class remain, test rows all do, and file order does not decide which."""
    sides, _ = assign_sides(many(200), None, fraction_test=0.3)
    limited = limit_rows_per_class(sides, 8)
    counts = limited[limited["side"] == "train"]["label"].value_counts()
    assert counts.to_dict() == {"l0": 8, "l1": 8}
    assert (limited["side"] == "test").sum() == (sides["side"] == "test").sum()
    assert (limited.loc[limited["because"] == "beyond 8 rows per class", "side"] == "dropped").all()
    backwards, _ = assign_sides(many(200).iloc[::-1].reset_index(drop=True), None, fraction_test=0.3)
    again = limit_rows_per_class(backwards, 8)
    kept = [set(frame.loc[frame["side"] == "train", "key"]) for frame in (limited, again)]
    assert kept[0] == kept[1]
    assert kept[0] != set(sides.loc[sides["side"] == "train", "key"].head(16))
