"""What the page of a run says, as data: pure values with a digest, made before any HTML."""

from __future__ import annotations

from pydantic import Field

from graft.records.inputs import Inputs
from graft.records.record import Record
from graft.records.steps import (
    BaseChoiceRecord,
    BiasRecord,
    DatasetRecord,
    DecisionRecord,
    EmbeddingRecord,
    EvaluationRecord,
    ModelRecord,
    ShiftRecord,
    ValidationRecord,
)
from graft.records.values import Value


class Report(Value):
    """Everything that the page of one run says, except time, energy and cost. A skipped step stands as a plain ``Record``."""

    schema_version: int = 2
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
