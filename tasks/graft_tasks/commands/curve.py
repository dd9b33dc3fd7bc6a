"""The learning curve of a recipe: measured, written down, and drawn in the report."""

from __future__ import annotations

from dataclasses import dataclass

from graft.learning_curve.claims import Claims, CurveCost
from graft.model.encoder import Progress
from graft.records import CurveRecord
from graft_tasks.commands.render import render_run
from graft_tasks.learning_curve.claims import conclude
from graft_tasks.learning_curve.measure import Wanted, measure
from graft_tasks.recipe_handle import RecipeHandle
from graft_tasks.steps.report import REPORT


@dataclass(frozen=True)
class CurveResult:
    """Accuracy by rows and arm, what it took where that is known, and the page with the curve, null before a first run."""

    record: CurveRecord
    cost: CurveCost | None
    page: str | None

    @property
    def claims(self) -> Claims:
        """What the field says of transfer, beside what was measured."""
        return Claims(self.record, self.cost, is_older=False)


def measure_curve(handle: RecipeHandle, wanted: Wanted, *, progress: Progress) -> CurveResult:
    """Measure what is not measured yet, write what it says, and draw the report anew.

    Raises:
        InputError: nonsense was wanted, or the recipe has not been run.
        BusyError: another process measures this curve.
    """
    handle.load()
    claims = conclude(handle, measure(handle, wanted, progress=progress))
    has_run = (handle.step("report") / REPORT).is_file()
    return CurveResult(claims.record, claims.cost, str(render_run(handle)) if has_run else None)
