"""What every record has, and how each version of records writes it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_serializer, field_validator

from graft.records import schema_1
from graft.records.measurement import Check
from graft.records.values import Sha256, Value


class Record(Value):
    """What every step hands over. A skipped step hands over just this.

    ``passed`` is data: a step whose check fails writes ``False`` and ends well, and the steps behind that gate are skipped.
    ``summary`` is the line that a person reads in the terminal and on the page. ``schema_version`` is how it is written: in 1
    a check has a name, in 2 an id and a measurement; a record that is read takes the version of its kind.
    """

    schema_version: int = 1
    step: str
    recipe: str
    status: Literal["done", "skipped"] = "done"
    because: str = ""
    passed: bool
    summary: str
    inputs: dict[str, Sha256] = Field(default_factory=dict)
    checks: tuple[Check, ...] = ()

    @field_validator("schema_version")
    @classmethod
    def _of_its_kind(cls, version: int) -> int:
        return max(version, int(cls.model_fields["schema_version"].default))

    @field_validator("checks")
    @classmethod
    def _have_ids_of_their_own(cls, checks: tuple[Check, ...]) -> tuple[Check, ...]:
        ids = schema_1.distinct(check.id for check in checks)
        return tuple(check.model_copy(update={"id": check_id}) for check, check_id in zip(checks, ids, strict=True))


class RecordOfSchema1(Record):
    """A record that names its checks as schema 1 did, so that its bytes stay: each training depends on them.

    A check that schema 1 had no name for is written as it is.
    """

    @field_serializer("checks")
    def _by_name(self, checks: tuple[Check, ...]) -> list[dict[str, Any]]:
        return [schema_1.downgrade(check) for check in checks]
