"""One record per step. A record names each input by sha256 and holds no time, host, cost or path of a machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field, model_validator

from graft.records import schema_1
from graft.records.choice import BaseRegret, BaseScore
from graft.records.evaluation import Calibration, Confusion, Retention
from graft.records.record import Record, RecordOfSchema1
from graft.records.safe_read import MAX_JSON, parse_json, read_small
from graft.records.schema_1 import Action
from graft.records.shift import ShiftComparison
from graft.records.values import Estimate, FileDigest, Sha256, Value

Verdict = Literal["promote", "hold", "reject"]
TransferVerdict = Literal["positive", "none", "negative", "undecided"]
ChampionVerdict = Literal["first", "superior", "non_inferior", "inferior", "undecided"]
Severity = Literal["error", "warning", "note"]

TAKEN_OUT = "mended: dropped"
"""Why a row that a repair took out lies on no side: ingest writes it, and validate counts such rows nowhere."""


class Finding(Value):
    """Something odd in the data: how many rows, which (the first few, by name), how bad, what was done and what to do.

    ``error``: the data must not be trained on as it is; ``warning``: a person should look; ``note``: good to know.
    """

    name: str
    n_rows: int = Field(ge=0)
    rows: tuple[str, ...]
    severity: Severity = "note"
    done: str
    do: str = ""


class DatasetRecord(Record):
    """What data is this, exactly?"""

    n_rows: int
    n_train: int
    n_test: int
    n_dropped: int
    n_unlabelled: int = Field(default=0, description="rows that are learned from without a label")
    labels: tuple[str, ...]
    train_sha256: Sha256
    test_sha256: Sha256
    findings: tuple[Finding, ...]


class ValidationRecord(RecordOfSchema1):
    """May it be trained on?"""

    n_expectations: int
    findings: tuple[Finding, ...]
    class_counts: dict[str, int]


class EmbeddingRecord(Record):
    """Where does the data lie in each base's space?"""

    n_rows: int
    dimensions: dict[str, int]
    n_truncated: int
    max_tokens: int | None = Field(description="where texts were cut; None: images have no tokens")
    files: tuple[FileDigest, ...]
    unusable: dict[str, str] = Field(default_factory=dict, description="bases that embed no rows, and why")


class ShiftRecord(Record):
    """Has the domain shifted, and how far?"""

    schema_version: int = 2
    comparisons: tuple[ShiftComparison, ...]


class BaseChoiceRecord(RecordOfSchema1):
    """Which base, and which strategy? ``because`` says why this base."""

    base: str
    strategy: str
    scores: tuple[BaseScore, ...] = Field(description="the best probe first")
    unscored: dict[str, str] = Field(default_factory=dict, description="candidates that cannot be scored, and why")


class Trial(Value):
    """A strategy that ``auto`` weighed: what trial and training take by the fixed table, and its accuracy on rows held out."""

    name: str
    tflops: float = Field(ge=0)
    accuracy: float | None = Field(description="null: not tried, the budget did not reach")
    cross_validated: float | None = Field(default=None, description="accuracy out of fold, of the best")
    is_chosen: bool = False


class ModelRecord(Record):
    """The candidate: every file of it by digest; ``model_id`` is the digest of that list."""

    model_id: Sha256
    files: tuple[FileDigest, ...]
    base: str
    base_sha256: Sha256
    strategy: str
    n_train: int
    n_unlabelled: int = Field(default=0, description="rows that were learned from without a label")
    n_parameters: int
    n_trained_parameters: int
    loss: tuple[float, ...] = Field(description="mean training loss of each epoch")
    held_out: tuple[tuple[float, float], ...] = Field(
        default=(), description="loss and accuracy on held-out rows after each epoch"
    )
    alpha: float = Field(default=1.0, description="share of the way from the base to the tuned weights")
    trials: tuple[Trial, ...] = ()
    tflops: float = Field(default=0.0, description="trials, embedding and training, by the fixed table")
    tflops_forward: float = Field(default=0.0, description="of one row's way through the network, on average")


class EvaluationRecord(Record):
    """Did the transfer help, and is the candidate better than the champion? On test rows none of them was trained on."""

    schema_version: int = 2
    n_test: int
    accuracy: dict[str, Estimate] = Field(
        description="by arm that was measured: candidate, frozen_probe, scratch, scratch_network, champion, best_champion"
    )
    differences: dict[str, Estimate] = Field(description="candidate minus arm, paired")
    mcnemar_p_values: dict[str, float]
    transfer: TransferVerdict
    champion: ChampionVerdict
    best: ChampionVerdict | None = Field(
        default=None, description="against the best champion so far; null: that is the champion, or there is none"
    )
    n_compared: int = Field(default=0, ge=0, description="candidates compared with that best champion before this one")
    per_class: dict[str, Estimate]
    confusions: tuple[tuple[str, str, int], ...] = Field(description="true, predicted, rows: the most frequent errors")
    predictions_sha256: Sha256
    held_out_sha256: Sha256 | None = Field(
        default=None, description="of held_out.safetensors, a blob of the ledger: what later batches are compared with"
    )
    level: float = Field(default=0.95, description="of the differences' intervals, raised by earlier looks")
    n_looks: int = Field(default=0, ge=0, description="looks at these test rows before this one")
    looked_at: str = Field(
        default="", description="the test rows by the beginnings of their keys, by which looks are counted"
    )
    rows_to_tell: dict[str, int | None] = Field(
        default_factory=dict,
        description="by arm whose difference crosses its bound: test rows needed; null: over a million",
    )
    tflops: dict[str, float] = Field(default_factory=dict, description="by arm, by the fixed table")
    calibration: Calibration | None = None
    retention: tuple[Retention, ...] = Field(
        default=(), description="by ancestor, nearest first; of a pretrained base, its own"
    )
    forgotten: Estimate | None = Field(default=None, description="mean of the ancestors' own_head differences")
    base_regret: BaseRegret | None = Field(default=None, description="null: one candidate, so there was no choice")
    macro_f1: dict[str, Estimate] = Field(default_factory=dict, description="by arm; not of the champion")
    confusion: Confusion | None = Field(
        default=None, description="null: over 20 labels, or written before there was one"
    )
    cheap_model: str = Field(default="", description="what the arm scratch is")

    def rival(self, strategy: str) -> str:
        """Return the most accurate arm of those that cost next to nothing; with the strategy head, the probe is the candidate."""
        known = [arm for arm in ("scratch", "frozen_probe") if arm in self.differences and arm in self.accuracy]
        cheap = [arm for arm in known if (arm, strategy) != ("frozen_probe", "head")]
        return max(cheap, key=lambda arm: self.accuracy[arm].value, default="")


class Slice(Value):
    """One group of one sensitive column: its accuracy, and its gap to all other rows, for candidate and frozen probe."""

    column: str
    group: str
    n: int
    accuracy: Estimate
    gap: Estimate
    probe_gap: Estimate
    sufficient: bool

    @property
    def subject(self) -> str:
        """The group as the subject of a measurement."""
        return f"{self.column}={self.group}"


class BiasRecord(Record):
    """Does the model serve some group worse, and did tuning bring it in?"""

    schema_version: int = 2
    slices: tuple[Slice, ...]


class ReportRecord(Record):
    """Names ``report.json``, everything that the page says, by its digest."""

    report_sha256: Sha256


class DecisionRecord(Record):
    """Promote, hold or reject, with the checks that say so.

    ``deciding`` is the one that did, ``do`` says what would help and ``action`` which command that begins with: audit and
    status where nothing has to be done, validate to see the rows that are wrong, add for more rows or labels, else run.
    """

    schema_version: int = 2
    verdict: Verdict
    headline: str
    model_id: Sha256 | None
    n_passed: int
    n_failed: int
    n_cannot_tell: int
    deciding: str = Field(default="", description="id of a check; empty: none decided alone")
    do: str = ""
    action: Action = "run"

    @model_validator(mode="before")
    @classmethod
    def _read_schema_1(cls, plain: Any) -> Any:
        is_old = isinstance(plain, dict) and plain.get("schema_version") == 1
        return schema_1.upgrade_decision(plain) if is_old else plain


BatchOutcome = Literal["passed", "alarm", "refused", "cannot_tell"]


class MonitorRecord(Record):
    """One production batch against the champion: may it be used, and has the domain shifted?

    ``outcome`` is null in records of versions that did not write it; they passed what they could not tell.
    """

    schema_version: int = 2
    outcome: BatchOutcome | None = None

    batch: str
    batch_sha256: Sha256
    champion: str
    n_rows: int
    findings: tuple[Finding, ...]
    comparisons: tuple[ShiftComparison, ...]

    @property
    def is_alarm(self) -> bool:
        """Whether the batch was refused or is unlike what the champion knows."""
        return self.outcome in ("alarm", "refused") if self.outcome else not self.passed


RECORDS: dict[str, type[Record]] = {
    "ingest": DatasetRecord,
    "validate": ValidationRecord,
    "embed": EmbeddingRecord,
    "detect_shift": ShiftRecord,
    "choose_base": BaseChoiceRecord,
    "finetune": ModelRecord,
    "evaluate": EvaluationRecord,
    "measure_bias": BiasRecord,
    "decide": DecisionRecord,
    "report": ReportRecord,
}
"""The steps in their order, each with the record it hands over."""


def load_record(path: Path, step: str) -> Record:
    """Return the record of a step; a skipped step gives a plain ``Record``.

    Raises:
        InputError: the file is too long to be one; it is not read.
        TamperError: the file is not such a record.
    """
    content, what = read_small(path, MAX_JSON), f"a record of {step}"
    do = "restore it with git, or run the step again"
    plain = parse_json(content, Skip, what, where=path, do=do)
    kind = Record if plain.status == "skipped" else RECORDS[step]
    return parse_json(content, kind, what, where=path, do=do)


class Skip(Record):
    """Reads just the status of any record."""

    model_config = ConfigDict(frozen=True, extra="ignore")
