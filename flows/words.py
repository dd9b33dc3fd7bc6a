"""One word for what a step came to: used by the terminal, which must not import Prefect, and by the flow."""

from __future__ import annotations

from graft.records import DecisionRecord, Record


def outcome(record: Record) -> str:
    """Return a record's outcome in one word."""
    if isinstance(record, DecisionRecord):
        return record.verdict.upper()
    if record.status == "skipped":
        return "skipped"
    if record.step == "report":
        return "written"
    return "passed" if record.passed else "FAILED"
