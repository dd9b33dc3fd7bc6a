"""Draws the pages of a run from its records: outside DVC, so that a new look makes nothing stale."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import ValidationError

from graft.learning_curve.claims import Claims, CurveCost
from graft.presentation.page import render_audit, render_report
from graft.records import load_curve, sha256_file, write_atomic
from graft.records.audit import Audit
from graft.records.report import Mistakes, Report, Standing
from graft.records.safe_read import load_json
from graft_tasks.dvc.repro import run_module
from graft_tasks.recipe_handle import MISTAKES, RecipeHandle
from graft_tasks.registry.audit import audit
from graft_tasks.registry.lineage import forced
from graft_tasks.registry.pin import finished_run
from graft_tasks.steps.cost import COST, costs
from graft_tasks.steps.report import REPORT
from graft_tasks.workspace import Workspace

DRIFT = "drift.html"
CURVE = "curve"
"""The folder of what ``graft curve`` measured, beside those of the steps."""


def render_run(handle: RecipeHandle) -> Path:
    """Draw the report of the records that stand in the workspace, and Evidently's drift page beside it."""
    again = f"delete it, then graft run {handle.name}"
    report = load_json(handle.step("report") / REPORT, Report, "a report", do=again)
    folder = handle.pages
    links = {}
    if _drift_page(handle, folder / DRIFT):
        links["drift"] = DRIFT
    if (chain := handle.chain_page).is_file():
        links["chain"] = chain.name
    page, shown = handle.report_page, handle.files("evaluate") / MISTAKES
    mistakes = load_json(shown, Mistakes, "a list of mistakes", do="dvc checkout") if shown.is_file() else None
    html = render_report(
        report,
        costs=costs(handle),
        links=links,
        mistakes=mistakes,
        claims=claims_of(handle, report),
        standing=_standing(handle),
    )
    write_atomic(page, html.encode())
    return page


def redraw(handle: RecipeHandle) -> Path:
    """Draw the chain after a change of champion, and the report anew if it was drawn here; return the page of the chain."""
    page = render_chain(handle.workspace, audit(handle))
    if handle.report_page.is_file() and (handle.step("report") / REPORT).is_file():
        render_run(handle)
    return page


def _standing(handle: RecipeHandle) -> Standing:
    """Return what became of the model of the run whose records stand here, and who is champion now."""
    run, promotions = finished_run(handle), handle.workspace.ledger().promotions(handle.name)
    if not promotions:
        return Standing()
    last = promotions[-1].predicate
    own = [
        promotion
        for promotion in promotions
        if run and promotion.predicate.run == run.entry and promotion.predicate.action == "promote"
    ]
    return Standing(
        champion=last.number,
        number=own[0].predicate.number if own else "",
        is_live=bool(run) and last.run == (run.entry if run else ""),
        forced=forced(promotions, own[0], run.predicate.verdict) if own and run else "",
    )


def render_chain(workspace: Workspace, found: Audit) -> Path:
    """Draw an audited chain."""
    page = workspace.recipe(found.recipe).chain_page
    write_atomic(page, render_audit(found).encode())
    return page


def claims_of(handle: RecipeHandle, report: Report) -> Claims | None:
    """Return what was measured of the field's claims for a recipe, last and here, beside a run; None: nothing."""
    path = handle.step(CURVE) / "record.json"
    if not path.is_file():
        return None
    record, beside = load_curve(path), path.with_name(COST)
    try:
        cost = CurveCost.model_validate_json(beside.read_bytes())
    except (FileNotFoundError, ValidationError):
        cost = None
    bases = {base.sha256 for base in report.inputs.bases if base.id == getattr(report.choose_base, "base", base.id)}
    same_rows = (record.train_sha256, record.test_sha256) == (report.ingest.train_sha256, report.ingest.test_sha256)
    is_of_it = cost is not None and cost.record_sha256 == sha256_file(path)
    return Claims(record, cost if is_of_it else None, not same_rows or record.base_sha256 not in bases)


def _drift_page(handle: RecipeHandle, page: Path) -> bool:
    """Write Evidently's page of test against train if the rows are here and newer than the page; False without rows.

    In a process of its own: Evidently and what it imports take 7 s and half a gigabyte.
    """
    path = handle.rows
    if not path.is_file():
        return page.is_file()
    if page.is_file() and os.stat(page).st_mtime_ns >= os.stat(path).st_mtime_ns:
        return True
    run_module(handle.workspace.root, "graft_tasks.commands.drift", handle.name, str(page))
    return True
