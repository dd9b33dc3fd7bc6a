"""How alike two embeddings of the same rows are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def linear_cka(first: npt.NDArray[np.float32], second: npt.NDArray[np.float32]) -> float:
    """Return the linear centred kernel alignment of two embeddings, in [0, 1]; 1: alike up to rotation and scale.

    Args:
        first, second: shapes (n, d1) and (n, d2). 0 where one of them is constant.

    Cost: O(n d1 d2).
    Source: Kornblith, Norouzi, Lee, Hinton 2019, equation 4.
    """
    a, b = (x.astype(np.float64) - x.mean(axis=0, dtype=np.float64) for x in (first, second))
    norm = np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b)
    return float(np.linalg.norm(a.T @ b) ** 2 / norm) if norm else 0.0
