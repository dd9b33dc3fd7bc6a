"""Estimates, and checks of them against bounds."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from graft.records import Estimate, FileDigest, exact
from tests.support.checks import checked


def estimate(low: float, high: float) -> Estimate:
    return Estimate(value=(low + high) / 2, ci_low=low, ci_high=high, n=10, method="m", unit="points")


@pytest.mark.parametrize(
    ("low", "high", "metric", "outcome"),
    [
        (0.0, 0.2, "accuracy_gap", "passed"),  # the bound itself is allowed
        (-0.2, -0.1, "accuracy_gap", "failed"),
        (-0.2, 0.0, "accuracy_gap", "cannot_tell"),
        (-0.1, 0.1, "accuracy_gap", "cannot_tell"),
        (-0.2, 0.0, "confidence_drop", "passed"),
        (0.1, 0.2, "confidence_drop", "failed"),
        (0.0, 0.2, "confidence_drop", "cannot_tell"),
        (-0.1, 0.1, "confidence_drop", "cannot_tell"),
    ],
)
def test_check_needs_the_whole_interval(low: float, high: float, metric: str, outcome: str) -> None:
    """A check passes or fails only when the whole interval lies on one side of the bound (here 0)."""
    assert checked("s.c", metric, estimate(low, high), 0.0).outcome == outcome


@pytest.mark.parametrize(("found", "outcome"), [(2, "passed"), (3, "passed"), (4, "failed")])
def test_a_count_is_never_cannot_tell(found: int, outcome: str) -> None:
    """What was counted has no interval, so a check of it passes or fails."""
    counted = exact(found, 10)
    assert (counted.ci_low, counted.ci_high) == (found, found)
    assert checked("s.c", "unexpected_rows", counted, 3).outcome == outcome


def test_values_are_frozen_and_closed() -> None:
    """A value cannot be changed, takes no unknown key, no NaN, and no digest that is not 64 hex digits."""
    one = estimate(0, 1)
    with pytest.raises(ValidationError, match="frozen"):
        one.value = 3.0
    with pytest.raises(ValidationError, match="Extra inputs"):
        Estimate(**one.model_dump(), host="here")
    with pytest.raises(ValidationError, match="finite"):
        estimate(float("nan"), 1)
    for wrong in ("A" * 64, "a" * 63, "a" * 64 + "\n", "../" + "a" * 61):
        with pytest.raises(ValidationError, match="pattern"):
            FileDigest(path="p", sha256=wrong, size=1)


@pytest.mark.parametrize("path", ["/etc/passwd", "../a", "a/../b", "a/..", ".", "a//b", "a\\b", "a\nb", ""])
def test_a_digest_never_names_a_file_outside_its_folder(path: str) -> None:
    """A path that is absolute, climbs, or hides what it is, is refused on read as on write."""
    with pytest.raises(ValidationError):
        FileDigest(path=path, sha256="0" * 64, size=1)
