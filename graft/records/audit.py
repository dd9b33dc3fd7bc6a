"""What an audit found of the chain of a model."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from graft.records.values import Value

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

    ``forced`` says who promoted that model against its run's verdict, and why; empty: nobody did.
    ``broken_at`` holds file, found and signed digest of the first broken thing, as label and text.
    """

    recipe: str
    number: str
    live_since: str
    hops: tuple[Hop, ...]
    lines: tuple[AuditLine, ...]
    verdict: Literal["intact", "broken"]
    headline: str
    forced: str = ""
    broken_at: tuple[tuple[str, str], ...] = ()
    history: tuple[tuple[str, str, str], ...] = Field(default=(), description="number, time, what happened")
