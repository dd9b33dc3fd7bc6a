"""What programs are given of a check: every key that earlier versions printed, its id and its measurement."""

from __future__ import annotations

from typing import Any

from pydantic import computed_field, model_validator

from graft.presentation.titles import title
from graft.records import Check, Estimate, MonitorRecord


class CheckFacts(Check):
    """A check as ``--json`` prints it."""

    @model_validator(mode="before")
    @classmethod
    def _read_printed(cls, plain: Any) -> Any:
        computed = ("name", "step", "observed")
        is_printed = isinstance(plain, dict) and "id" in plain
        return {key: value for key, value in plain.items() if key not in computed} if is_printed else plain

    @computed_field(description="what people call it; it may be worded differently in a new version")  # type: ignore[prop-decorator]
    @property
    def name(self) -> str:
        """What people call it."""
        return title(self)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def step(self) -> str:
        """The step that checks it."""
        return super().step

    @computed_field(description="that of the measurement")  # type: ignore[prop-decorator]
    @property
    def observed(self) -> Estimate:
        """The estimate that is checked."""
        return super().observed


class MonitorFacts(MonitorRecord):
    """The record of a batch as ``--json`` prints it."""

    checks: tuple[CheckFacts, ...] = ()


def check_facts(checks: tuple[Check, ...]) -> tuple[CheckFacts, ...]:
    """Return checks as they are printed."""
    return tuple(CheckFacts.model_validate(dict(check)) for check in checks)


def monitor_facts(record: MonitorRecord) -> MonitorFacts:
    """Return the record of a batch as it is printed."""
    return MonitorFacts.model_validate({**dict(record), "checks": check_facts(record.checks)})
