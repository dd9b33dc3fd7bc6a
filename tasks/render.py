"""Draws the pages of a run from its records: outside DVC, so that a new look makes nothing stale."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

from graft.data import TEST, TRAIN
from graft.records import write_atomic
from graft.report.content import Audit, Mistakes, Report, Standing
from graft.report.page import render_audit, render_report
from tasks.claims import claims_of
from tasks.cost import costs
from tasks.pin import finished_run
from tasks.report import REPORT
from tasks.rows import COLUMN, MISTAKES
from tasks.workspace import Workspace

PAGE, DRIFT, CHAIN = "report.html", "drift.html", "chain.html"


def render_run(workspace: Workspace, name: str) -> Path:
    """Draw the report of the records that stand in the workspace, and Evidently's drift page beside it."""
    report = Report.model_validate_json((workspace.step(name, "report") / REPORT).read_bytes())
    folder = workspace.pages(name)
    links = {}
    if _drift_page(workspace, name, report, folder / DRIFT):
        links["drift"] = DRIFT
    if (folder / CHAIN).is_file():
        links["chain"] = CHAIN
    page, shown = folder / PAGE, workspace.files(name, "evaluate") / MISTAKES
    mistakes = Mistakes.model_validate_json(shown.read_bytes()) if shown.is_file() else None
    html = render_report(
        report,
        costs=costs(workspace, name),
        links=links,
        mistakes=mistakes,
        claims=claims_of(workspace, name, report),
        standing=_standing(workspace, name),
    )
    write_atomic(page, html.encode())
    return page


def _standing(workspace: Workspace, name: str) -> Standing:
    """Return what became of the model of the run whose records stand here, and who is champion now."""
    run, promotions = finished_run(workspace, name), [one.predicate for one in workspace.ledger().promotions(name)]
    if run is None or not promotions:
        return Standing()
    own = next((one for one in promotions if one.run == run.entry and one.action == "promote"), None)
    forced = f"against the verdict {run.predicate.verdict}, by {own.by}: {own.reason}" if own and own.overrides else ""
    return Standing(
        champion=promotions[-1].number,
        number=own.number if own else "",
        is_live=promotions[-1].run == run.entry,
        forced=forced,
    )


def render_chain(workspace: Workspace, audit: Audit) -> Path:
    """Draw an audited chain."""
    page = workspace.pages(audit.recipe) / CHAIN
    write_atomic(page, render_audit(audit).encode())
    return page


def _drift_page(workspace: Workspace, name: str, report: Report, page: Path) -> bool:
    """Write Evidently's page of test against train if the rows are here and newer than the page; False without rows."""
    path = workspace.rows(name)
    if not path.is_file():
        return page.is_file()
    if page.is_file() and os.stat(page).st_mtime_ns >= os.stat(path).st_mtime_ns:
        return True
    from graft.shift.drift_page import write_drift_page

    data = workspace.recipe(name)[0].data
    columns = [COLUMN + column for column in data.sensitive]
    sides = [
        pd.read_parquet(path, columns=["content", "label", *columns], filters=[("side", "==", side)])
        for side in (TRAIN, TEST)
    ]
    write_drift_page(sides[0], sides[1], page, columns=columns, modality=data.modality)
    return True
