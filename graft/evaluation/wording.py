"""Estimates and bounds in plain words and ASCII, for verdicts and terminals; pages have their own."""

from __future__ import annotations

from graft.records import Check, Estimate


def estimate_text(estimate: Estimate) -> str:
    """Return an estimate with interval and n, in its unit."""
    value, low, high = estimate.value, estimate.ci_low, estimate.ci_high
    if estimate.unit == "uses":
        return f"{value:,.0f} use{'' if value == 1 else 's'}, counted"
    if estimate.unit == "points":
        return f"{_points(value)} points [{_points(low)}, {_points(high)}], n {estimate.n:,}"
    if estimate.method == "counted":
        return f"{value:.1%} of {estimate.n:,}" if estimate.unit == "fraction" else f"{value:,.0f} of {estimate.n:,}"
    if estimate.unit == "fraction":
        return f"{value:.1%} [{low:.1%}, {high:.1%}], n {estimate.n:,}"
    return f"{value:.3f} [{low:.3f}, {high:.3f}], n {estimate.n:,}"


def _points(value: float) -> str:
    """Return a difference in points, with its sign; what rounds to nothing is +0.0."""
    return f"{round(value * 100, 1) + 0.0:+.1f}"


def bound(check: Check) -> str:
    """Return a check's bound in words."""
    word = "at least" if check.relation == "at_least" else "at most"
    unit = check.observed.unit
    number = {
        "points": f"{_points(check.bound)} points",
        "fraction": f"{check.bound:.1%}",
        "rows": f"{check.bound:,.0f}",
        "uses": f"{check.bound:,.0f}",
        "auc": f"{check.bound:.3f}",
    }[unit]
    return f"{word} {number}"
