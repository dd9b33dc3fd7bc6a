"""How many models were measured on these test rows before? Each makes it likelier that one wins by chance.

Looks are counted by row, on a sample that every run takes alike: the rows with the least content keys. So a test set that grew by
a few rows is still the one that was looked at, and one that was replaced is new.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

N_SAMPLED = 64
N_LETTERS = 8
ALPHA = 0.05


def sample_of(keys: Iterable[str]) -> str:
    """Return the sample of a test set: the beginnings of its least content keys, too short to tell a text by."""
    return " ".join(sorted({key[:N_LETTERS] for key in keys})[:N_SAMPLED])


def count_looks(sample: str, earlier: Iterable[str]) -> int:
    """Return how many of the earlier models saw these rows, the mean over the sampled rows, rounded up.

    Args:
        earlier: the sample of each.

    Cost: O(N_SAMPLED) a model.
    Source: bottom-k sketch: Cohen and Kaplan 2007. Of rows only added, each that the new sample names and an earlier test set
        held is in the earlier sample too, so the mean is that of a random sample of the rows.
    """
    rows, before = sample.split(), [set(one.split()) for one in earlier]
    return math.ceil(sum(row in one for row in rows for one in before) / len(rows)) if rows else 0


def level_after(n_looks: int) -> float:
    """Return the level that intervals need after so many looks: .95 for the first two, then ever nearer to 1.

    The first model and its first challenger are each judged once and err with probability .05; all later challengers together
    with .05 too, however many: the one after n looks with .05 / (n (n - 1)).
    """
    return 1 - (ALPHA if n_looks < 2 else ALPHA / (n_looks * (n_looks - 1)))
