"""What tells two samples apart, in words that people know: properties of contents, values of columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from graft.modality.profile import profile_shares, share
from graft.records import Sign
from graft.records.shift import Profile, Property
from graft.stats.univariate import fisher_test

N_SIGNS = 8
LEVEL = 0.01


def profile_columns(rows: pd.DataFrame, columns: Sequence[str]) -> Profile:
    """Describe columns by the share of each value that stands in three rows at least."""
    profile = Profile(n=len(rows), properties={})
    for column in columns:
        counts = Counter(f"{column} = {value}" for value in rows[column].dropna().astype(str))
        profile |= profile_shares(len(rows), counts.most_common(), N_SIGNS * 4)
    return profile


def find_differences(reference: Profile, current: Profile) -> tuple[Sign, ...]:
    """Return what differs most between two samples beyond chance, at most eight.

    What passes LEVEL after Bonferroni's correction over all properties is named, the largest z first. z is the score test's, with
    the variance of all rows together, so it is finite also where each side is all alike. Whether a word or value is named is
    asked of Fisher's exact test, as few rows make rare words jump. One that a profile leaves out may stand in as many rows as
    the most frequent that it leaves out; it is taken to stand in as many as fit the other side.

    Assumes: rows independent; of means, that some 30 rows are on each side.
    Error: anything named where nothing differs: in a share LEVEL of comparisons at most (tests/statistical/test_explanations.py).
    """
    n, m = reference.n, current.n
    if min(n, m) == 0:
        return ()
    both = {name: _pair(reference, current, name) for name in sorted({*reference.properties, *current.properties})}
    names, pairs = [name for name in both if both[name]], [pair for pair in both.values() if pair]
    scores = [_score(before, now, n, m) for before, now in pairs]
    p_values = 2 * stats.norm.sf(np.abs(scores))
    counted = [i for i, pair in enumerate(pairs) if all(side.is_count for side in pair)]
    if counted:
        k, j = ([round(pairs[i][side].mean * (n, m)[side]) for i in counted] for side in (0, 1))
        p_values[counted] = fisher_test(k, n, j, m)
    signs = [
        Sign(name=name, reference=round(before.mean, 4), current=round(now.mean, 4), z=round(z, 1), unit=now.unit)
        for name, (before, now), z, p_value in zip(names, pairs, scores, p_values, strict=True)
        if p_value < LEVEL / len(names)
    ]
    return tuple(sorted(signs, key=lambda sign: (-abs(sign.z), sign.name))[:N_SIGNS])


def _pair(reference: Profile, current: Profile, name: str) -> tuple[Property, Property] | None:
    """Return a property on both sides; None where one side lacks it and it is no word or value."""
    before, now = (profile.properties.get(name) for profile in (reference, current))
    if now is None and before is not None and before.is_count:
        now = share(min(current.left_out, before.mean))
    elif before is None and now is not None and now.is_count:
        before = share(min(reference.left_out, now.mean))
    return (before, now) if before is not None and now is not None else None


def _score(before: Property, now: Property, n: int, m: int) -> float:
    away = now.mean - before.mean
    within = (n * before.sd**2 + m * now.sd**2) / (n + m)
    error = np.sqrt((within + n * m / (n + m) ** 2 * away**2) * (1 / n + 1 / m))
    return float(away / error) if error > 0 else 0.0
