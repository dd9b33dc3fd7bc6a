"""A third modality goes through the steps and touches nothing outside its own file, ``tests/support/series.py``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from graft.errors import InputError
from graft.model.folder import load_model
from graft.presentation.titles import title
from graft.recipe import known_keys, parse_recipe
from graft.records import (
    RECORDS,
    DatasetRecord,
    EmbeddingRecord,
    EvaluationRecord,
    Record,
    ValidationRecord,
    load_record,
)
from graft_tasks.commands.cards import make_card
from graft_tasks.commands.init import init
from graft_tasks.commands.monitor import monitor
from graft_tasks.commands.new import new
from graft_tasks.datasets.findings import with_contents
from graft_tasks.datasets.repair import repair
from graft_tasks.registry.pin import pin
from graft_tasks.registry.promote import enact, promote_by_hand
from graft_tasks.steps.context import STEPS
from graft_tasks.workspace import Workspace
from tests.support.series import Network, SeriesEncoder, register, waves

KEYS: dict[str, Any] = {
    "data.series": "series",
    "data.label": "kind",
    "data.sensitive": ["sensor"],
    "choose_base.bases": ["base"],
    "choose_base.n_folds": 2,
    "finetune.n_layers": 1,
    "detect_shift.n_permutations": 199,
    "evaluate.n_bootstrap": 1000,
    "validate.expectations": [{"type": "expect_column_values_to_be_between", "column": "n_numbers", "max_value": 16}],
}


@pytest.fixture(autouse=True)
def series() -> Iterator[None]:
    """Series are known while a test of this file runs, and recipes are as before afterwards."""
    before = list(known_keys())
    with register():
        yield
    assert list(known_keys()) == before


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A workspace with a base of series."""
    workspace, _ = init(tmp_path / "workspace")
    SeriesEncoder(Network(seed=1)).save(workspace.root / "base")
    return workspace


def bring(workspace: Workspace, strategy: str) -> None:
    """Write the recipe ``tiny`` on 240 series, three of them odd."""
    rows = waves(240, seed=0)
    rows.loc[10, "series"] = ",".join(["1.000"] * 16)
    rows.loc[13, "series"] = "1,2,3,4,5"
    rows.loc[16, "series"] = rows["series"][4].replace(",", ", ")
    path = workspace.root.parent / "waves.csv"
    rows.to_csv(path, index=False)
    new(workspace.recipe("tiny"), {"train": path}, {**KEYS, "finetune.strategy": strategy})
    pin(workspace.recipe("tiny"))


@pytest.mark.parametrize(
    "strategy", ["head", *(pytest.param(one, marks=pytest.mark.slow) for one in ("full", "top_k"))]
)
def test_series_run_to_a_verdict(
    workspace: Workspace, run_all: Callable[[Workspace], dict[str, Record]], strategy: str
) -> None:
    """Every step makes the record that it makes of texts: with the modality's own checks, oddities, baseline and encoder."""
    bring(workspace, strategy)
    records = run_all(workspace)
    assert [type(records[step]) for step in STEPS] == [RECORDS[step] for step in STEPS]
    dataset, validation, embedded, evaluation = (records[s] for s in ("ingest", "validate", "embed", "evaluate"))
    assert isinstance(dataset, DatasetRecord)
    assert isinstance(validation, ValidationRecord)
    assert isinstance(embedded, EmbeddingRecord)
    assert isinstance(evaluation, EvaluationRecord)
    assert validation.passed
    titles = {
        check.id: title(check) for check in load_record(workspace.recipe("tiny").record("validate"), "validate").checks
    }
    assert titles["validate.too_short"] == "Series: too short"
    assert titles["validate.conflicting_labels"] == "Series with two labels"
    assert titles["validate.test_in_train"] == "Test series that stand in train"
    assert not {"validate.empty", "validate.too_long", "validate.encoding_damage"} & titles.keys()
    found = {one.name: one.n_rows for one in validation.findings}
    assert (found["Series that are flat"], found["Series shorter than the longest"]) == (1, 1)
    assert found["Rows that repeat another"] == 1
    assert (embedded.max_tokens, embedded.dimensions) == (None, {"base": 24})
    assert set(evaluation.accuracy) == {"candidate", "frozen_probe", "scratch"}
    assert evaluation.cheap_model == "logistic regression on numbers"
    mistakes = json.loads((workspace.recipe("tiny").files("evaluate") / "mistakes.json").read_text())
    assert all(one["text"].count(",") == 15 for one in mistakes["shown"])
    assert load_model(workspace.recipe("tiny").model).encoder.modality == "series"
    assert (repair(workspace.recipe("tiny")).n_changed, repair(workspace.recipe("tiny")).n_dropped) == (0, 0)
    assert with_contents(workspace.recipe("tiny"), ["train.csv row 14"])[0].content == "1,2,3,4,5"


@pytest.mark.slow
def test_a_champion_of_series_is_monitored(
    workspace: Workspace, run_all: Callable[[Workspace], dict[str, Record]], tmp_path: Path
) -> None:
    """A batch of series is validated and compared with a champion's rows, and a base of series gets a domain card."""
    bring(workspace, "head")
    domain = tmp_path / "domain.csv"
    waves(60, seed=2).to_csv(domain, index=False)
    card = make_card(
        workspace, "base", domain, column="series", modality="series", source="made up", is_proxy=False,
        progress=lambda *_: None,
    )  # fmt: skip
    assert list(card.properties) == ["mean of a series"]
    pin(workspace.recipe("tiny"))
    run_all(workspace)
    enact(workspace.recipe("tiny"))
    promote_by_hand(workspace.recipe("tiny"), "to be monitored")
    batch = tmp_path / "batch.csv"
    waves(90, seed=3, level=2.0).to_csv(batch, index=False)
    record = monitor(workspace.recipe("tiny"), batch, progress=lambda *_: None)
    assert record.outcome == "alarm"
    assert "mean of a series" in {sign.name for sign in record.comparisons[0].signs}


def test_what_is_no_series_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    """Rows that are none, and a base of another modality, are refused before anything is written."""
    path = tmp_path / "waves.csv"
    waves(30, seed=0).assign(series="1,two").to_csv(path, index=False)
    with pytest.raises(InputError, match="other things than numbers") as caught:
        new(workspace.recipe("tiny"), {"train": path}, KEYS)
    assert "row 1 of waves.csv" in str(caught.value.where)
    waves(30, seed=0).to_csv(path, index=False)
    (workspace.root / "base" / "series.json").unlink()
    with pytest.raises(InputError, match="Base base is not an encoder of series"):
        new(workspace.recipe("tiny"), {"train": path}, KEYS)


def test_a_recipe_gets_the_key_and_older_recipes_lack_it() -> None:
    """A modality's key stands with those of texts and images, and one that came later may be absent from a recipe."""
    keys = list(known_keys())
    assert keys[keys.index("data.test") + 1 :][:4] == ["data.text", "data.image", "data.series", "data.label"]
    bundled = (Path(__file__).parents[2] / "recipes" / "support.yaml").read_text()
    assert "series" not in yaml.safe_load(bundled)["data"]
    assert parse_recipe("support", bundled).data.modality == "text"
    with pytest.raises(InputError, match=r"data\.text or data\.image or data\.series"):
        parse_recipe("support", bundled.replace("  text: text", "  series: text\n  text: text"))
