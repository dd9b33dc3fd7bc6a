"""Does the model serve some group worse, and did tuning bring it in?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from graft.records import Check, Measurement, Policy, Slice, check
from graft.stats import proportion, proportion_difference

Hits = npt.NDArray[np.bool_]


def measure_slices(
    groups: Mapping[str, npt.NDArray[np.str_]], candidate: Hits, probe: Hits, *, min_rows: int
) -> tuple[Slice, ...]:
    """Measure each group of each sensitive column: accuracy, and its gap to all other rows.

    The frozen probe's gap on the same rows stands beside the candidate's: a gap that the probe has too was inherited from the
    base or lies in the data; one that only the candidate has came in with tuning.

    Args:
        groups: column name to n group names ("" is a group of its own: not stated).
        candidate, probe: shape (n,), whether each model is right.
        min_rows: below it a slice is marked insufficient.

    Returns:
        slices sorted by column and group; columns with a single group are left out, since there is nothing to compare with.

    Cost: O(n x columns).
    """
    slices = []
    for column in sorted(groups):
        values = groups[column]
        names = sorted(set(values))
        for name in names if len(names) > 1 else []:
            inside = np.asarray(values == name)
            slices.append(
                Slice(
                    column=column,
                    group=name or "(not stated)",
                    n=int(inside.sum()),
                    accuracy=proportion(candidate[inside]),
                    gap=proportion_difference(candidate[inside], candidate[~inside]),
                    probe_gap=proportion_difference(probe[inside], probe[~inside]),
                    sufficient=bool(min(inside.sum(), (~inside).sum()) >= min_rows),
                )
            )
    return tuple(slices)


def bias_checks(slices: tuple[Slice, ...], *, max_gap: float, policy: Policy) -> tuple[Check, ...]:
    """Return a check per slice: its gap is at least ``-max_gap``. A slice with too few rows can never pass or fail."""
    checks = []
    for group_slice in slices:
        gap = Measurement(
            metric="accuracy_gap", subject=group_slice.subject, against="rest", window="test", estimate=group_slice.gap
        )
        drawn = check(
            f"measure_bias.accuracy_gap[{group_slice.subject}]",
            gap,
            -max_gap,
            policy=policy,
            note=_origin(group_slice, max_gap),
        )
        if not group_slice.sufficient:
            drawn = drawn.model_copy(update={"outcome": "cannot_tell", "note": f"{group_slice.n} rows are too few"})
        checks.append(drawn)
    return tuple(checks)


def _origin(group_slice: Slice, max_gap: float) -> str:
    """Say of a gap that is surely too large whether it was there before tuning."""
    if group_slice.gap.ci_high >= -max_gap:
        return ""
    if group_slice.probe_gap.ci_high < -max_gap:
        return "the frozen base has it too"
    return (
        "came in with tuning"
        if group_slice.probe_gap.ci_low >= -max_gap
        else "whether the frozen base has it cannot be told"
    )
