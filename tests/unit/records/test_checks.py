"""Checks have ids that stay; people read titles; what older versions wrote by name is read for ever."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graft.errors import TamperError
from graft.modality.text import MAX_CHARS
from graft.presentation.facts import CheckFacts, check_facts, monitor_facts
from graft.presentation.titles import TITLES, title
from graft.records import (
    RECORDS,
    BiasRecord,
    Check,
    DecisionRecord,
    MonitorRecord,
    ValidationRecord,
    canonical_json,
    exact,
    load_record,
    schema_1,
)
from tests.support.checks import checked

ROOT = Path(__file__).parents[3]
IDS = [
    "validate.empty", "validate.too_long", "validate.encoding_damage", "validate.unknown_labels", "validate.unlabelled",
    "validate.duplicates", "validate.conflicting_labels", "validate.rarest_class", "validate.test_in_train",
    "validate.unseen_classes", "detect_shift.test_against_train", "choose_base.probe_accuracy", "evaluate.accuracy",
    "evaluate.gain.scratch", "evaluate.gain.scratch_network", "evaluate.gain.frozen_probe", "evaluate.gain.champion",
    "evaluate.gain.best_champion",
    "evaluate.retention", "evaluate.test_set_uses", "measure_bias.accuracy_gap",
]  # fmt: skip
SEEN = {"value": 0.1, "ci_low": 0.1, "ci_high": 0.1, "level": 0.95, "n": 9, "method": "counted", "unit": "fraction"}


def old(name: str, step: str = "validate", **changed: Any) -> dict[str, Any]:
    """Return a check as schema 1 writes it."""
    return {"name": name, "step": step, "observed": SEEN, "bound": 0.2, "relation": "at_most", "outcome": "passed",
            "policy": "hold", "note": "n", **changed}  # fmt: skip


def test_the_ids_of_checks_stay() -> None:
    """Records, series and exports know checks by id, so none is ever renamed; a new one is added here."""
    assert list(TITLES) == IDS
    assert all(
        re.fullmatch(r"[a-z_]+(\.[a-z0-9_]+)+", check_id) and check_id.split(".")[0] in RECORDS for check_id in IDS
    )
    assert len(set(TITLES.values())) == len(IDS)
    assert f"{MAX_CHARS:,}" in TITLES["validate.too_long"]


@pytest.mark.parametrize(
    ("check_id", "subject", "against", "says"),
    [
        ("validate.conflicting_labels", "images", "", "Images with two labels"),
        ("validate.test_in_train", "texts", "train", "Test texts that stand in train"),
        ("monitor.duplicates", "rows", "", "Rows that repeat another"),
        ("evaluate.retention[emotion 0003]", "candidate", "emotion 0003", "Kept of emotion 0003"),
        ("measure_bias.accuracy_gap[age group=60 {x}]", "age group=60 {x}", "rest", "Accuracy gap, age group 60 {x}"),
        ("validate.expect_column_values_to_be_unique[id]", "id: values to be unique", "", "id: values to be unique"),
    ],
)
def test_a_title_says_what_is_checked_and_of_what(check_id: str, subject: str, against: str, says: str) -> None:
    """The words come from the id, the subject and what it is compared with; a subject is never taken for a template."""
    made = checked(
        check_id, "unexpected_fraction", exact(0.1, 9, unit="fraction"), 0.2, subject=subject, against=against
    )
    assert title(made) == says


@pytest.mark.parametrize("name", list(schema_1._NAMES))
def test_every_name_of_schema_1_has_its_id_and_the_same_title(name: str) -> None:
    """What an older version wrote by name is known by id, and people read what they read then."""
    step = schema_1._NAMES[name].id.partition(".")[0]
    made = Check.model_validate(old(name, step))
    assert (made.id in IDS, made.step, made.observed.n, title(made)) == (True, step, 9, name)


@given(name=st.text(), step=st.sampled_from([*RECORDS, "monitor"]))
def test_any_old_check_keeps_its_words_and_its_bytes(name: str, step: str) -> None:
    """Whatever a check was called, its title is that, and written as schema 1 it is what it was."""
    made = Check.model_validate(old(name, step))
    assert (title(made), schema_1.downgrade(made)) == (name, old(name, step))


WITH_A_SUBJECT = [
    ("evaluate", "Kept of a b 0003", "retention"),
    ("measure_bias", "Accuracy gap, age group 60", "accuracy_gap"),
    ("measure_bias", "Accuracy gap, ", "accuracy_gap"),
    ("measure_bias", "Accuracy gap, a b=c", ""),  # where column and group part cannot be known
    ("validate", "a: b: values to match regex (regex=x (y): z)", "unexpected_fraction"),
    ("monitor", "text: value lengths to equal (value=3)", "unexpected_fraction"),
    ("validate", "Accuracy", ""),  # of another step
]


@pytest.mark.parametrize(("step", "name", "metric"), WITH_A_SUBJECT)
def test_names_with_a_subject_keep_their_words_too(step: str, name: str, metric: str) -> None:
    """Ancestors, groups and a recipe's own expectations, and what no version wrote."""
    made = Check.model_validate(old(name, step))
    assert (title(made), schema_1.downgrade(made)) == (name, old(name, step))
    assert made.measurement.metric == metric


def test_an_expectation_of_a_recipe_is_known_by_type_and_column() -> None:
    """Two of one type on one column are numbered, so that each id stands for one check."""
    names = ["x: values to match regex (regex=a)", "x: values to match regex (regex=b)", "x: values to be unique"]
    record = validation([old(name) for name in names])
    first = "validate.expect_column_values_to_match_regex[x]"
    assert [check.id for check in record.checks] == [
        first,
        f"{first}#2",
        "validate.expect_column_values_to_be_unique[x]",
    ]
    assert [title(check) for check in record.checks] == names


def validation(checks: list[dict[str, Any]]) -> ValidationRecord:
    plain = {"step": "validate", "recipe": "r", "passed": True, "summary": "s", "n_expectations": 3, "findings": [],
             "class_counts": {}, "schema_version": 1, "checks": checks}  # fmt: skip
    return ValidationRecord.model_validate(plain)


def test_records_that_trainings_depend_on_are_written_as_before() -> None:
    """validate and choose_base keep schema 1, so their bytes, and with them every training, stay as they were."""
    record = validation([old("Rows that repeat another"), old("x: values to be unique")])
    assert record.checks[0].id == "validate.duplicates"
    assert json.loads(canonical_json(record))["checks"] == [
        old("Rows that repeat another"),
        old("x: values to be unique"),
    ]
    assert ValidationRecord.model_validate_json(canonical_json(record)) == record
    for path in (ROOT / "tests" / "compat").glob("*/data/*/validate/record.json"):
        assert canonical_json(load_record(path, "validate")) == path.read_bytes()


def test_records_behind_a_training_are_written_with_ids() -> None:
    """An old record is read as what its kind is now, and written with ids and measurements, no name."""
    plain = {"step": "measure_bias", "recipe": "r", "passed": True, "summary": "s", "schema_version": 1, "slices": [],
             "checks": [old("Accuracy gap, channel app", "measure_bias")]}  # fmt: skip
    record = BiasRecord.model_validate(plain)
    (written,) = json.loads(canonical_json(record))["checks"]
    assert written["id"] == "measure_bias.accuracy_gap[channel=app]"
    assert written["measurement"] == {"metric": "accuracy_gap", "subject": "channel=app", "against": "rest", "window": "test",
                                      "estimate": SEEN}  # fmt: skip
    assert "name" not in written
    assert record.schema_version == 2
    assert BiasRecord.model_validate_json(canonical_json(record)) == record


OLD_DECISION: dict[str, Any] = {
    "schema_version": 1, "step": "decide", "recipe": "r", "passed": False, "summary": "s", "verdict": "hold", "headline": "h",
    "model_id": None, "n_passed": 0, "n_failed": 1, "n_cannot_tell": 0, "deciding": "x: values to be unique (b=2)",
    "checks": [old("Accuracy", "evaluate"), old("x: values to be unique (b=1)"), old("x: values to be unique (b=2)")],
}  # fmt: skip


@pytest.mark.parametrize(
    ("verdict", "do", "action"),
    [
        ("promote", "", "audit"),
        ("hold", "Correct the rows that it names: graft validate r shows them.", "validate"),
        ("hold", "Label about 30 more test rows, which would tell them apart.", "add"),
        ("hold", "Read the mistakes of this group and add labelled rows of it.", "add"),
        ("reject", "Take TF-IDF, which costs next to nothing, or another base.", "run"),
    ],
)
def test_an_old_decision_has_the_id_of_its_check_and_the_command_of_its_words(
    verdict: str, do: str, action: str
) -> None:
    """A name that decided becomes an id, also where two checks are of one type; the command is what its page showed."""
    record = DecisionRecord.model_validate({**OLD_DECISION, "verdict": verdict, "do": do})
    assert record.deciding == "validate.expect_column_values_to_be_unique[x]#2"
    assert [title(check) for check in record.checks if check.id == record.deciding] == [OLD_DECISION["deciding"]]
    assert record.action == action
    assert DecisionRecord.model_validate_json(canonical_json(record)) == record


@pytest.mark.parametrize(
    "broken", [{"name": 3}, {"step": None}, {"observed": 3}, {"host": "here"}, {"outcome": "fine"}]
)
def test_a_damaged_old_check_is_refused(broken: dict[str, Any], tmp_path: Path) -> None:
    """A check of schema 1 that is none is a damaged record, not a traceback."""
    path = tmp_path / "record.json"
    plain = {**OLD_DECISION, "checks": [{**old("Accuracy", "evaluate"), **broken}]}
    path.write_text(json.dumps(plain))
    with pytest.raises(TamperError):
        load_record(path, "decide")


def test_facts_of_a_check_keep_their_keys() -> None:
    """Programs that read --json find what they found, and id and measurement; what was printed can be read again."""
    (facts,) = check_facts((Check.model_validate(old("Rows that repeat another")),))
    printed = facts.model_dump(mode="json")
    assert {key: printed[key] for key in old("x")} == old("Rows that repeat another")
    assert printed.keys() - old("x").keys() == {"id", "measurement"}
    assert CheckFacts.model_validate(printed) == facts


def test_facts_of_a_batch_are_its_record_with_the_names_of_its_checks() -> None:
    """What ``graft monitor --json`` printed of a batch of an earlier version, it prints still."""
    for path in (ROOT / "tests" / "compat").glob("*/data/*/monitor/*/record.json"):
        then = json.loads(path.read_bytes())
        now = monitor_facts(MonitorRecord.model_validate(then)).model_dump(mode="json")
        assert [{key: one[key] for key in old("x")} for one in now["checks"]] == then["checks"]
        assert {key: now[key] for key in then.keys() - {"checks", "comparisons", "schema_version"}} == {
            key: then[key] for key in then.keys() - {"checks", "comparisons", "schema_version"}
        }


def test_a_check_that_schema_1_has_no_name_for_is_written_with_its_id() -> None:
    """A new check of validate, such as a modality brings, keeps its id; those that were there keep their bytes."""
    new = checked("validate.too_short", "unexpected_fraction", exact(0.1, 9, unit="fraction"), 0.2, subject="series")
    record = validation([old("Rows that repeat another")]).model_copy(update={"checks": (new,)})
    (written,) = json.loads(canonical_json(record))["checks"]
    assert (written["id"], title(new)) == ("validate.too_short", "Series: too short")
    assert ValidationRecord.model_validate_json(canonical_json(record)).checks == (new,)
