"""All measurements of a run as one long table: what series, dashboards and exports are made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from pydantic import Field

from graft.records.evaluation import Retention
from graft.records.measurement import Check, Measurement, Outcome, Relation
from graft.records.record import Record
from graft.records.shift import ShiftComparison
from graft.records.steps import BaseChoiceRecord, BiasRecord, EvaluationRecord, MonitorRecord, ShiftRecord, Slice
from graft.records.values import Estimate, Value

_OF_KIND = {"unknown": "unknown_fraction", "confidence": "confidence_drop"}
"""The metric of a kind of shift, where its size has an interval and is not the AUC of the comparison."""


class MeasurementRow(Value):
    """One measurement, and what it was checked against, if it was. The unit is that of the metric."""

    recipe: str
    step: str
    check: str = Field(description="id of the check; empty: measured, and not checked")
    metric: str
    subject: str
    against: str
    window: str
    value: float
    ci_low: float
    ci_high: float
    level: float
    n: int
    unit: str
    method: str = Field(description="how the interval is made")
    bound: float | None = None
    relation: Relation | None = None
    outcome: Outcome | None = None


def long_table(records: Iterable[Record]) -> list[MeasurementRow]:
    """Return a row for each check of the records and for each further measurement that has an interval."""
    rows = []
    for record in records:
        checked = [check.measurement for check in record.checks]
        rows += [_row(record, check.measurement, check) for check in record.checks]
        rows += [_row(record, measurement) for measurement in _measurements(record) if measurement not in checked]
    return rows


def _row(record: Record, measurement: Measurement, check: Check | None = None) -> MeasurementRow:
    judged = {"bound": check.bound, "relation": check.relation, "outcome": check.outcome} if check else {}
    return MeasurementRow.model_validate({
        "recipe": record.recipe,
        "step": record.step,
        "check": check.id if check else "",
        **measurement.model_dump(exclude={"estimate"}),
        **measurement.estimate.model_dump(),
        **judged,
    })  # fmt: skip


def _measurements(record: Record) -> Iterator[Measurement]:
    if isinstance(record, BaseChoiceRecord):
        for score in record.scores:
            yield _measured("probe_accuracy", score.base, score.accuracy, window="train")
            if score.knn:
                yield _measured("knn_accuracy", score.base, score.knn, window="train")
    elif isinstance(record, EvaluationRecord):
        yield from _of_evaluation(record)
    elif isinstance(record, BiasRecord):
        for group_slice in record.slices:
            yield from _of_group(group_slice)
    elif isinstance(record, ShiftRecord | MonitorRecord):
        for comparison in record.comparisons:
            yield from _of_comparison(comparison)


def _measured(metric: str, subject: str, estimate: Estimate, *, against: str = "", window: str = "test") -> Measurement:
    return Measurement(metric=metric, subject=subject, against=against, window=window, estimate=estimate)


def _of_evaluation(record: EvaluationRecord) -> Iterator[Measurement]:
    for arm, accuracy in record.accuracy.items():
        yield _measured("accuracy", arm, accuracy)
    for arm, f1 in record.macro_f1.items():
        yield _measured("macro_f1", arm, f1)
    for arm, difference in record.differences.items():
        yield _measured("accuracy_difference", "candidate", difference, against=arm)
    for label, right in record.per_class.items():
        yield _measured("recall", f"class={label}", right)
    for retention in record.retention:
        yield from _of_ancestor(retention)
    if record.forgotten:
        yield _measured("backward_transfer", "candidate", record.forgotten, against="ancestors")


def _of_ancestor(retention: Retention) -> Iterator[Measurement]:
    if retention.probe:
        yield _measured("retention", "candidate", retention.probe, against=retention.ancestor)
    if retention.own_head:
        yield _measured("backward_transfer", "candidate", retention.own_head, against=retention.ancestor)


def _of_group(group_slice: Slice) -> Iterator[Measurement]:
    yield _measured("accuracy", group_slice.subject, group_slice.accuracy)
    yield _measured("accuracy_gap", group_slice.subject, group_slice.gap, against="rest")
    yield _measured("accuracy_gap", f"frozen_probe/{group_slice.subject}", group_slice.probe_gap, against="rest")


def _of_comparison(comparison: ShiftComparison) -> Iterator[Measurement]:
    measured = partial(_measured, subject=comparison.current, against=comparison.reference, window="")
    if comparison.auc:
        yield measured("two_sample_auc", estimate=comparison.auc)
    if comparison.accuracy_change:
        yield measured("accuracy_gap", estimate=comparison.accuracy_change)
    for kind in comparison.kinds:
        if kind.size and kind.name in _OF_KIND:
            yield measured(_OF_KIND[kind.name], estimate=kind.size)
