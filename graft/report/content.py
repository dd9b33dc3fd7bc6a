"""What the pages say, as data: pure values with a digest, made before any HTML."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from graft.records import (
    BaseChoiceRecord,
    BiasRecord,
    DatasetRecord,
    DecisionRecord,
    EmbeddingRecord,
    EvaluationRecord,
    Inputs,
    ModelRecord,
    Record,
    ShiftRecord,
    ValidationRecord,
    Value,
)


class Report(Value):
    """Everything that the page of one run says, except time, energy and cost. A skipped step stands as a plain ``Record``."""

    schema_version: int = 1
    recipe: str
    inputs: Inputs
    digests: dict[str, str] = Field(description="sha256 of inputs.json and of each step's record")
    ingest: DatasetRecord
    validate_: ValidationRecord = Field(alias="validate")
    embed: EmbeddingRecord | Record
    detect_shift: ShiftRecord | Record
    choose_base: BaseChoiceRecord | Record
    finetune: ModelRecord | Record
    evaluate: EvaluationRecord | Record
    measure_bias: BiasRecord | Record
    decide: DecisionRecord


class Standing(Value):
    """What became of a run's model, and who is champion now: read from the ledger when a page is drawn, and in no digest."""

    champion: str = Field(default="", description="number of the promotion in force; empty: there is none")
    number: str = Field(default="", description="number under which this run's model was promoted; empty: it was not")
    is_live: bool = Field(default=False, description="the model in force is this run's")
    forced: str = Field(default="", description="who promoted this run's model against its verdict, and why")


class Mistake(Value):
    """A test row that the candidate got wrong. ``picture`` is a small PNG in base64, ``text`` the row's text; one is empty."""

    row: str
    label: str
    predicted: str
    score: float = Field(ge=0, le=1, description="probability that the candidate gave to what it said")
    text: str = ""
    picture: str = Field(default="", pattern=r"^[A-Za-z0-9+/]*={0,2}$")


class Mistakes(Value):
    """The mistakes that the candidate was surest of. Rows of data: kept beside the predictions, never in a record."""

    n_wrong: int
    shown: tuple[Mistake, ...]


class Cost(Value):
    """What a step took on the machine where it ran. Never in a record, never in a digest."""

    started_at: str
    seconds: float = Field(ge=0)
    cpu_seconds: float = Field(ge=0, description="of the step's process and of those that it started")
    peak_memory_bytes: int = Field(ge=0)
    energy_joules: float | None = Field(default=None, ge=0)
    energy_is_measured: bool = Field(default=False, description="false: estimated from the processor time")
    price: float | None = Field(default=None, ge=0)
    currency: str = ""

    @property
    def energy(self) -> str:
        """The energy in words; empty where it is not known."""
        if self.energy_joules is None:
            return ""
        hours = self.energy_joules / 3600
        shown = f"{hours / 1000:,.1f} kWh" if hours >= 999.5 else f"{hours:.{1 if hours < 99.95 else 0}f} Wh"
        return f"{'under 0.1 Wh' if hours < 0.05 else shown}, {'measured' if self.energy_is_measured else 'estimated'}"

    @property
    def money(self) -> str:
        """The price in words; empty where it is not known."""
        return "" if self.price is None else money(self.price, self.currency)


def money(amount: float, currency: str) -> str:
    """Return a sum of money in words."""
    return f"under 0.01 {currency}" if 0 < amount < 0.005 else f"{amount:,.2f} {currency}"


def add_up(costs: Sequence[Cost]) -> Cost:
    """Return what several steps, one at least, took together: energy and price only where those of each are known."""
    energies = [one.energy_joules for one in costs if one.energy_joules is not None]
    prices = [one.price for one in costs if one.price is not None]
    currencies = {one.currency for one in costs}
    is_priced = len(prices) == len(costs) and len(currencies) == 1
    return Cost(
        started_at=min(one.started_at for one in costs),
        seconds=sum(one.seconds for one in costs),
        cpu_seconds=sum(one.cpu_seconds for one in costs),
        peak_memory_bytes=max(one.peak_memory_bytes for one in costs),
        energy_joules=sum(energies) if len(energies) == len(costs) else None,
        energy_is_measured=all(one.energy_is_measured for one in costs),
        price=sum(prices) if is_priced else None,
        currency=currencies.pop() if is_priced else "",
    )


Integrity = Literal["intact", "broken", "open", "unproven"]


class AuditLine(Value):
    """One kind of thing that was verified: what was looked at, and what came out."""

    name: str
    integrity: Integrity
    finding: str


class Hop(Value):
    """One model of the chain, base first. ``facts`` are label and text, in the order to show them."""

    name: str
    made_by: str
    integrity: Integrity
    facts: tuple[tuple[str, str], ...]


class Audit(Value):
    """The chain of the model that was champion at one time, as verified from the ledger.

    ``broken_at`` holds file, found and signed digest of the first broken thing, as label and text.
    """

    recipe: str
    number: str
    live_since: str
    hops: tuple[Hop, ...]
    lines: tuple[AuditLine, ...]
    verdict: Literal["intact", "broken"]
    headline: str
    broken_at: tuple[tuple[str, str], ...] = ()
    history: tuple[tuple[str, str, str], ...] = Field(default=(), description="number, time, what happened")
