"""The registry of metrics, and that what is measured is measured as it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from graft.errors import InputError
from graft.metrics import METRICS, find_metric
from graft.records import RECORDS, Estimate, MonitorRecord, Record, exact, load_record
from graft.records.table import long_table
from tests.support import report_samples as samples
from tests.support.checks import checked

IDS = [
    "accuracy", "recall", "macro_f1", "accuracy_difference", "retention", "backward_transfer", "accuracy_gap",
    "calibration_error", "probe_accuracy", "knn_accuracy", "two_sample_auc", "unknown_fraction", "confidence_drop",
    "unexpected_fraction", "unexpected_rows", "class_size", "test_set_uses",
]  # fmt: skip
COMPAT = Path(__file__).parents[2] / "compat"


def test_the_ids_of_metrics_stay() -> None:
    """Records name metrics by id, so none is ever renamed; a new one is added here."""
    assert list(METRICS) == IDS
    assert all(metric.id == key for key, metric in METRICS.items())


def test_a_metric_that_is_not_there_is_named_with_the_nearest() -> None:
    """Who chooses a metric by a wrong id reads which one was meant."""
    with pytest.raises(InputError) as caught:
        find_metric("acuracy")
    assert "accuracy" in caught.value.do
    assert find_metric("accuracy").greater_is_better


@pytest.mark.parametrize(("metric", "relation"), [("accuracy", "at_least"), ("unexpected_fraction", "at_most")])
def test_a_check_takes_its_side_from_its_metric(metric: str, relation: str) -> None:
    """More accuracy is better, so at least the bound is asked for; fewer bad rows are, so at most."""
    seen = Estimate(value=0.5, ci_low=0.4, ci_high=0.6, n=10, method="m", unit="fraction")
    assert checked("s.c", metric, seen, 0.4).relation == relation


def test_a_check_in_another_unit_than_its_metrics_is_refused() -> None:
    """A count of rows is no accuracy."""
    with pytest.raises(ValueError, match="accuracy is measured in fraction, not in rows"):
        checked("s.c", "accuracy", exact(3, 10), 0.5)
    with pytest.raises(InputError):
        checked("s.c", "acuracy", exact(3, 10, unit="fraction"), 0.5)


def kept_records() -> list[Record]:
    """Return the records that released versions wrote."""
    found: list[Record] = []
    for recipe in sorted(COMPAT.glob("*/data/*/ingest/..")):
        found += [load_record(recipe / step / "record.json", step) for step in RECORDS]
        found += [MonitorRecord.model_validate_json(one.read_bytes()) for one in recipe.glob("monitor/*/record.json")]
    return found


def test_what_was_measured_has_the_unit_and_the_interval_of_its_metric() -> None:
    """Every measurement of every released version: its unit, and one of the ways that its metric makes an interval."""
    rows = long_table(kept_records())
    assert len({row.metric for row in rows}) > 8
    for row in rows:
        metric = find_metric(row.metric)
        assert (row.unit, row.method in metric.interval) == (metric.unit, True), row
        assert row.relation in (None, "at_least" if metric.greater_is_better else "at_most")


def test_the_long_table_has_a_row_for_each_check_and_for_what_was_only_measured() -> None:
    """A check's row holds its bound and outcome; what is checked does not stand there twice; each row can be told by its ids."""
    report = samples.held()
    records = [
        report.ingest,
        report.validate_,
        report.detect_shift,
        report.choose_base,
        report.evaluate,
        report.measure_bias,
    ]
    rows = long_table(records)
    assert [row.check for row in rows if row.check] == [check.id for one in records for check in one.checks]
    (gain,) = (row for row in rows if row.metric == "accuracy_difference" and row.against == "champion")
    assert (gain.check, gain.subject, gain.value, gain.bound, gain.outcome, gain.n) == (
        "evaluate.gain.champion", "candidate", 0.009, -0.005, "passed", 6014,
    )  # fmt: skip
    accuracies = {row.subject: row.value for row in rows if (row.metric, row.step) == ("accuracy", "evaluate")}
    assert accuracies == {"candidate": 0.914, "frozen_probe": 0.893, "scratch": 0.861, "champion": 0.905}
    told = [(row.step, row.check, row.metric, row.subject, row.against, row.window) for row in rows]
    assert len(set(told)) == len(told)
