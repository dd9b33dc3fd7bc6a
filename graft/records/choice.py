"""What is known of candidate bases before anything is trained, and what the choice among them was worth."""

from __future__ import annotations

from pydantic import Field

from graft.records.values import Estimate, Value


class BaseScore(Value):
    """What is known of a candidate base before anything is trained, from its frozen features of a sample of training rows."""

    base: str
    accuracy: Estimate = Field(description="of a linear probe, cross-validated")
    C: float
    n_parameters: int
    licence: str
    behind: Estimate | None = Field(
        default=None, description="the best probe's accuracy minus this one's; null: the best"
    )
    knn: Estimate | None = Field(default=None, description="share that the nearest other rows get right")
    k: int = Field(default=0, ge=0, description="how many of them, the best of 1 to 20")
    logme: float | None = Field(default=None, description="log evidence a row and class of a linear model")
    leep: float | None = Field(default=None, description="null: the base has no head of its own")
    tflops_forward: float | None = Field(default=None, ge=0, description="of one row's way through the network")


class BaseRegret(Value):
    """What the choice of the base was worth: the frozen probe of every scored candidate on the test rows.

    ``promised`` is what the choice went by, which saw none of them; ``regret`` is the best candidate's accuracy minus the chosen
    one's on the same rows, None where the chosen one is the best there. As the best of several it is too large by chance.
    """

    base: str
    promised: Estimate = Field(description="cross-validated on training rows")
    measured: dict[str, Estimate] = Field(description="by base")
    best: str
    regret: Estimate | None = None
