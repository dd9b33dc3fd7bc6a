"""Compares two samples in the base's space."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from graft.records import ShiftComparison
from graft.stats.twosample import two_sample_test

N_MIN = 10
N_MOST_SHIFTED = 5


def compare(
    name: str,
    reference: npt.NDArray[np.float32],
    current: npt.NDArray[np.float32],
    *,
    reference_name: str,
    current_name: str,
    current_rows: Sequence[str],
    alpha: float,
    max_auc: float,
    n_permutations: int,
    max_rows: int,
    rng: np.random.Generator,
) -> ShiftComparison:
    """Compare two samples: shifted only if the difference is significant *and* large.

    With many rows every trifle is significant, with few a large effect is chance; a verdict that needs both is the same at
    1,000 and at 100,000 rows.

    Args:
        reference, current: features, shapes (n, d) and (m, d).
        current_rows: m names, to say which rows look least like the reference.
        alpha: level of the permutation test.
        max_auc: the AUC above which a difference is large.
        max_rows: rows taken of each side at most, at random.

    Returns:
        the comparison; ``shifted`` is None, with the reason, where a side has fewer than 10 rows.

    Cost: that of ``two_sample_test`` on at most 2 x max_rows rows.
    """
    if min(len(reference), len(current)) < N_MIN:
        return ShiftComparison(
            name=name,
            reference=reference_name,
            current=current_name,
            auc=None,
            shifted=None,
            because=f"{min(len(reference), len(current))} rows on one side; {N_MIN} are needed",
        )
    left = rng.permutation(len(reference))[:max_rows]
    right = rng.permutation(len(current))[:max_rows]
    result = two_sample_test(reference[left], current[right], rng=rng, n_permutations=n_permutations)
    most = np.argsort(-result.scores, kind="stable")[:N_MOST_SHIFTED]
    shifted = result.p_value < alpha and result.auc.value > max_auc
    return ShiftComparison(
        name=name,
        reference=reference_name,
        current=current_name,
        auc=result.auc,
        p_value=result.p_value,
        n_permutations=n_permutations,
        shifted=shifted,
        because=_reason(result.p_value, alpha, result.auc.value, max_auc),
        most_shifted=tuple(current_rows[right[i]] for i in most) if shifted else (),
    )


def _reason(p_value: float, alpha: float, auc: float, max_auc: float) -> str:
    if p_value >= alpha:
        return f"no difference found: p {p_value:.3f} is not below {alpha:g}"
    if auc <= max_auc:
        return f"a small difference: p {p_value:.3f} is below {alpha:g}, the AUC {auc:.3f} is not above {max_auc:g}"
    return f"a difference, and a large one: p {p_value:.3f} is below {alpha:g}, the AUC {auc:.3f} is above {max_auc:g}"
