"""What each step writes changes only together with its number in ``VERSIONS``: see CONTRIBUTING.md.

A golden is the step's record on a tiny workspace. Numbers are compared to a thousandth and digests of what floating-point
operations made are left out, so that a golden holds on every processor.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from graft.records import Record
from graft_tasks.steps.context import STEPS, VERSIONS
from graft_tasks.workspace import Workspace

GOLDEN = Path(__file__).parents[1] / "golden"
EXACT = ("ingest", "validate")
"""Steps that compute nothing that a processor could round in another way."""
NUMBER = re.compile(r"\d+(\.\d+)?")
DIGEST = re.compile(r"[0-9a-f]{64}")
NEAR = 1e-3


def name(step: str) -> str:
    return f"{step}-v{VERSIONS[step]}.json"


def content(workspace: Workspace, step: str) -> Any:
    """Return what a step wrote: its record; of report the page's content, without the records that have goldens of their own."""
    if step == "report":
        plain = json.loads((workspace.recipe("tiny").step("report") / "report.json").read_text(encoding="utf-8"))
        return {key: one["step"] if isinstance(one, dict) and "step" in one else sorted(one) for key, one in plain.items()
                if key != "schema_version"}  # fmt: skip
    plain = json.loads(workspace.recipe("tiny").record(step).read_text(encoding="utf-8"))
    plain["inputs"] = sorted(plain["inputs"])
    return plain if step in EXACT else without_digests(plain)


def without_digests(value: Any) -> Any:
    """Return a value in which every sha256 is that word."""
    if isinstance(value, dict):
        return {key: without_digests(one) for key, one in value.items()}
    if isinstance(value, list):
        return [without_digests(one) for one in value]
    return DIGEST.sub("sha256", value) if isinstance(value, str) else value


def differences(seen: Any, golden: Any, at: str = "") -> list[str]:
    """Return where two values differ: numbers by more than a thousandth, texts in more than their numbers."""
    if isinstance(seen, dict) and isinstance(golden, dict) and seen.keys() == golden.keys():
        return [one for key in seen for one in differences(seen[key], golden[key], f"{at}.{key}")]
    if isinstance(seen, list) and isinstance(golden, list) and len(seen) == len(golden):
        return [
            one for k, (a, b) in enumerate(zip(seen, golden, strict=True)) for one in differences(a, b, f"{at}[{k}]")
        ]
    if isinstance(seen, str) and isinstance(golden, str):
        return [] if NUMBER.sub("#", seen) == NUMBER.sub("#", golden) else [f"{at}: {seen!r}, not {golden!r}"]
    if is_number(seen) and is_number(golden):
        return [] if abs(seen - golden) <= NEAR * max(1, abs(golden)) else [f"{at}: {seen}, not {golden}"]
    return [] if seen == golden and type(seen) is type(golden) else [f"{at}: {seen!r}, not {golden!r}"]


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def test_every_step_writes_what_its_version_wrote(
    tiny_workspace: Callable[..., Workspace],
    run_all: Callable[[Workspace], dict[str, Record]],
    request: pytest.FixtureRequest,
) -> None:
    """Each step's record on 160 rows is that of the golden with the step's number; else the number has to be raised."""
    workspace = tiny_workspace(finetune__strategy="head")
    run_all(workspace)
    found = {step: content(workspace, step) for step in STEPS}
    if request.config.getoption("--update-goldens"):
        for step, seen in found.items():
            text = json.dumps(seen, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
            (GOLDEN / name(step)).write_text(text, encoding="utf-8")
    absent = [name(step) for step in STEPS if not (GOLDEN / name(step)).is_file()]
    assert not absent, "run with --update-goldens, read the difference and delete the old ones"
    changed = {}
    for step, seen in found.items():
        golden = json.loads((GOLDEN / name(step)).read_text(encoding="utf-8"))
        if odd := (([] if seen == golden else ["not equal"]) if step in EXACT else differences(seen, golden)):
            changed[step] = odd[:5]
    assert changed == {}, "raise the step's number in tasks/graft_tasks/steps/context.py, then --update-goldens"


def test_there_is_one_golden_for_each_step() -> None:
    """No golden of an older version is left, and each step has one: all ten numbers are guarded."""
    assert {path.name for path in GOLDEN.glob("*.json")} == {name(step) for step in STEPS}


@pytest.mark.parametrize(
    ("seen", "golden", "n"),
    [
        ({"a": 1.0001}, {"a": 1.0}, 0),
        ({"a": 1.01}, {"a": 1.0}, 1),
        ({"a": "AUC 0.67"}, {"a": "AUC 0.68"}, 0),
        ({"a": "AUC 0.67"}, {"a": "shifted: AUC 0.67"}, 1),
        ({"a": 1, "b": 2}, {"a": 1}, 1),
        ({"a": [1, 2]}, {"a": [1]}, 1),
        ({"a": True}, {"a": 1}, 1),
        ({"a": None}, {"a": 0.0}, 1),
    ],
)
def test_what_counts_as_a_difference(seen: Any, golden: Any, n: int) -> None:
    """A key more or less, another word, another kind or a number beyond a thousandth differ; rounding does not."""
    assert len(differences(seen, golden)) == n
