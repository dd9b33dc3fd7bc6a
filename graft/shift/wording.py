"""A shift in one line of text; imports nothing heavy, as the command line reads it too."""

from __future__ import annotations

from graft.records import ShiftComparison
from graft.records.shift import ShiftName

KINDS: dict[ShiftName, str] = {
    "covariate": "contents",
    "label": "mix of classes",
    "concept": "meaning of labels",
    "unknown": "rows of no class",
    "confidence": "confidence",
    "probabilities": "class probabilities",
}
"""What shifted, in words, by the field's name of the shift."""


def chance(p_value: float) -> str:
    """Return a p-value to three decimals; one below them is said to be, as none is 0."""
    return f"p {p_value:.3f}" if p_value >= 0.001 else "p under 0.001"


def shift_sentence(comparison: ShiftComparison) -> str:
    """Return how far an alarming comparison shifted, and in which ways."""
    auc = f"AUC {comparison.auc.value:.2f}" if comparison.auc else ""
    return ", ".join([f"shifted: {auc}", *(KINDS[name] for name in comparison.found)])
