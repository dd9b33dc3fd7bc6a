"""What is signed: in-toto statements about runs and promotions."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator

from graft.records.values import FileDigest, Sha256, Value

STATEMENT_TYPE: Literal["https://in-toto.io/Statement/v1"] = "https://in-toto.io/Statement/v1"
RUN_TYPE: Literal["urn:graft:run:v1"] = "urn:graft:run:v1"
PROMOTION_TYPE: Literal["urn:graft:promotion:v1"] = "urn:graft:promotion:v1"
RECIPE_NAME = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
NUMBER = Annotated[str, Field(pattern=r"^[0-9]{4,9}$")]
TIME = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]


class RunPredicate(Value):
    """One finished run: what it read, every record it wrote, what was decided, and what it cost."""

    recipe: RECIPE_NAME
    recipe_sha256: Sha256
    inputs_sha256: Sha256
    dataset_sha256: Sha256
    base_id: str | None
    base_sha256: Sha256 | None
    records: dict[str, Sha256] = Field(description="sha256 of each step's record, all of them blobs")
    verdict: Literal["promote", "hold", "reject"]
    headline: str
    model_id: Sha256 | None
    model_files: tuple[FileDigest, ...]
    parents: tuple[Sha256, ...] = Field(description="promotions this run started from: the champion, a graft: base")
    base_entry: Sha256 | None = Field(
        default=None, description="which of the parents a graft: base is; absent from entries of 0.1.0"
    )
    previous: tuple[Sha256, ...] = Field(
        description="runs of the recipe that no run named yet; most often the one before"
    )
    graft_version: str
    finished_at: TIME
    costs: dict[str, dict[str, float | bool | str | None]] = Field(
        description="what each step took, as its cost.json says"
    )


class PromotionPredicate(Value):
    """One change of the champion. ``parent`` is the promotion before it; numbers have no gap; ``at`` never goes back."""

    recipe: RECIPE_NAME
    number: NUMBER
    action: Literal["promote", "rollback"]
    model_id: Sha256
    model_number: NUMBER = Field(description="the number under which this model was first promoted; names its folder")
    folder_md5: Annotated[str, Field(pattern=r"^[0-9a-f]{32}\.dir$", description="what the folder's DVC pointer says")]
    signature_sha256: Sha256 = Field(description="of the OpenSSF signature over the model, a blob")
    run: Sha256 = Field(description="entry of the run that made the model")
    parent: Sha256 | None
    reason: str
    by: str
    at: TIME
    overrides: bool = Field(description="a person promoted against the run's verdict")


class Subject(Value):
    """What a statement is about."""

    name: str
    digest: dict[Literal["sha256"], Sha256]


class Statement(Value):
    """An in-toto Statement v1."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    type_: Literal["https://in-toto.io/Statement/v1"] = Field(alias="_type")
    subject: tuple[Subject, ...] = Field(min_length=1)
    predicate_type: Literal["urn:graft:run:v1", "urn:graft:promotion:v1"] = Field(alias="predicateType")
    predicate: RunPredicate | PromotionPredicate = Field(union_mode="left_to_right")  # none is both: so tried once

    @model_validator(mode="after")
    def _says_what_it_is(self) -> Statement:
        named = RunPredicate if self.predicate_type == RUN_TYPE else PromotionPredicate
        if not isinstance(self.predicate, named):
            raise ValueError("the predicate is not of the type that the statement names")
        return self


def statement(predicate: RunPredicate | PromotionPredicate) -> Statement:
    """Return the statement about a run's or a promotion's model; a run without a model is about its decision."""
    if isinstance(predicate, RunPredicate):
        kind, name = RUN_TYPE, "model" if predicate.model_id else "decision"
        digest = predicate.model_id or predicate.records["decide"]
    else:
        kind, name, digest = PROMOTION_TYPE, "model", predicate.model_id  # type: ignore[assignment]
    return Statement(
        _type=STATEMENT_TYPE,
        subject=(Subject(name=name, digest={"sha256": digest}),),
        predicateType=kind,
        predicate=predicate,
    )
