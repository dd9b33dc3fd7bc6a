"""What the pages say, as data: pure values with a digest, made before any HTML."""

from __future__ import annotations

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
    cpu_seconds: float = Field(ge=0)
    peak_memory_bytes: int = Field(ge=0)


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
