"""Two samples in the base's space, as one drawing."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from graft.presentation.svg import tag
from graft.records import ShiftComparison

_TOP, _FLOOR, _HEIGHT = 26.0, 210.0, 240
_CUT = 0.02
"""Share of the rows at either end of a scale that is drawn at its edge: one stray row must not squeeze all others."""
Point = tuple[float, float]


def draw_samples(comparison: ShiftComparison) -> Markup:
    """Return rows of both samples: the further right, the more unlike the reference; apart in height only by their contents."""
    reference, current = comparison.points
    across = _scale([x for x, _ in (*reference, *current)])
    up = _scale([y for _, y in (*reference, *current)])
    dots = [
        tag(
            "g",
            *(_dot(f"{_at(x, across, 2, 98):.1f}%", _at(y, up, _FLOOR, _TOP)) for x, y in points),
            class_=f"row {kind}",
        )
        for kind, points in (("before", reference), ("now", current))
    ]
    label = f"{len(reference)} rows of the reference and {len(current)} current ones in the base's space"
    return tag(
        "svg",
        tag("line", class_="axis", x1="0%", x2="100%", y1=_FLOOR + 8, y2=_FLOOR + 8),
        *dots,
        _key(0, "before", "reference"),
        _key(110, "now", "current"),
        tag("text", "like the reference", x="0%", y=_HEIGHT - 6),
        tag("text", "unlike it", x="100%", y=_HEIGHT - 6, text_anchor="end"),
        class_="samples", width="100%", height=_HEIGHT, role="img", aria_label=label,
    )  # fmt: skip


def _key(x: float, kind: str, name: str) -> Markup:
    """Return a sample of a dot and its name."""
    return tag("g", _dot(x + 5, 8), class_=f"row {kind}") + tag("text", name, x=x + 14, y=12)


def _dot(x: object, y: float) -> Markup:
    return tag("circle", cx=x, cy=y, r=3.4)


def _scale(values: Sequence[float]) -> tuple[float, float]:
    ordered = sorted(values)
    skipped = int(len(ordered) * _CUT)
    low, high = ordered[skipped], ordered[len(ordered) - 1 - skipped]
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def _at(value: float, scale: tuple[float, float], start: float, end: float) -> float:
    share = (min(max(value, scale[0]), scale[1]) - scale[0]) / (scale[1] - scale[0])
    return round(start + (end - start) * share, 1)
