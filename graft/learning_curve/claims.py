"""What a curve took, and what the section about the field's claims says: values beside the curve's record, in no digest."""

from __future__ import annotations

from typing import Literal, NamedTuple

from pydantic import Field

from graft.records import CLAIMED, CurveRecord, Outcome, Ratio, Value
from graft.records.cost import Cost
from graft.records.values import Sha256

What = Literal["data", "time", "energy", "cost"]
ARMS = {
    "transfer": "transfer",
    "frozen_probe": "frozen probe",
    "scratch_network": "scratch network",
    "scratch": "scratch",
    "random_encoder": "random encoder",
    "shuffled_labels": "shuffled labels",
}
"""What arms are called, in the order in which they are read."""


class CellCost(Value):
    """What an arm took at one size: medians over draws, of seconds the quartiles as well."""

    arm: str
    size: int | None
    n_draws: int
    seconds: float
    seconds_low: float
    seconds_high: float
    cpu_seconds: float
    energy_joules: float | None
    price: float | None


class Spent(Value):
    """What two arms spent to reach what the second one reaches with all rows: seconds or joules, and the ratio.

    ``with_search``: with what choosing the settings of each took, as far as that was measured.
    """

    arm: str
    against: str
    what: Literal["time", "energy"]
    with_search: bool
    spent: float
    spent_against: float
    ratio: Ratio


class CurveCost(Value):
    """What a curve took on the machines where it was measured."""

    record_sha256: Sha256 = Field(description="of the record that this belongs to")
    cells: tuple[CellCost, ...]
    spent: tuple[Spent, ...]
    search: dict[str, float] = Field(description="seconds that choosing an arm's settings took")
    total: Cost
    n_surroundings: int = Field(description="kinds of machine, threads and packages: times compare where there is one")


class Claim(NamedTuple):
    """One line of the comparison with the field: what, the share that was found, and the share that the field says."""

    what: What
    ratio: Ratio
    claimed: float | None

    @property
    def outcome(self) -> Outcome | None:
        """Whether it holds here; None: the field says nothing of it."""
        return None if self.claimed is None else self.ratio.outcome(self.claimed)


class Pair(NamedTuple):
    """A pretrained arm and one that is not, compared at the accuracy that the latter reaches with all rows."""

    arm: str
    against: str
    target: float
    claims: list[Claim]

    @property
    def words(self) -> str:
        """Which two arms."""
        return f"{ARMS[self.arm]} against {ARMS[self.against]}"

    @property
    def judged(self) -> list[Outcome]:
        """What came of the field's claims."""
        return [claim.outcome for claim in self.claims if claim.outcome]


class Claims(NamedTuple):
    """What is said of the field's claims: a curve, what it took if that is known, and whether rows or base changed since."""

    record: CurveRecord
    cost: CurveCost | None
    is_older: bool

    @property
    def pairs(self) -> list[Pair]:
        """Each pair with its claims. A machine costs by the hour, so a cost is in the ratio of the times."""
        found = []
        for saving in self.record.data:
            if saving.is_fixed:
                continue
            claims = [Claim("data", saving.ratio, CLAIMED["data"])]
            for spent in self._spent(saving.arm, saving.against):
                claims.append(Claim(spent.what, spent.ratio, CLAIMED.get(spent.what)))
                if spent.what == "time":
                    claims.append(Claim("cost", spent.ratio, CLAIMED["cost"]))
            found.append(Pair(saving.arm, saving.against, saving.target, claims))
        return found

    @property
    def names(self) -> dict[str, str]:
        """What arms are called."""
        return ARMS

    def took(self, arm: str, size: int | None) -> CellCost | None:
        """Return what an arm took at a size; None where that is not known."""
        cells = self.cost.cells if self.cost else ()
        return next((cell for cell in cells if (cell.arm, cell.size) == (arm, size)), None)

    @property
    def notes(self) -> list[str]:
        """What is to be known of these numbers, in sentences."""
        notes = [
            "Scratch network is the base's architecture from random weights, scratch a cheap model without any pretraining. "
            "Random encoder and shuffled labels are placebos: they show what is reached without knowing anything.",
            "What pretraining the base cost is in none of these numbers: it was spent once, elsewhere, and every recipe that "
            "grows from the base shares it.",
        ]
        cost = self.cost
        for arm, seconds in (cost.search if cost else {}).items():
            notes.append(f"Choosing how {ARMS[arm]} is trained took {seconds:,.0f} s, which counts as its time.")
            notes += [
                f"Without that, {ARMS[spent.arm]} takes {spent.ratio.words} of the time of {ARMS[spent.against]}."
                for spent in (cost.spent if cost else ())
                if not spent.with_search and spent.what == "time" and arm in (spent.arm, spent.against)
            ]  # fmt: skip
        if cost is None:
            notes.append("What it took is not known here: times stay on the machine where they were measured.")
        elif cost.n_surroundings > 1:
            notes.append(
                f"Machine, threads or packages changed while it was measured, {cost.n_surroundings - 1} times: the times "
                "compare badly."
            )
        if self.record.left_out:
            notes.append(f"Left out: {', '.join(ARMS[arm] for arm in self.record.left_out)}.")
        return notes

    def _spent(self, arm: str, against: str) -> list[Spent]:
        found = self.cost.spent if self.cost else ()
        return [spent for spent in found if (spent.arm, spent.against) == (arm, against) and spent.with_search]
