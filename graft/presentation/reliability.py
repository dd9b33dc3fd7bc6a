"""Confidence beside accuracy, drawn: on the diagonal, a model's word can be taken."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from graft.presentation.svg import number, tag
from graft.records import Bin

WIDTH, HEIGHT, LEFT, FLOOR = 372.0, 250.0, 40.0, 216.0


def draw_reliability(bins: Sequence[Bin], label: str) -> Markup:
    """Return accuracy with its interval over confidence, a disc for each group of rows; both axes have one scale."""
    ends = [end for bin_ in bins for end in (bin_.confidence, bin_.accuracy.ci_low, bin_.accuracy.ci_high)]
    low = max(0.0, min(ends) - 0.03)

    def x(value: float) -> float:
        return LEFT + (WIDTH - LEFT - 8) * (value - low) / (1 - low)

    def y(value: float) -> float:
        return FLOOR - (FLOOR - 24) * (value - low) / (1 - low)

    step = 0.1 if low > 0.5 else 0.2
    ticks = [k * step for k in range(round(1 / step) + 1) if k * step >= low]
    parts = [tag("line", class_="bound", x1=x(low), y1=y(low), x2=x(1), y2=y(1))]
    for tick in ticks:
        shown = number(tick, "fraction", 0)
        parts.append(tag("line", class_="grid", x1=LEFT, x2=WIDTH - 8, y1=y(tick), y2=y(tick)))
        parts.append(tag("text", shown, x=LEFT - 6, y=y(tick) + 4, text_anchor="end"))
        parts.append(tag("text", shown, x=x(tick), y=FLOOR + 16, text_anchor="middle" if tick < 1 else "end"))
    parts.append(tag("text", "what it said", x=WIDTH - 8, y=FLOOR + 32, text_anchor="end"))
    parts.append(tag("text", "what came out", x=LEFT, y=12))
    for bin_ in bins:
        at, accuracy = x(bin_.confidence), bin_.accuracy
        parts.append(tag("line", class_="ci plain", x1=at, x2=at, y1=y(accuracy.ci_low), y2=y(accuracy.ci_high)))
        parts.append(tag("circle", class_="mk plain", cx=at, cy=y(accuracy.value), r=5))
    view = f"0 0 {WIDTH:.0f} {HEIGHT:.0f}"
    return tag("svg", *parts, class_="reliability", viewBox=view, role="img", aria_label=label)
