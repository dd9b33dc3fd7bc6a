"""What each command prints with ``--json``: its type, and the schema of it in ``docs/schemas``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from graft.data import DataProfile
from graft.presentation.facts import MonitorFacts
from graft.records.audit import Audit
from graft_cli.kit import ErrorResult
from graft_flows.deploy import Deployed
from graft_tasks.commands.cards import MadeCard
from graft_tasks.commands.champion import ChampionChange
from graft_tasks.commands.curve import CurveResult
from graft_tasks.commands.new import NewRecipe
from graft_tasks.commands.remove import Removed
from graft_tasks.commands.run import RunResult
from graft_tasks.commands.status import WorkspaceStatus
from graft_tasks.commands.validate import Validation, ValidationRows
from graft_tasks.datasets.add import Added
from graft_tasks.datasets.undo import Undone
from graft_tasks.dvc.fetch import FetchedRecipes
from graft_tasks.dvc.garbage import Garbage
from graft_tasks.registry.move import Moved

SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"
RESULTS: dict[str, Any] = {
    "add": Added,
    "audit": Audit,
    "card": MadeCard,
    "curve": CurveResult,
    "deploy": Deployed,
    "error": ErrorResult,
    "fetch": FetchedRecipes,
    "gc": Garbage,
    "monitor": MonitorFacts,
    "move-ledger": Moved,
    "new": NewRecipe,
    "profile": DataProfile,
    "promote": ChampionChange,
    "remove": Removed,
    "rollback": ChampionChange,
    "run": RunResult,
    "status": WorkspaceStatus,
    "undo": Undone,
    "validate": ValidationRows | Validation,
}
"""The type of each command's result; ``error`` is what any of them prints where it could not do what it was asked."""


class _EveryKey(GenerateJsonSchema):
    """A schema in which every field is required: a result is printed whole, its defaults too."""

    def field_is_required(self, *_: Any, **__: Any) -> bool:
        return True


def schema(command: str) -> str:
    """Return the JSON schema of what a command prints, as its file in ``docs/schemas`` holds it."""
    facts = TypeAdapter(RESULTS[command]).json_schema(mode="serialization", schema_generator=_EveryKey)
    title = "error" if command == "error" else f"graft {command} --json"
    draft = "https://json-schema.org/draft/2020-12/schema"
    return json.dumps({"$schema": draft, **facts, "title": title}, indent=2, ensure_ascii=False) + "\n"


def check(command: str, printed: str) -> Any:
    """Check that what a command printed is one JSON object that fits its schema, and has no key beside; return it."""
    facts = json.loads(printed)
    jsonschema.validate(facts, json.loads((SCHEMAS / f"{command}.json").read_text(encoding="utf-8")))
    adapter = TypeAdapter(RESULTS[command])
    again = adapter.dump_python(adapter.validate_json(printed), mode="json", by_alias=True)
    assert again == facts, "a key that the schema does not name"
    return facts
