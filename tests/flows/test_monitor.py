"""Production batches: the ordinary one passes, the broken one is refused, the shifted one is found."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from prefect import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

from graft.errors import InputError
from graft.records import EvaluationRecord
from graft_cli.commands.monitor import rows_to_show, show_batch
from graft_flows.monitor import monitor as flow
from graft_tasks.commands.monitor import monitor, texts_of
from graft_tasks.commands.status import status
from graft_tasks.dvc.repro import git
from graft_tasks.processes.environment import environment
from graft_tasks.workspace import Workspace
from tests.flows.conftest import MESSAGES
from tests.support.refusals import refused


def quiet(done: int, total: int, note: str) -> None:
    pass


def test_an_ordinary_week_is_like_the_training_rows(promoted: Workspace) -> None:
    """Neither damaged nor shifted; its rows have labels, so none is looked for that belongs to no class."""
    record = monitor(promoted.recipe("support"), MESSAGES.with_name("batch_usual.csv"), progress=quiet)
    assert record.passed
    assert record.outcome == "passed"
    (one,) = record.comparisons
    assert one.shifted is False
    names = ["covariate", "label", "concept", "unknown", "confidence", "probabilities"]
    assert [kind.name for kind in one.kinds] == names
    assert one.kinds[3].size is None
    assert "label of a class that the champion knows" in one.kinds[3].because


def test_an_ordinary_week_without_labels(promoted: Workspace, tmp_path: Path) -> None:
    """Each of its new rows is asked whether it belongs to no class, and none is found."""
    batch = tmp_path / "batch_usual.csv"
    pd.read_csv(MESSAGES.with_name(batch.name), dtype=str).drop(columns="intent").to_csv(batch, index=False)
    record = monitor(promoted.recipe("support"), batch, progress=quiet)
    assert record.outcome == "passed"
    (one,) = record.comparisons
    (unknown,) = [kind for kind in one.kinds if kind.name == "unknown"]
    assert unknown.found is False
    assert unknown.size is not None
    assert unknown.size.n == record.n_rows - one.n_overlapping


def test_the_broken_batch_is_refused_and_nothing_is_embedded(promoted: Workspace) -> None:
    """Encoding damage, repeats, missing and unknown labels are each named; no shift is claimed about damaged rows."""
    record = monitor(promoted.recipe("support"), MESSAGES.with_name("batch_broken.csv"), progress=quiet)
    failed = {check.id for check in record.checks if check.outcome == "failed"}
    assert {
        "monitor.encoding_damage",
        "monitor.duplicates",
        "monitor.unlabelled",
        "monitor.unknown_labels",
    } <= failed
    assert record.comparisons == ()


def test_the_shifted_batch_is_found_becomes_an_alarm_and_is_committed(promoted: Workspace) -> None:
    """A new product and another mix of channels: shifted, with the rows that show it; status then shows the alarm."""
    record = monitor(promoted.recipe("support"), MESSAGES.with_name("batch_shifted.csv"), progress=quiet)
    (comparison,) = record.comparisons
    assert comparison.shifted
    assert len(comparison.most_shifted) == 5
    assert "product = home_alarm" in {sign.name for sign in comparison.signs}
    assert {kind.name: kind.found for kind in comparison.kinds}["label"]
    assert re.match(r"shifted: AUC 0\.\d\d, (contents, )?mix of classes", record.summary)
    assert len(status(promoted.recipe("support")).alarms) == 1
    assert git(promoted.root, "status", "--porcelain") == ""


COOKING = (
    "chop {} onions and fry them in butter until they are golden",
    "whisk {} eggs with a pinch of salt and fold in the flour",
    "roast the lamb for {} minutes and let it rest under foil",
    "soak {} grams of lentils overnight and simmer with garlic",
    "\x1b[31mknead\x1b[0m the dough for {} minutes <b>and</b> let it rise",
)


def foreign_batch(folder: Path, n: int) -> Path:
    """Write the ordinary batch without labels and n lines of recipes in its middle."""
    usual = pd.read_csv(MESSAGES.with_name("batch_usual.csv"), dtype=str)[["text"]]
    lines = pd.DataFrame({"text": [COOKING[k % 5].format(k + 2) for k in range(n)]})
    path = folder / "cooking.csv"
    pd.concat([usual[:50], lines, usual[50:]]).to_csv(path, index=False)
    return path


def test_rows_of_no_class_are_found_and_shown_by_number_and_text(
    promoted: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A fifth of lines about cooking: an alarm by the champion's own answers, and its rows are shown without control characters.

    The samples' AUC stays below its bound. The record holds no text of a row.
    """
    batch = foreign_batch(tmp_path, 36)
    record = monitor(promoted.recipe("support"), batch, progress=quiet)
    show_batch(record, texts_of(promoted.recipe("support"), batch, rows_to_show(record)))
    (one,) = record.comparisons
    assert record.outcome == "alarm"
    assert "unknown" in one.found
    numbers = [int(row.removeprefix("cooking.csv row ")) for row in one.unknown_rows]
    assert sum(50 < number <= 86 for number in numbers[:10]) >= 9
    shown = capsys.readouterr().out
    assert f"{one.unknown_rows[0]}, belongs to no class: " in " ".join(shown.split())
    assert "\x1b" not in shown
    stored = next(promoted.recipe("support").monitor.glob("cooking-*/record.json")).read_text()
    assert "onions" not in stored
    assert "butter" in shown or "lentils" in shown or "eggs" in shown or "knead" in shown or "lamb" in shown


def test_a_batch_of_one_row_or_of_learned_rows_cannot_be_told(promoted: Workspace, tmp_path: Path) -> None:
    """Too few rows that are new to the champion: nothing is said of the batch, it is no alarm, and it does not pass."""
    usual, learned = (pd.read_csv(path, dtype=str) for path in (MESSAGES.with_name("batch_usual.csv"), MESSAGES))
    keys = pd.read_parquet(promoted.recipe("support").rows)
    texts = set(keys["content"][keys["side"] == "train"])
    cases = {"one": usual.head(1), "learned": learned[learned["text"].isin(texts)].head(40)}
    for name, rows in cases.items():
        rows[["text"]].to_csv(tmp_path / f"{name}.csv", index=False)
        record = monitor(promoted.recipe("support"), tmp_path / f"{name}.csv", progress=quiet)
        assert (record.outcome, record.passed, record.is_alarm) == ("cannot_tell", False, False)
        assert "10 are needed" in record.comparisons[0].because
    assert record.comparisons[0].n_overlapping == 40
    assert status(promoted.recipe("support")).alarms == ()


def test_a_champion_without_scores_of_test_rows_never_passes_a_batch(
    promoted: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A champion of an older version: contents are compared, and what its answers would say is said to be unknown."""
    monkeypatch.setattr("graft_tasks.commands.monitor._held_out", lambda *_: None)
    record = monitor(promoted.recipe("support"), MESSAGES.with_name("batch_usual.csv"), progress=quiet)
    assert (record.outcome, record.passed) == ("cannot_tell", False)
    (one,) = record.comparisons
    assert one.shifted is False
    assert next(kind for kind in one.kinds if kind.name == "unknown").found is None
    record = monitor(promoted.recipe("support"), MESSAGES.with_name("batch_shifted.csv"), progress=quiet)
    assert record.outcome == "alarm"


@pytest.mark.slow
def test_what_the_champion_said_of_test_rows_lies_in_the_ledger(promoted: Workspace) -> None:
    """A clone without the files of evaluate monitors all the same; a blob that is gone is named, and nothing passes."""
    shutil.rmtree(promoted.recipe("support").files("evaluate"))
    batch = MESSAGES.with_name("batch_usual.csv")
    assert monitor(promoted.recipe("support"), batch, progress=quiet).outcome == "passed"
    record = EvaluationRecord.model_validate_json(promoted.recipe("support").record("evaluate").read_bytes())
    (promoted.root / "ledger" / "blobs" / str(record.held_out_sha256)).unlink()
    with refused("record-missing"):
        monitor(promoted.recipe("support"), batch, progress=quiet)


@pytest.mark.slow
def test_the_command_prints_facts_as_json(promoted: Workspace) -> None:
    """One JSON object on stdout and nothing else; with ``--strict`` what did not pass exits with 4."""
    batch = MESSAGES.with_name("batch_broken.csv")
    done = subprocess.run(
        ["graft", "monitor", "support", str(batch), "--json", "--strict"],
        cwd=promoted.root,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    facts = json.loads(done.stdout)
    assert (facts["batch"], facts["outcome"], done.returncode) == ("batch_broken.csv", "refused", 4)


def test_the_flow_writes_the_same_record_and_an_alarm_is_no_failure(
    promoted: Workspace, tmp_path: Path, prefect_server: None
) -> None:
    """As a scheduler starts it: a refused batch completes the run, and its state says so; an absent file fails it."""
    record = monitor(promoted.recipe("support"), MESSAGES.with_name("batch_broken.csv"), progress=quiet)
    (path,) = promoted.recipe("support").monitor.glob("batch_broken-*/record.json")
    written = path.read_bytes()
    path.unlink()
    shutil.copy(MESSAGES.with_name("batch_broken.csv"), promoted.root / "data" / "batch_broken.csv")
    state = flow("support", "data/batch_broken.csv", workspace=str(promoted.root), return_state=True)
    assert state.is_completed()
    assert state.message == f"Refused: {record.summary}"
    assert path.read_bytes() == written
    assert len(status(promoted.recipe("support")).alarms) == 1
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=["support-batch"])))
    assert str(found[0].data).startswith("# Refused: batch_broken.csv")
    assert "| Rows that repeat another | failed |" in str(found[0].data)
    absent = flow("support", "gone.csv", workspace=str(promoted.root), return_state=True)
    assert absent.is_failed()
    assert isinstance(absent.result(raise_on_failure=False), InputError)


def test_a_batch_without_a_champion_is_a_users_error(promoted: Workspace) -> None:
    """There is nothing to compare with before the first champion."""
    for path in (promoted.root / "ledger" / "promotions" / "support").glob("*.json"):
        path.unlink()
    with pytest.raises(InputError, match="has no champion"):
        monitor(promoted.recipe("support"), MESSAGES.with_name("batch_usual.csv"), progress=quiet)
