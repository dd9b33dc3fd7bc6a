"""status: champion, last verdict, last batch, per recipe, from ledger and records."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from graft.records import MonitorRecord
from tasks.workspace import Workspace


@dataclass(frozen=True)
class RecipeStatus:
    """What a recipe's line says."""

    recipe: str
    champion: str | None
    model_id: str | None
    since: str | None
    last_verdict: str | None
    last_headline: str | None
    last_run: str | None
    n_runs: int
    alarms: tuple[str, ...]

    def plain(self) -> dict[str, Any]:
        return asdict(self)


def status(workspace: Workspace, name: str) -> RecipeStatus:
    """Return a recipe's status."""
    ledger = workspace.ledger()
    champion = ledger.champion(name)
    heads = ledger.heads(name)
    last = ledger.run(name, heads.ended[-1][1]).predicate if heads.ended else None
    alarms = []
    for path in sorted(workspace.monitor(name).glob("*/record.json")):
        record = MonitorRecord.model_validate_json(path.read_bytes())
        if record.is_alarm and champion and record.champion == champion.predicate.number:
            alarms.append(f"{record.batch}: {record.summary}")
    return RecipeStatus(
        recipe=name,
        champion=champion.predicate.number if champion else None,
        model_id=champion.predicate.model_id if champion else None,
        since=champion.predicate.at if champion else None,
        last_verdict=last.verdict if last else None,
        last_headline=last.headline if last else None,
        last_run=last.finished_at if last else None,
        n_runs=heads.n_runs,
        alarms=tuple(alarms),
    )
