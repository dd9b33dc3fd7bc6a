"""What cannot be judged: too few test rows, test rows that are training rows, a champion of other classes, rows all right."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from graft.errors import InputError
from graft.recipe.text import recipe_text
from graft.records import DecisionRecord, EvaluationRecord
from graft_tasks.commands.adopt import adopt
from graft_tasks.commands.init import init
from graft_tasks.registry.pin import pin
from graft_tasks.steps.context import STEPS, run_step
from graft_tasks.workspace import Workspace
from tests.steps.conftest import ROOT, TINY
from tests.support.lineage_workspace import run_and_promote

Make = Callable[..., Workspace]


def messages(*classes: str, n: int = 40) -> pd.DataFrame:
    table = pd.read_csv(ROOT / "data/datasets/support/messages.csv", dtype=str, keep_default_na=False)
    return table[table["intent"].isin(classes)].groupby("intent").head(n)


@pytest.fixture
def make(tmp_path: Path, tiny_base: Path) -> Make:
    """Make a workspace with training and test rows of one's choice."""

    def made(train: pd.DataFrame, test: pd.DataFrame, **values: object) -> Workspace:
        workspace, _ = init(tmp_path / "workspace")
        files = {"train.csv": train, "test.csv": test}
        for name, rows in files.items():
            rows.to_csv(tmp_path / name, index=False)
        shutil.copytree(tiny_base, workspace.root / "base")
        keys = {
            **TINY,
            "data.train": "train.csv",
            "data.test": "test.csv",
            "data.group": None,
            "finetune.strategy": "head",
        }
        keys |= {key.replace("__", "."): value for key, value in values.items()}
        adopt(workspace.recipe("tiny"), {name: tmp_path / name for name in files}, recipe_text("tiny", keys))
        return workspace

    return made


def test_a_test_set_that_is_the_training_set_is_refused(make: Make) -> None:
    """Not a sentence about classes: the rows are the same."""
    rows = messages("cancel", "delivery")
    workspace = make(rows, rows)
    pin(workspace.recipe("tiny"))
    with pytest.raises(InputError, match="Every training row is also a test row") as caught:
        run_step(workspace.recipe("tiny"), "ingest")
    assert "train.csv and test.csv" in str(caught.value)


def test_ten_test_rows_tell_nothing_and_say_how_many_would(make: Make) -> None:
    """Nothing is promoted, and the checks that cannot tell name a number of rows."""
    rows = messages("cancel", "delivery")
    test = rows.groupby("intent").tail(5)
    workspace = make(rows.drop(test.index), test)
    pin(workspace.recipe("tiny"))
    records = {step: run_step(workspace.recipe("tiny"), step) for step in STEPS}
    evaluation, decision = records["evaluate"], records["decide"]
    assert isinstance(evaluation, EvaluationRecord)
    assert isinstance(decision, DecisionRecord)
    assert evaluation.n_test == 10
    assert decision.verdict != "promote"
    open_ = [one for one in evaluation.checks if one.outcome == "cannot_tell" and one.id.startswith("evaluate.gain.")]
    assert open_
    assert all("more test rows would tell" in check.note for check in open_)


def test_all_rows_right(make: Make) -> None:
    """Where every model is right on every row, intervals still have a width, and nothing is called better."""
    train = pd.DataFrame({"text": [f"{w} {w} {w} {w} {w} {k}" for w in ("good", "bad") for k in range(30)]})
    test = pd.DataFrame({"text": [f"{w} {w} {w} {w} {w} {w} {k}" for w in ("good", "bad") for k in range(100, 115)]})
    for rows in (train, test):
        rows["intent"] = rows["text"].str.split().str[0]
    workspace = make(train, test, data__sensitive=[], data__min_similarity=1.0, validate__language=None)
    pin(workspace.recipe("tiny"))
    for step in STEPS[: STEPS.index("evaluate")]:
        run_step(workspace.recipe("tiny"), step)
    record = run_step(workspace.recipe("tiny"), "evaluate")
    assert isinstance(record, EvaluationRecord)
    perfect = [arm for arm, one in record.accuracy.items() if one.value == 1]
    assert {"candidate", "frozen_probe", "scratch"} <= set(perfect)
    for arm in set(perfect) & set(record.differences):
        assert record.differences[arm].ci_low < 0 < record.differences[arm].ci_high
    assert record.transfer in ("none", "undecided")


def test_a_champion_of_other_classes_is_said_to_lack_them(make: Make, tmp_path: Path) -> None:
    """Classes that the champion does not know count against it, and the check says which they are."""
    workspace = make(
        messages("cancel", "delivery", n=60), messages("cancel", "delivery", n=90).groupby("intent").tail(30)
    )
    run_and_promote(workspace, "tiny", "the first")
    for name, n in (("train.csv", 60), ("test.csv", 90)):
        rows = messages("cancel", "delivery", "refund", n=n)
        rows = rows if name == "train.csv" else rows.groupby("intent").tail(30)
        path = workspace.dataset("tiny") / name
        path.unlink()
        rows.to_csv(path, index=False)
    pin(workspace.recipe("tiny"))
    records = {step: run_step(workspace.recipe("tiny"), step) for step in STEPS}
    (against,) = (check for check in records["evaluate"].checks if check.id == "evaluate.gain.champion")
    assert "the champion does not know refund, whose rows count as wrong" in against.note
