"""report: everything that the page says, as data with a digest. The HTML is rendered from it outside the stage."""

from __future__ import annotations

from graft.records import ReportRecord, sha256_file, write_json
from graft.records.report import Report
from graft_tasks.steps.context import STEPS, Context

REPORT = "report.json"


def run(context: Context) -> ReportRecord:
    """Gather the records."""
    before = STEPS[: STEPS.index("report")]
    records = {step: context.any_record(step) for step in before}
    pinned = context.handle.inputs
    digests = {"inputs": sha256_file(pinned), **context.digests}
    report = Report.model_validate(
        {"recipe": context.recipe.name, "inputs": context.pinned, "digests": digests, **records}
    )
    digest = write_json(context.handle.step("report") / REPORT, report)
    return ReportRecord(
        step="report",
        recipe=context.recipe.name,
        passed=True,
        summary="written",
        inputs=context.digests,
        report_sha256=digest,
    )
