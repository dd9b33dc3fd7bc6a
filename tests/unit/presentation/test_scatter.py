"""Two samples drawn: every row is there, and a stray one does not squeeze the others."""

from __future__ import annotations

import re

from graft.presentation.scatter import draw_samples
from graft.records import ShiftComparison


def comparison(reference: list[tuple[float, float]], current: list[tuple[float, float]]) -> ShiftComparison:
    return ShiftComparison(
        name="test", reference="then", current="now", auc=None, shifted=None, points=(tuple(reference), tuple(current))
    )


def places(drawing: str, kind: str) -> list[float]:
    """Return how far right each row of a sample stands, without the key."""
    group = re.search(rf'<g class="row {kind}">(.*?)</g>', drawing)
    assert group
    return [float(x) for x in re.findall(r'cx="([\d.]+)%"', group[1])]


def test_current_rows_stand_where_their_scores_say() -> None:
    """Rows of the higher score stand further right, inside the drawing, as many as there are."""
    drawing = str(draw_samples(comparison([(0.0, 1.0), (0.2, 0.0)], [(0.9, 0.5), (0.8, 0.1), (0.7, 0.9)])))
    before, now = places(drawing, "before"), places(drawing, "now")
    assert (len(before), len(now)) == (2, 3)
    assert max(before) < min(now)
    assert all(0 <= x <= 100 for x in before + now)


def test_one_stray_row_squeezes_nobody() -> None:
    """A row a thousand times further out is drawn at the edge, and the others still spread over most of the width."""
    drawing = str(draw_samples(comparison([(k / 100, 0.0) for k in range(100)], [(1000.0, 0.0)])))
    assert max(places(drawing, "before")) > 90


def test_equal_rows_stand_in_the_middle() -> None:
    """Where nothing differs there is still a drawing."""
    drawing = str(draw_samples(comparison([(1.0, 1.0)] * 3, [(1.0, 1.0)] * 3)))
    assert set(places(drawing, "now")) == {50.0}
