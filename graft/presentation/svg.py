"""Small drawings for the pages: SVG that stretches with its column, without script, colours of its own or a library.

Across is in per cent and down is in pixels, so one drawing serves a desk, a phone and paper while text, dots and
strokes keep their size. Colours are classes of ``face.css``, so dark mode and print need no second drawing. Every text
passes ``tag``, which escapes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

from markupsafe import Markup

from graft.records import Check, Estimate

Join = Literal["joined", "held", "rejected", "absent", "broken", "unproven"]

# Half the width of a check's row, in the check's unit. Only what does not fit gets a scale of its own,
# so that most rows of one unit can be compared by eye.
WINDOW = {"points": 0.06, "fraction": 0.05, "auc": 0.15, "rows": 10.0, "uses": 10.0}
DOTS = 20
INTEGRITY = {"intact": "passed", "broken": "failed", "open": "cannot_tell", "unproven": "skipped"}
VERDICT = {"promote": "passed", "reject": "failed"}


def tag(name: str, *inside: str, **attributes: object) -> Markup:
    """Return one element; text and attribute values are escaped unless they are Markup already."""
    written = Markup("").join(
        Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), _short(value)) for key, value in attributes.items()
    )
    return Markup("<{0}{1}>{2}</{0}>").format(name, written, Markup("").join(inside))


def _short(value: object) -> object:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else value


def _percent(value: float) -> str:
    return f"{_short(value)}%"


def _upright(kind: str, x: float) -> Markup:
    """Return a line from top to bottom at x per cent."""
    return tag("line", class_=kind, x1=_percent(x), x2=_percent(x), y1=0, y2="100%")


def _level(kind: str, x1: object, x2: object, y: object) -> Markup:
    return tag("line", class_=kind, x1=x1, x2=x2, y1=y, y2=y)


def _at(x: str, y: object, *inside: str, width: str = "100%") -> Markup:
    """Return a place whose inside is in pixels, while the place itself moves with the column's width."""
    return tag("svg", *inside, x=x, y=y, width=width, height=1, overflow="visible")


def _anchor(x: float, edge: float, end: float) -> str:
    """Return how a text at x is aligned, so that none is clipped at either end."""
    return "start" if x < edge else "end" if x > end - edge else "middle"


def number(value: float, unit: str, decimals: int | None = None) -> str:
    """Return a value as it is read: points and fractions times 100, points with their sign, with a true minus."""
    places = {"points": 1, "fraction": 1, "auc": 3, "rows": 0, "uses": 0}[unit] if decimals is None else decimals
    shown = round(value * 100 if unit in ("points", "fraction") else value, places)
    text = f"{abs(shown):,.{places}f}"
    sign = "−" if shown < 0 else "+" if shown > 0 and unit == "points" else ""  # noqa: RUF001 a true minus
    return sign + text + ("%" if unit == "fraction" else "")


def mark(state: str, size: int = 13) -> Markup:
    """Return the shape of an outcome: disc passed, diamond failed, ring cannot tell, bars held, dashed ring skipped."""
    r = size / 2
    return tag("svg", _shape(state, r, r, r), width=size, height=size, aria_hidden="true", class_="mark")


def _shape(state: str, x: float, y: float, r: float) -> Markup:
    kind = VERDICT.get(state, INTEGRITY.get(state, state))
    if kind == "failed":
        return tag("path", class_="mk failed", d=f"M{x} {y - r}L{x + r} {y}L{x} {y + r}L{x - r} {y}Z")
    if kind == "hold":
        lefts, width = (x - r * 0.8, x + r * 0.2), r * 0.6
        bars = "".join(f"M{_short(left)} {y - r}h{_short(width)}V{y + r}h-{_short(width)}Z" for left in lefts)
        return tag("path", class_="mk hold", d=bars)
    if kind == "probe":  # no outcome: a square, so that no ring says "cannot tell"
        return tag("path", class_="mk probe", d=f"M{x - 4} {y - 4}h8v8h-8Z")
    inset = 1.1 if kind in ("cannot_tell", "skipped") else 0.4
    return tag("circle", class_=f"mk {kind}", cx=x, cy=y, r=r - inset)


def _whisker(low: float, value: float, high: float, state: str, y: str) -> Markup:
    line = _level(f"ci {state}", _percent(low), _percent(high), y) if high > low else Markup("")
    return line + _at(_percent(value), y, _shape(state, 0, 0, 6))


def check_row(check: Check, label: str) -> Markup:
    """Return a check drawn around its bound, which is at the middle of every row; allowed is always right of it."""
    estimate, side = check.observed, 1 if check.relation == "at_least" else -1
    reach = max(abs(value - check.bound) for value in (estimate.ci_low, estimate.value, estimate.ci_high))
    scale = max(WINDOW[estimate.unit], reach * 1.12)
    at = [
        50 + 50 * side * (value - check.bound) / scale for value in (estimate.ci_low, estimate.value, estimate.ci_high)
    ]
    return tag(
        "svg",
        tag("rect", class_="bad-side", x=0, y=0, width="50%", height="100%"),
        _upright("bound", 50),
        _whisker(min(at), at[1], max(at), check.outcome, "50%"),
        width="100%", height="100%", role="img", aria_label=label,
    )  # fmt: skip


@dataclass(frozen=True)
class Axis:
    """A scale that the rows of one table share."""

    low: float
    high: float
    unit: str

    @classmethod
    def over(cls, estimates: Sequence[Estimate], *also: float) -> Axis:
        """Return the axis that holds every interval, and the values that must be seen (a bound, zero, chance)."""
        unit = estimates[0].unit
        ends = [end for estimate in estimates for end in (estimate.ci_low, estimate.ci_high)] + list(also)
        room = max((max(ends) - min(ends)) * 0.06, 0.001)
        return cls(min(ends) - room, max(ends) + room, unit)

    def x(self, value: float) -> float:
        """Return where a value stands, in per cent of the width."""
        return 100 * (value - self.low) / (self.high - self.low)

    def ticks(self, at_most: int = 5) -> list[tuple[float, str]]:
        """Return round values inside the axis, each with its text."""
        rough = (self.high - self.low) / at_most
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * nice for nice in (1, 2, 5, 10) if power * nice >= rough)
        factor = 100 if self.unit in ("points", "fraction") else 1
        places = max(0, -math.floor(math.log10(step * factor) + 1e-9))
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [(k * step, number(k * step, self.unit, places)) for k in range(first, last + 1)]


def forest_row(axis: Axis, marks: Sequence[tuple[Estimate, str]], label: str, *, zero: float | None = None) -> Markup:
    """Return estimates with their intervals on a shared axis, one below the other; at ``zero`` nothing differs."""
    lines = [_upright("grid", axis.x(value)) for value, _ in axis.ticks()]
    if zero is not None:
        lines.append(_upright("zero", axis.x(zero)))
    for index, (estimate, state) in enumerate(marks):
        y = _percent(100 * (index + 0.5) / len(marks))
        lines.append(_whisker(axis.x(estimate.ci_low), axis.x(estimate.value), axis.x(estimate.ci_high), state, y))
    return tag("svg", *lines, width="100%", height="100%", role="img", aria_label=label)


def axis_row(axis: Axis) -> Markup:
    """Return the numbers of a shared axis; those at an edge are turned inwards so that none is clipped."""
    texts = [
        tag("text", text, x=_percent(axis.x(value)), y=15, text_anchor=_anchor(axis.x(value), 3, 100))
        for value, text in axis.ticks()
    ]
    return tag("svg", *texts, width="100%", height=20, aria_hidden="true")


def quantiles(estimate: Estimate) -> list[float]:
    """Return 20 equally likely values: a normal curve on each side of the estimate that agrees with its interval."""
    normal = NormalDist()
    edge = normal.inv_cdf((1 + estimate.level) / 2)
    z = [normal.inv_cdf((k + 0.5) / DOTS) / edge for k in range(DOTS)]
    values = [
        estimate.value + t * (estimate.ci_high - estimate.value if t > 0 else estimate.value - estimate.ci_low)
        for t in z
    ]
    return [min(1.0, max(0.0, value)) for value in values] if estimate.unit in ("fraction", "auc") else values


def dotplot(check: Check, label: str) -> Markup:
    """Return the number that decided as 20 dots, each equally likely, beside what its bound does not allow."""
    width, floor = 372.0, 86.0
    values = quantiles(check.observed)
    low, high = min(*values, check.bound), max(*values, check.bound)
    # Twice the dots' own span is the least that lets them pile up into a hill.
    room = max((high - low) * 0.12, (max(values) - min(values)) - (high - low) / 2)
    axis = Axis(low - room, high + room, check.observed.unit)
    bound = axis.x(check.bound) / 100 * width
    left, room = (0.0, bound) if check.relation == "at_least" else (bound, width - bound)
    parts = [tag("rect", class_="bad-side", x=left, y=18, width=room, height=floor - 18)]
    parts.append(tag("line", class_="bound", x1=bound, x2=bound, y1=10, y2=floor))
    if room > 84:
        side = {"x": bound - 6, "text_anchor": "end"} if left == 0 else {"x": bound + 6, "text_anchor": "start"}
        parts.append(tag("text", "not allowed", y=13, **side))
    columns, r = _stacks([axis.x(value) / 100 * width for value in values], floor - 22)
    for column, n in columns.items():
        heights = [floor - 1 - r - 2.15 * r * k for k in range(n)]
        parts += [tag("circle", class_=f"qd {check.outcome}", cx=column, cy=height, r=r) for height in heights]
    parts.append(_level("axis", 0, width, floor))
    for value, text in axis.ticks():
        x = axis.x(value) / 100 * width
        parts.append(tag("text", text, x=x, y=floor + 17, text_anchor=_anchor(x, 20, width)))
    return tag("svg", *parts, class_="dotplot", viewBox="0 0 372 108", role="img", aria_label=label)


def _stacks(places: Sequence[float], height: float) -> tuple[dict[float, int], float]:
    """Return dots by column, and the largest radius at which the highest column still fits."""
    r = 5.8
    while True:
        columns: dict[float, int] = {}
        for place in places:
            centre = round(place / (2.15 * r)) * 2.15 * r
            columns[centre] = columns.get(centre, 0) + 1
        if r <= 1.5 or max(columns.values()) * 2.15 * r <= height:
            return columns, r
        r -= 0.4


def reading(value: float, unit: str) -> str:
    """Return a loss, which has no unit, or a value with one."""
    return number(value, unit) if unit else f"{value:.3g}"


def curve(values: Sequence[float], label: str, unit: str = "") -> Markup:
    """Return a line over equal steps, its first and last value written at their ends, on the side where no line goes up."""
    top, bottom = max(values), min(values)
    span = (top - bottom) or 1.0
    points = [(2 + 96 * k / (len(values) - 1), 24 + 54 * (top - value) / span) for k, value in enumerate(values)]
    path = "M" + "L".join(f"{_short(x)} {_short(y)}" for x, y in points)
    stretched = {"viewBox": "0 0 100 100", "width": "100%", "height": 100, "preserveAspectRatio": "none"}
    parts = [_level("axis", 0, "100%", 100), tag("svg", tag("path", class_="curve", d=path), **stretched)]
    for k, beside, edge, anchor in ((0, 1, "0%", "start"), (-1, -2, "100%", "end")):
        x, y = points[k]
        above = -10 if values[k] >= values[beside] else 17
        parts.append(tag("circle", class_="end", cx=_percent(x), cy=y, r=4))
        parts.append(
            tag("text", reading(values[k], unit), class_="strong", x=_percent(x), y=y + above, text_anchor=anchor)
        )
        parts.append(tag("text", f"epoch {k % len(values) + 1}", x=edge, y=117, text_anchor=anchor))
    return tag("svg", *parts, class_="loss", width="100%", height=124, role="img", aria_label=label)


def stem(joins: Sequence[Join], label: str) -> Markup:
    """Return a chain as one line, base first, with a slanted cut at every hop.

    Joined pieces touch. A held or rejected piece is cut to fit and lies beside. At a broken one the line stops, and it
    and all after it are hollow. The names stand under the drawing as text that wraps, so the drawing itself holds none.
    """
    aside = any(join in ("held", "rejected") for join in joins)
    parts = [piece for k, join in enumerate(joins) for piece in _piece(k, len(joins), join)]
    return tag("svg", *parts, class_="line", width="100%", height=50 if aside else 24, role="img", aria_label=label)


def _piece(k: int, n: int, join: Join) -> list[Markup]:
    share, y = 100 / n, 12
    x, x2 = _percent(k * share), _percent((k + 1) * share)
    if join == "absent":
        return [_end(x), _at(x, y, _level("absent", 16, "100%", 0), width=_percent(share))]
    if join in ("held", "rejected"):
        beside = [_level(f"wood {join}", 29, "100%", 0)]
        if join == "held":
            beside.append(tag("path", class_="cut held", d="M10 6L30 -6V6Z"))
        else:
            beside += [_level("hollow", 28, "100%", 0), tag("path", class_="cut rejected", d="M30 -5H28L11 5H30")]
        return [_end(x), _at(x, 38, *beside, width=_percent(share))]
    wood = join if join != "joined" else "bark" if k == 0 else "sap" if k == n - 1 else "leaf"
    body = [_level(f"wood {wood}", x, x2, y)]
    if join != "joined":
        body.append(_level("hollow", x, x2, y))
    if join == "broken":
        edges = tag("path", class_="edge", d="M-17 6L-9 -6M9 6L17 -6")
        return [*body, _at(x, y, tag("path", class_="gap", d="M-18 -7H18V7H-18Z"), edges)]
    if k == 0:
        return body
    face = tag("path", class_=f"cut {wood}", d="M-13 6L7 -6H18V6Z")
    return [*body, _at(x, y, face, tag("path", class_="slit", d="M-15.5 7.5L8.5 -7.5"))]


def _end(x: str) -> Markup:
    """Return the slanted end of the piece before a place where nothing was joined."""
    return _at(x, 12, tag("path", class_="gap", d="M-24 7L2 -7V7Z"))
