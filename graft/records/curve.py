"""What a curve measured: accuracy against rows for every arm, and what share of the rows transfer needs."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from graft.records.measurement import Outcome
from graft.records.record import Record
from graft.records.safe_read import load_json
from graft.records.values import Estimate, Sha256, Value

CLAIMED = {"data": 0.10, "time": 0.20, "cost": 0.25}
"""What the field says that transfer needs, as shares of what training from scratch needs at equal accuracy."""
Known = Literal["exact", "at_most", "at_least", "unknown"]


def share(value: float) -> str:
    """Return a ratio as people read it: a share, or how many times as much."""
    return f"{value:.1%}" if value < 2 else f"{value:,.1f}x"


class Ratio(Value):
    """A ratio with its interval, either of which may be open.

    ``known`` says what ``value`` is: the ratio, the least or most that it can be, or nothing. An interval without a lower end
    begins at 0, one without an upper end has None there.
    """

    value: float | None = Field(ge=0)
    ci_low: float = Field(ge=0)
    ci_high: float | None = Field(ge=0)
    level: float = Field(default=0.95, gt=0, lt=1)
    n: int = Field(ge=0, description="test rows")
    known: Known
    method: str

    @property
    def words(self) -> str:
        """The ratio with its interval, as people read it."""
        if self.value is None:
            return "cannot tell"
        bound = {"exact": "", "at_most": "at most ", "at_least": "at least "}[self.known]
        high = "open" if self.ci_high is None else share(self.ci_high)
        return f"{bound}{share(self.value)} [{share(self.ci_low)}, {high}]"

    def outcome(self, bound: float) -> Outcome:
        """Return whether it is at most so much: passed and failed only where the whole interval lies on that side."""
        if self.ci_high is not None and self.ci_high <= bound:
            return "passed"
        return "failed" if self.ci_low > bound else "cannot_tell"


class Point(Value):
    """An arm at one size: the accuracy of each draw, and their mean."""

    arm: str
    size: int | None = Field(description="rows of each class; null: all")
    n_rows: int = Field(ge=1, description="rows that were learned from")
    draws: tuple[float, ...]
    accuracy: Estimate


class Saving(Value):
    """What share of something an arm needs for the accuracy that one without pretraining has.

    ``target`` is that accuracy: what ``against`` reaches with all rows where ``is_fixed`` is false, which the interval takes as
    measured anew in each sample; else a round number.
    """

    arm: str
    against: str
    target: float = Field(ge=0, le=1)
    is_fixed: bool
    ratio: Ratio


class CurveRecord(Record):
    """How much less data does transfer need, on the test rows of one run?"""

    train_sha256: Sha256
    test_sha256: Sha256
    base: str
    base_sha256: Sha256
    hits_sha256: Sha256 = Field(description="digest of which test rows each cell got right")
    n_train: int
    n_test: int
    n_classes: int
    strategy: str = Field(description="what transfer trains")
    learning_rate: float | None = Field(
        description="of the network from scratch, chosen on training rows; null: not measured"
    )
    left_out: tuple[str, ...] = Field(description="arms that were not measured")
    points: tuple[Point, ...]
    data: tuple[Saving, ...] = Field(description="shares of the rows")
    area_gains: dict[str, Estimate] = Field(
        description="transfer minus each other arm, area under accuracy against log2 of the rows"
    )

    def point(self, arm: str, size: int | None) -> Point | None:
        """Return an arm at a size."""
        return next((point for point in self.points if (point.arm, point.size) == (arm, size)), None)

    @property
    def arms(self) -> tuple[str, ...]:
        """The arms that were measured, in their order."""
        return tuple(dict.fromkeys(point.arm for point in self.points))

    @property
    def sizes(self) -> tuple[int | None, ...]:
        """The sizes that were measured, ascending."""
        sizes = dict.fromkeys(point.size for point in self.points)
        return tuple(sorted(sizes, key=lambda size: (size is None, size or 0)))


def load_curve(path: Path) -> CurveRecord:
    """Return the record of a curve.

    Raises:
        InputError: the file is too long to be one; it is not read.
        TamperError: the file is not such a record.
    """
    return load_json(path, CurveRecord, "a record of curve", do="restore it with git, or measure again")
