"""What was measured, and what it was checked against: by ids. How people call it says ``graft.presentation.titles``."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from graft.metrics import find_metric
from graft.records import schema_1
from graft.records.values import Estimate, Value

Outcome = Literal["passed", "failed", "cannot_tell"]
Relation = Literal["at_least", "at_most"]
Policy = Literal["hold", "note"]


class Measurement(Value):
    """One metric of one subject, with its interval."""

    metric: str = Field(description="id in graft.metrics")
    subject: str = Field(
        default="", description="what was measured: a model, a group as column=group, a base, kind of row"
    )
    against: str = Field(default="", description="what it was compared with; empty: nothing")
    window: str = Field(default="", description="rows it was measured on: all, train, test, batch; empty: several")
    estimate: Estimate


class Check(Value):
    """A measurement beside the bound it has to keep.

    ``id`` is the step, what is checked and, where a step checks several subjects alike, which one in brackets:
    ``evaluate.gain.champion``, ``measure_bias.accuracy_gap[channel=app]``. It stays the same from run to run and from version to
    version. ``policy`` says what *cannot tell* does: ``hold`` keeps the candidate back, ``note`` is written down only. A failed
    check always counts, but for shift: that says something of the data and not of the model, so there ``policy`` is asked too.
    """

    id: str
    measurement: Measurement
    bound: float
    relation: Relation
    outcome: Outcome
    policy: Policy = "hold"
    note: str = ""

    @model_validator(mode="before")
    @classmethod
    def _read_schema_1(cls, plain: Any) -> Any:
        return schema_1.upgrade(plain) if isinstance(plain, dict) and "id" not in plain else plain

    @property
    def step(self) -> str:
        """The step that checks it."""
        return self.id.partition(".")[0]

    @property
    def kind(self) -> str:
        """The id without what stands in brackets."""
        return self.id.partition("[")[0]

    @property
    def observed(self) -> Estimate:
        """The estimate that is checked."""
        return self.measurement.estimate

    @property
    def holds(self) -> bool:
        """Whether it keeps a candidate back."""
        if self.outcome == "failed":
            return self.policy == "hold" or self.step != "detect_shift"
        return self.outcome == "cannot_tell" and self.policy == "hold"


def check(check_id: str, measurement: Measurement, bound: float, *, policy: Policy = "hold", note: str = "") -> Check:
    """Return the check of a measurement against its bound, on the side that its metric calls better.

    Passed when the whole interval lies on the allowed side (the bound itself is allowed), failed when the whole interval lies
    on the other side, and ``cannot_tell`` when it crosses.

    Raises:
        InputError: there is no such metric.
        ValueError: the estimate has another unit than its metric.
    """
    metric, estimate = find_metric(measurement.metric), measurement.estimate
    if estimate.unit != metric.unit:
        raise ValueError(f"{metric.id} is measured in {metric.unit}, not in {estimate.unit}")
    low, high, limit = estimate.ci_low, estimate.ci_high, bound
    if not metric.greater_is_better:
        low, high, limit = -high, -low, -bound
    return Check(
        id=check_id,
        measurement=measurement,
        bound=bound,
        relation="at_least" if metric.greater_is_better else "at_most",
        outcome="passed" if low >= limit else "failed" if high < limit else "cannot_tell",
        policy=policy,
        note=note,
    )
