"""Images through the same steps, records and gates as text: scikit-learn's digits on a tiny random base."""

from __future__ import annotations

import base64
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import pytest

from graft.model.folder import load_model
from graft.recipe.text import recipe_text
from graft.records import RECORDS, EvaluationRecord, Record, sha256_file
from graft.records.report import Mistakes
from graft_tasks.commands.adopt import adopt
from graft_tasks.commands.init import init
from graft_tasks.commands.render import render_run
from graft_tasks.registry.pin import pin
from graft_tasks.steps.context import STEPS
from graft_tasks.workspace import Workspace

RunAll = Callable[[Workspace], dict[str, Record]]
KEYS = {
    "data.dataset": "tiny",
    "data.train": "rows.parquet",
    "data.image": "image",
    "data.label": "label",
    "data.sensitive": ["pen"],
    "data.min_similarity": 0.99,
    "choose_base.bases": ["base"],
    "choose_base.n_folds": 2,
    "detect_shift.n_permutations": 199,
    "finetune.n_epochs": 1,
    "evaluate.n_bootstrap": 1000,
}


@pytest.fixture
def workspace(tmp_path: Path, tiny_image_base: Path, digits: tuple[Sequence[bytes], Sequence[str]]) -> Workspace:
    images, labels = digits
    rows = pd.DataFrame({"image": list(images), "label": [str(label) for label in labels]}).groupby("label").head(40)
    rows["pen"] = ["thin" if k % 3 else "thick" for k in range(len(rows))]
    rows.to_parquet(tmp_path / "rows.parquet", index=False)
    workspace, _ = init(tmp_path / "workspace")
    shutil.copytree(tiny_image_base, workspace.root / "base")
    adopt(workspace.recipe("tiny"), {"rows.parquet": tmp_path / "rows.parquet"}, recipe_text("tiny", KEYS))
    pin(workspace.recipe("tiny"))
    return workspace


def strategy(workspace: Workspace, name: str) -> None:
    workspace.recipe("tiny").path.write_text(recipe_text("tiny", {**KEYS, "finetune.strategy": name}))
    pin(workspace.recipe("tiny"))


@pytest.mark.parametrize("name", ["head", "full"])
def test_digits_run_to_a_verdict(workspace: Workspace, run_all: RunAll, name: str) -> None:
    """Every step makes the record that it makes of texts, the same bytes twice, and the model folder can be loaded."""
    strategy(workspace, name)
    records = run_all(workspace)
    assert [type(records[step]) for step in STEPS] == [RECORDS[step] for step in STEPS]
    evaluation = records["evaluate"]
    assert isinstance(evaluation, EvaluationRecord)
    assert set(evaluation.accuracy) == {"candidate", "frozen_probe", "scratch"}
    assert any(
        "Logistic regression on pixels" in c.note or "logistic regression on pixels" in c.note
        for c in evaluation.checks
    )
    assert load_model(workspace.recipe("tiny").model).encoder.modality == "image"
    first = {step: sha256_file(workspace.recipe("tiny").record(step)) for step in STEPS}
    for kept in ("checkpoints", "cache"):  # or the second training is not one
        shutil.rmtree(workspace.root / ".graft" / kept, ignore_errors=True)
    run_all(workspace)
    assert {step: sha256_file(workspace.recipe("tiny").record(step)) for step in STEPS} == first


@pytest.mark.slow
def test_the_report_shows_the_pictures_of_mistakes(workspace: Workspace, run_all: RunAll) -> None:
    """The surest mistakes are drawn as small pictures inside the page, which asks no other host for them."""
    strategy(workspace, "head")
    run_all(workspace)
    shown = Mistakes.model_validate_json(
        (workspace.recipe("tiny").files("evaluate") / "mistakes.json").read_bytes()
    ).shown
    page = render_run(workspace.recipe("tiny")).read_text()
    drawn = re.findall(r'<img src="data:image/png;base64,([A-Za-z0-9+/=]+)"', page)
    assert drawn == [one.picture for one in shown]
    assert len(drawn) == 12
    assert all(base64.b64decode(picture).startswith(b"\x89PNG") for picture in drawn)
    assert "mistakes pictures" in page
