"""Accuracy against rows as one drawing: a line and a band for each arm, its name at its end."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

from graft.learning_curve.claims import ARMS
from graft.presentation.svg import tag
from graft.records import CurveRecord, Point

_TOP, _FLOOR, _HEIGHT = 12.0, 300.0, 324
_LEFT, _RIGHT = 9.0, 64.0
"""Where the axis begins and ends, in per cent of the width; behind it stand the names."""
_ROOM = 16.0
"""Between two names, in pixels."""


def draw_curves(record: CurveRecord) -> Markup:
    """Return every arm's accuracy over rows of each class, on a logarithmic axis, with the intervals as bands."""
    by_arm = {arm: [point for point in record.points if point.arm == arm] for arm in ARMS if arm in record.arms}
    logs = {point.size: math.log(point.n_rows) for point in record.points}
    least, most = min(logs.values()), max(logs.values())
    place = {size: _LEFT + (_RIGHT - _LEFT) * (log - least) / ((most - least) or 1.0) for size, log in logs.items()}
    parts = [_grid(k / 5) for k in range(6)]
    parts += [_tick(place[size], size, is_last=size == record.sizes[-1]) for size in record.sizes]
    for arm, points in by_arm.items():
        xs = [place[point.size] for point in points]
        parts.append(_line(arm, xs, points))
        parts += [
            tag("circle", class_=f"arm {arm}", cx=_percent(x), cy=_y(point.accuracy.value), r=3.2)
            for x, point in zip(xs, points, strict=True)
        ]
    ends = {arm: _y(points[-1].accuracy.value) for arm, points in by_arm.items()}
    for arm, y in _spread(ends).items():
        parts.append(_name(arm, y))
    label = "Accuracy against rows of each class; the numbers stand in the table below"
    return tag("svg", *parts, class_="arms", width="100%", height=_HEIGHT, role="img", aria_label=label)


def _percent(x: float) -> str:
    return f"{x:.2f}%"


def _y(accuracy: float) -> float:
    return round(_FLOOR - (_FLOOR - _TOP) * accuracy, 2)


def _grid(accuracy: float) -> Markup:
    y = _y(accuracy)
    line = tag("line", class_="axis" if accuracy == 0 else "grid", x1=_percent(_LEFT), x2=_percent(_RIGHT), y1=y, y2=y)
    return line + tag("text", f"{accuracy:.0%}", x=_percent(_LEFT - 1), y=y + 4, text_anchor="end")


def _tick(x: float, size: int | None, *, is_last: bool) -> Markup:
    text = "all" if size is None else f"{size:,}"
    return tag("text", text, x=_percent(x), y=_FLOOR + 18, text_anchor="end" if is_last else "middle")


def _line(arm: str, xs: Sequence[float], points: Sequence[Point]) -> Markup:
    """Return a line and its band, stretched over the whole width."""
    middle = [f"{x:.2f} {_y(point.accuracy.value):.2f}" for x, point in zip(xs, points, strict=True)]
    upper = [f"{x:.2f} {_y(point.accuracy.ci_high):.2f}" for x, point in zip(xs, points, strict=True)]
    lower = [f"{x:.2f} {_y(point.accuracy.ci_low):.2f}" for x, point in zip(xs, points, strict=True)]
    band = tag("path", class_=f"band {arm}", d=f"M{'L'.join([*upper, *reversed(lower)])}Z")
    line = tag("path", class_=f"way {arm}", d=f"M{'L'.join(middle)}")
    stretched = {"viewBox": f"0 0 100 {_HEIGHT}", "width": "100%", "height": _HEIGHT, "preserveAspectRatio": "none"}
    return tag("svg", band, line, **stretched)


def _name(arm: str, y: float) -> Markup:
    """Return an arm's name behind a piece of its line, a few pixels long at any width."""
    sample = tag("line", class_=f"way {arm}", x1=0, x2=12, y1=0, y2=0)
    text = tag("text", ARMS[arm], x=17, y=4)
    return tag("svg", sample, text, x=_percent(_RIGHT + 1.5), y=y, width=1, height=1, overflow="visible")


def _spread(ends: dict[str, float]) -> dict[str, float]:
    """Return the heights of names, moved apart where lines end close to one another."""
    order = sorted(ends, key=lambda arm: ends[arm])
    heights: list[float] = []
    for arm in order:
        heights.append(max(ends[arm], heights[-1] + _ROOM) if heights else ends[arm])
    for k in range(len(heights) - 1, -1, -1):
        most = _FLOOR if k + 1 == len(heights) else heights[k + 1] - _ROOM
        heights[k] = min(heights[k], most)
    return dict(zip(order, heights, strict=True))
