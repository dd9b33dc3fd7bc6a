"""Value types that every record shares."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Outcome = Literal["passed", "failed", "cannot_tell"]
Relation = Literal["at_least", "at_most"]
Policy = Literal["hold", "note"]
Unit = Literal["points", "fraction", "rows", "auc"]


class Value(BaseModel):
    """A frozen value; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, serialize_by_alias=True)


class FileDigest(Value):
    """One file of a folder: its path relative to the folder, its sha256 and its size in bytes."""

    path: str
    sha256: Sha256
    size: int = Field(ge=0)

    @field_validator("path")
    @classmethod
    def _stays_inside(cls, path: str) -> str:
        parts = path.split("/")
        if not path.isprintable() or "\\" in path or not all(parts) or {".", ".."} & set(parts):
            raise ValueError("a file's path may not lead out of its folder")
        return path


class Estimate(Value):
    """An estimate, never shown without its interval and n.

    ``unit`` says how to print it: ``points`` are differences of fractions (0.01 is one point), ``fraction`` lies in [0, 1],
    ``rows`` are counts, ``auc`` lies in [0, 1] with 0.5 for chance.
    """

    value: float
    ci_low: float
    ci_high: float
    level: float = Field(default=0.95, gt=0, lt=1)
    n: int = Field(ge=0)
    method: str
    unit: Unit


class Check(Value):
    """An estimate beside the bound it has to keep.

    ``policy`` says what *cannot tell* does: ``hold`` keeps the candidate back, ``note`` is written down only. A failed check
    always counts, but for shift: that says something of the data and not of the model, so there ``policy`` is asked too.
    """

    name: str
    step: str
    observed: Estimate
    bound: float
    relation: Relation
    outcome: Outcome
    policy: Policy = "hold"
    note: str = ""

    @property
    def holds(self) -> bool:
        """Whether it keeps a candidate back."""
        if self.outcome == "failed":
            return self.policy == "hold" or self.step != "detect_shift"
        return self.outcome == "cannot_tell" and self.policy == "hold"


def exact(n_found: float, n: int, *, unit: Unit = "rows") -> Estimate:
    """Return a count as an estimate: it was counted, so its interval is the count itself."""
    return Estimate(value=n_found, ci_low=n_found, ci_high=n_found, n=n, method="counted", unit=unit)


def check(
    name: str,
    step: str,
    observed: Estimate,
    bound: float,
    relation: Relation,
    *,
    policy: Policy = "hold",
    note: str = "",
) -> Check:
    """Return the check of an estimate against its bound.

    Passed when the whole interval lies on the allowed side (the bound itself is allowed), failed when the whole interval lies
    on the other side, and ``cannot_tell`` when it crosses.
    """
    low, high = observed.ci_low, observed.ci_high
    if relation == "at_most":
        low, high, limit = -high, -low, -bound
    else:
        limit = bound
    outcome: Outcome = "passed" if low >= limit else "failed" if high < limit else "cannot_tell"
    return Check(
        name=name,
        step=step,
        observed=observed,
        bound=bound,
        relation=relation,
        outcome=outcome,
        policy=policy,
        note=note,
    )
