"""Value types that every record shares."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from graft.metrics import Unit

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


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
    ``rows`` and ``uses`` are counts, ``auc`` lies in [0, 1] with 0.5 for chance.
    """

    value: float
    ci_low: float
    ci_high: float
    level: float = Field(default=0.95, gt=0, lt=1)
    n: int = Field(ge=0)
    method: str
    unit: Unit


def exact(n_found: float, n: int, *, unit: Unit = "rows") -> Estimate:
    """Return a count as an estimate: it was counted, so its interval is the count itself."""
    return Estimate(value=n_found, ci_low=n_found, ci_high=n_found, n=n, method="counted", unit=unit)
