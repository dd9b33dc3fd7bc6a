"""Calibration errors against the definition, and against a model that is calibrated."""

from __future__ import annotations

import numpy as np
import pytest

from graft.stats.calibration import calibration_error, error_by_chance, reliability


def test_the_error_is_the_mean_distance_of_bins() -> None:
    """Ten rows in ten bins of one: the mean of |confidence - hit|; twenty rows: of pairs."""
    confidence = np.linspace(0.5, 0.95, 10)
    hits = np.arange(10) % 2 == 0
    assert calibration_error(confidence, hits) == pytest.approx(np.abs(confidence - hits).mean())
    twice = calibration_error(np.repeat(confidence, 2), np.tile([True, False], 10))
    assert twice == pytest.approx(np.abs(confidence - 0.5).mean())


def test_bins_hold_equally_many_rows_least_confident_first() -> None:
    """103 rows fall in bins of 10 or 11, whose confidence rises; fewer rows than bins make a bin each."""
    rng = np.random.default_rng(0)
    bins = reliability(rng.random(103), rng.random(103) < 0.5)
    assert sorted({one.n for one in bins}) == [10, 11]
    assert sum(one.n for one in bins) == 103
    assert [one.confidence for one in bins] == sorted(one.confidence for one in bins)
    assert len(reliability(np.array([0.2, 0.4]), np.array([True, False]))) == 2


def test_a_calibrated_model_stays_below_its_bound_nineteen_times_in_twenty() -> None:
    """400 models: 20 above are expected, 11 to 32 lie within 1 chance in 100; one that is too sure lies far above."""
    rng = np.random.default_rng(7)
    confidence = rng.uniform(0.4, 1.0, 250)
    bound = error_by_chance(confidence, rng=rng)
    above = sum(calibration_error(confidence, rng.random(250) < confidence) > bound for _ in range(400))
    assert 9 <= above <= 34
    assert calibration_error(confidence, rng.random(250) < confidence - 0.25) > bound
