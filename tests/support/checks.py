"""Checks for tests, in a line each."""

from __future__ import annotations

from graft.records import Check, Estimate, Measurement, Policy, check


def checked(
    check_id: str,
    metric: str,
    seen: Estimate,
    bound: float,
    *,
    subject: str = "",
    against: str = "",
    window: str = "",
    policy: Policy = "hold",
    note: str = "",
) -> Check:
    """Return the check of an estimate of a metric."""
    measured = Measurement(metric=metric, subject=subject, against=against, window=window, estimate=seen)
    return check(check_id, measured, bound, policy=policy, note=note)


def called(
    title: str, step: str, metric: str, seen: Estimate, bound: float, *, policy: Policy = "hold", note: str = ""
) -> Check:
    """Return a check that people call so."""
    return checked(f"{step}.named[{title}]", metric, seen, bound, subject=title, policy=policy, note=note)


def gain(arm: str, seen: Estimate, bound: float = 0.0, *, policy: Policy = "hold", note: str = "") -> Check:
    """Return the check of what the candidate gains over an arm."""
    check_id = f"evaluate.gain.{arm}"
    names = {"subject": "candidate", "against": arm, "window": "test"}
    return checked(check_id, "accuracy_difference", seen, bound, **names, policy=policy, note=note)
