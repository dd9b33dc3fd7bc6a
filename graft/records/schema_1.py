"""Checks as schema 1 writes them: by an English name. Read for ever, and still written by records whose bytes have no other
reason to change: those of validate and choose_base, which each training depends on.

These names are a format on disk and never change. What people read says ``graft.presentation.titles``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from graft.records.measurement import Check

Action = Literal["audit", "status", "validate", "add", "run"]


class _Facts(NamedTuple):
    """What a name stands for: the id of the check, and the measurement's fields."""

    id: str
    metric: str
    subject: str = ""
    against: str = ""
    window: str = "all"


_NAMES = {
    "Texts that are empty": _Facts("validate.empty", "unexpected_fraction", "texts"),
    "Texts above 20,000 characters": _Facts("validate.too_long", "unexpected_fraction", "texts"),
    "Texts with encoding damage": _Facts("validate.encoding_damage", "unexpected_fraction", "texts"),
    "Labels that are unknown": _Facts("validate.unknown_labels", "unexpected_fraction", "labels"),
    "Rows without a label": _Facts("validate.unlabelled", "unexpected_fraction", "rows"),
    "Rows that repeat another": _Facts("validate.duplicates", "unexpected_fraction", "rows"),
    "Texts with two labels": _Facts("validate.conflicting_labels", "unexpected_fraction", "texts"),
    "Images with two labels": _Facts("validate.conflicting_labels", "unexpected_fraction", "images"),
    "Rows of the rarest class": _Facts("validate.rarest_class", "class_size", "rows", "", "train"),
    "Test texts that stand in train": _Facts("validate.test_in_train", "unexpected_rows", "texts", "train", "test"),
    "Test images that stand in train": _Facts("validate.test_in_train", "unexpected_rows", "images", "train", "test"),
    "Test rows of classes not in train": _Facts("validate.unseen_classes", "unexpected_rows", "rows", "train", "test"),
    "Test rows against training rows": _Facts(
        "detect_shift.test_against_train", "two_sample_auc", "test rows", "train rows", ""
    ),
    "Probe accuracy over the most frequent class": _Facts(
        "choose_base.probe_accuracy", "probe_accuracy", "frozen_probe", "most_frequent", "train"
    ),
    "Accuracy": _Facts("evaluate.accuracy", "accuracy", "candidate", "", "test"),
    "Gain over training from scratch": _Facts(
        "evaluate.gain.scratch", "accuracy_difference", "candidate", "scratch", "test"
    ),
    "Gain over the same network from scratch": _Facts(
        "evaluate.gain.scratch_network", "accuracy_difference", "candidate", "scratch_network", "test"
    ),
    "Gain over the frozen probe": _Facts(
        "evaluate.gain.frozen_probe", "accuracy_difference", "candidate", "frozen_probe", "test"
    ),
    "Gain over the champion": _Facts("evaluate.gain.champion", "accuracy_difference", "candidate", "champion", "test"),
    "Uses of the test set": _Facts("evaluate.test_set_uses", "test_set_uses", "test", "", "test"),
}
_NAMED = {(facts.id, facts.subject): name for name, facts in _NAMES.items()}
_RETENTION, _GAP = "Kept of ", "Accuracy gap, "
_EXPECTATION = re.compile(r"(?P<column>.*?): (?P<kind>values?( [a-z0-9]+)+)( \(.*\))?", re.DOTALL)
"""An expectation of a recipe: column, Great Expectations' type as words, and its arguments."""


def upgrade(plain: dict[str, Any]) -> dict[str, Any]:
    """Return a check of schema 1 as it is written now; what is no such check is left to be refused."""
    name, step = plain.get("name"), plain.get("step")
    if not isinstance(name, str) or not isinstance(step, str):
        return plain
    is_batch = step == "monitor"
    facts = _facts(name, "validate" if is_batch else step)
    measurement = {**facts._asdict(), "estimate": plain.get("observed"), **({"window": "batch"} if is_batch else {})}
    check_id = f"{step}.{measurement.pop('id').partition('.')[2]}"
    common = {key: value for key, value in plain.items() if key not in ("name", "step", "observed")}
    return {**common, "id": check_id, "measurement": measurement}


def _facts(name: str, step: str) -> _Facts:
    if (known := _NAMES.get(name)) and known.id.startswith(f"{step}."):
        return known
    if step == "evaluate" and name.startswith(_RETENTION):
        ancestor = name.removeprefix(_RETENTION)
        return _Facts(f"evaluate.retention[{ancestor}]", "retention", "candidate", ancestor, "test")
    if step == "measure_bias" and name.startswith(_GAP) and "=" not in name:
        # Where the column ends was not written: at the first blank.
        group = name.removeprefix(_GAP).replace(" ", "=", 1)
        return _Facts(f"measure_bias.accuracy_gap[{group}]", "accuracy_gap", group, "rest", "test")
    if step == "validate" and (found := _EXPECTATION.fullmatch(name)):
        kind = f"expect_column_{found['kind'].replace(' ', '_')}"
        return _Facts(f"validate.{kind}[{found['column']}]", "unexpected_fraction", name)
    return _Facts(f"{step}.named[{name}]", "", name, "", "")


def downgrade(check: Check) -> dict[str, Any]:
    """Return a check as schema 1 writes it, or as it is where schema 1 had no name for it."""
    plain, name = check.model_dump(mode="json"), name_of(check)
    if name is None:
        return plain
    return {
        "name": name,
        "step": check.step,
        "observed": plain.pop("measurement")["estimate"],
        **{key: value for key, value in plain.items() if key != "id"},
    }


def name_of(check: Check) -> str | None:
    """Return the name that schema 1 has for a check, None where it has none."""
    subject, kind = check.measurement.subject, check.kind.replace("monitor.", "validate.", 1)
    if kind == "evaluate.retention":
        return f"{_RETENTION}{check.measurement.against}"
    if kind == "measure_bias.accuracy_gap":
        return f"{_GAP}{subject.replace('=', ' ', 1)}"
    is_called = kind.endswith(".named") or kind.startswith("validate.expect_")
    return subject if is_called else _NAMED.get((kind, subject))


def distinct(ids: Iterable[str]) -> list[str]:
    """Return ids with a number behind each that stands there before: two expectations of one type on one column."""
    seen: Counter[str] = Counter()
    found = []
    for check_id in ids:
        seen[check_id] += 1
        found.append(check_id if seen[check_id] == 1 else f"{check_id}#{seen[check_id]}")
    return found


def upgrade_decision(plain: dict[str, Any]) -> dict[str, Any]:
    """Return a decision of schema 1 with the id of the check that decided, and what its words ask for."""
    checks = plain.get("checks")
    olds = [check for check in checks if isinstance(check, dict)] if isinstance(checks, Sequence) else []
    ids = distinct(str(upgrade(old).get("id", "")) for old in olds)
    of_name = {str(old.get("name")): check_id for old, check_id in reversed(list(zip(olds, ids, strict=True)))}
    deciding = plain.get("deciding", "")
    return {
        **plain,
        "deciding": of_name.get(str(deciding), deciding),
        "action": _action(plain.get("verdict"), str(plain.get("do", ""))),
    }


def _action(verdict: Any, do: str) -> Action:
    if verdict == "promote":
        return "audit"
    if "graft validate" in do:
        return "validate"
    return "add" if "Label " in do or "labelled rows" in do else "run"
