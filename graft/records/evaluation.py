"""What an evaluation finds beside accuracy: what is still known of ancestors' tasks, and whether confidence can be trusted."""

from __future__ import annotations

from pydantic import Field

from graft.records.values import Estimate, Value


class Retention(Value):
    """What a candidate keeps of an ancestor's task: differences of accuracy, candidate minus ancestor, on rows unseen by both.

    ``own_head`` with the ancestor's head, ``probe`` with a head fitted anew; None where it is not measured, and ``because`` says
    why. ``cka`` is the likeness of features, 1 for alike, ``weight_change`` how far the weights went over their length.
    """

    ancestor: str
    is_promoted: bool = Field(default=True, description="false: a base whose task is outside the ledger")
    n: int = Field(ge=0, description="test rows of the ancestor's task")
    own_head: Estimate | None = None
    probe: Estimate | None = None
    cka: float | None = Field(default=None, ge=0, le=1.000001)
    weight_change: float | None = Field(default=None, ge=0)
    because: str = ""


class Bin(Value):
    """Test rows of like confidence: the mean probability given to what was said, and the share that was right."""

    confidence: float = Field(ge=0, le=1)
    accuracy: Estimate


class Confusion(Value):
    """How often each label was taken for each: ``rows[i][j]`` test rows of ``labels[i]`` were called ``labels[j]``."""

    labels: tuple[str, ...]
    rows: tuple[tuple[int, ...], ...]


class Calibration(Value):
    """Is the candidate as often right as it says?"""

    error: float = Field(ge=0, le=1, description="expected calibration error")
    by_chance: float = Field(ge=0, le=1, description="what a perfect model stays below, 19 times in 20")
    bins: tuple[Bin, ...]
