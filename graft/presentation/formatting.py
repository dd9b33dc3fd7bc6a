"""How the pages word values: counts, estimates with their intervals, bounds, times and sizes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from graft.presentation import svg
from graft.presentation.titles import title
from graft.records import Check, DecisionRecord, Estimate, Record, Sign

WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def ends(shown: Iterable[str]) -> str:
    """Return first and last of some readings, and how many there are."""
    every = list(shown)
    return f"from {every[0]} to {every[-1]} in {n(len(every), 'epoch')}"


def n(count: int, noun: str, plural: str = "") -> str:
    """Return a count with its noun: small counts as words, as in running text."""
    return f"{word(count)} {noun if count == 1 else plural or noun + 's'}"


def word(count: int) -> str:
    return WORDS[count] if count < len(WORDS) else f"{count:,}"


def cap(text: str) -> str:
    return text[:1].upper() + text[1:]


def sentence(text: str) -> str:
    """Return text with a full stop, unless it ends a sentence already."""
    return text if text.endswith((".", "?", ":")) else f"{text}."


def clip(text: str, length: int = 80) -> str:
    """Return text on one line, cut at a length: a label or a row may be a whole letter."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1] + "…"


def with_unit(text: str, value: float, unit: str) -> str:
    is_one = {"points": abs(value) == 0.01, "rows": value == 1, "uses": value == 1}
    return f"{text} {unit.removesuffix('s') if is_one[unit] else unit}" if unit in is_one else text


def observed(estimate: Estimate) -> str:
    """Return just the estimate with its unit; its interval and n stand beside it."""
    return with_unit(svg.number(estimate.value, estimate.unit), estimate.value, estimate.unit)


def interval(estimate: Estimate) -> str:
    """Return interval and n, in brackets or below the estimate; a count has no interval and says so."""
    if estimate.method == "counted":
        return "counted" if estimate.unit == "uses" else f"counted, n {estimate.n:,}"
    low, high = svg.number(estimate.ci_low, estimate.unit), svg.number(estimate.ci_high, estimate.unit)
    return f"{estimate.level * 100:.3g}% interval {low} to {high}, n {estimate.n:,}"


def brief(estimate: Estimate) -> str:
    """Return interval and n below an estimate; the head of the column says that intervals are of 95%."""
    return interval(estimate).removeprefix("95% interval ")


def chance(p_value: float) -> str:
    return f"p {p_value:.2g}" if p_value >= 0.0001 else "p under 0.0001"


def value(estimate: Estimate) -> str:
    return f"{observed(estimate)} ({interval(estimate)})"


def bound(check: Check) -> str:
    """Return the bound with all the decimals it was set with: it is exact, and not to be rounded onto an estimate."""
    factor = 100 if check.observed.unit in ("points", "fraction") else 1
    fewest = {"points": 1, "fraction": 1, "auc": 2, "rows": 0, "uses": 0}[check.observed.unit]
    enough = (
        places for places in range(fewest, 5) if abs(round(check.bound * factor, places) - check.bound * factor) < 1e-9
    )
    text = svg.number(check.bound, check.observed.unit, next(enough, 5))
    return f"{check.relation.replace('_', ' ')} {with_unit(text, check.bound, check.observed.unit)}"


def f1(estimate: Estimate) -> str:
    """Return an F1 as it is written, without a per cent sign."""
    return f"{estimate.value:.3f}"


def f1_span(estimate: Estimate) -> str:
    return f"{estimate.ci_low:.3f} to {estimate.ci_high:.3f}"


def span(estimate: Estimate) -> str:
    """Return the interval alone, where n stands beside it already."""
    return brief(estimate).partition(", n ")[0]


def share(row: Sequence[int], k: int) -> str:
    """Return the share of a row of the confusion matrix that lies in one of its cells, from 0 to 1."""
    return f"{row[k] / max(1, sum(row)):.2f}".rstrip("0").rstrip(".")


def mean(sign: Sign, value: float) -> str:
    """Return one mean of a sign: a share of rows, or a number as short as its size allows."""
    return svg.number(value, "fraction", 0) if sign.unit == "fraction" else f"{value:,.3g}"


def signed(score: float) -> str:
    """Return a score that has no unit, with a true minus."""
    return f"{score:+.3f}".replace("-", "−")  # noqa: RUF001 a true minus


def duration(seconds: float) -> str:
    """Return a duration as a person says it."""
    if seconds < 60:
        return "under 1 s" if seconds < 1 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60} h"


def memory(size: int) -> str:
    mebibytes = size / 2**20
    return f"{mebibytes / 1024:.1f} GiB" if mebibytes >= 1024 else f"{mebibytes:.0f} MiB"


FILTERS = (
    title,
    ends,
    cap,
    sentence,
    clip,
    observed,
    interval,
    brief,
    chance,
    value,
    bound,
    f1,
    f1_span,
    span,
    share,
    mean,
    signed,
    duration,
    memory,
)
"""What templates may apply to a value."""


def outcome(record: Record) -> str:
    """Return a record's outcome in one word."""
    if isinstance(record, DecisionRecord):
        return record.verdict.upper()
    if record.status == "skipped":
        return "skipped"
    if record.step == "report":
        return "written"
    return "passed" if record.passed else "FAILED"
