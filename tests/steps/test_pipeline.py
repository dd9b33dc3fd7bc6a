"""Each recipe's stages stand in a file of its own; old ones are brought forward, and nothing of a person's is lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from graft.errors import InputError, StepError
from graft.recipe.text import recipe_text
from graft.records import write_atomic
from graft_tasks.commands.adopt import adopt
from graft_tasks.commands.init import init
from graft_tasks.dvc import pipeline
from graft_tasks.dvc.pipeline import TOPMOST, bring_forward, stages_of, without
from graft_tasks.dvc.recover import recover
from graft_tasks.dvc.repro import commit, dvc, git
from graft_tasks.steps.context import STEPS
from graft_tasks.workspace import Workspace
from tests.steps.conftest import TINY

MINE = """  mine:  # a stage of a person's
    cmd: echo mine
    outs:
      # what it makes
      - mine.txt
"""


def shared_stages(*, without_pin: str = "") -> str:
    """Return the stages of all recipes as they once stood in one file, perhaps with a pin less."""
    stages = yaml.safe_load(stages_of("${key}", "${item.dataset}"))["stages"]
    for stage in stages.values():
        del stage["wdir"]
    if without_pin:
        stages["decide"]["params"][-1]["data/${key}/inputs.json"].remove(without_pin)
    old = {name: {"foreach": "${recipes}", "do": stage} for name, stage in stages.items()}
    return "# Which step reads whose files.\n" + yaml.safe_dump({"stages": old}, sort_keys=False)


@pytest.fixture(scope="module")
def fresh_workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with two recipes, in which nothing has run."""
    folder = tmp_path_factory.mktemp("pipeline")
    workspace, _ = init(folder / "workspace")
    (folder / "rows.csv").write_text("text,intent\n" + "".join(f"row {k},{'ab'[k % 2]}\n" for k in range(20)))
    for name in ("tiny", "other"):
        values = {**TINY, "data.dataset": name, "data.train": "rows.csv"}
        values.pop("data.group", None)
        adopt(workspace.recipe(name), {"rows.csv": folder / "rows.csv"}, recipe_text(name, values))
    return workspace


@pytest.fixture
def workspace(fresh_workspace: Workspace, tmp_path: Path) -> Workspace:
    import shutil

    shutil.copytree(fresh_workspace.root, tmp_path / "workspace", symlinks=True)
    return Workspace(tmp_path / "workspace")


def lock_entry(step: str, name: str) -> dict[str, object]:
    file = {"path": f"data/{name}/{step}/record.json", "hash": "md5", "md5": "0" * 32, "size": 7}
    return {"cmd": f"graft step {step} {name}", "deps": [file], "outs": [file]}


def made_old(workspace: Workspace, text: str) -> dict[str, object]:
    """Make a workspace one of before, in which both recipes have run; return what its lock file says."""
    (workspace.root / "dvc.yaml").write_text(text)
    stages: dict[str, object] = {
        f"{step}@{name}": lock_entry(step, name) for name in ("tiny", "other") for step in STEPS
    }
    if text.endswith(MINE):
        stages["mine"] = {"cmd": "echo mine"}
    (workspace.root / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))
    commit(workspace.root, "as it was", ["dvc.yaml", "dvc.lock"])
    return stages


def locks(workspace: Workspace, name: str) -> dict[str, object]:
    return dict(yaml.safe_load((workspace.root / "data" / name / "dvc.lock").read_text())["stages"])


def test_one_file_for_all_becomes_one_for_each(workspace: Workspace) -> None:
    """It is said; each recipe has its stages and what was last made of them, a person's own stage stays as it was written."""
    before = made_old(workspace, shared_stages(without_pin="rolled_back") + MINE)
    (said,) = bring_forward(workspace.recipe("tiny"))
    assert said.startswith("dvc.yaml was brought forward")
    for name in ("tiny", "other"):
        assert workspace.recipe(name).stages.read_text() == stages_of(name, name)
        assert locks(workspace, name) == {step: before[f"{step}@{name}"] for step in STEPS}
    decide = yaml.safe_load(workspace.recipe("tiny").stages.read_text())["stages"]["decide"]
    assert "rolled_back" in decide["params"][-1]["data/tiny/inputs.json"]
    assert (workspace.root / "dvc.yaml").read_text() == "# Which step reads whose files.\nstages:\n" + MINE
    assert yaml.safe_load((workspace.root / "dvc.lock").read_text())["stages"] == {"mine": {"cmd": "echo mine"}}
    assert git(workspace.root, "status", "--porcelain") == ""
    assert bring_forward(workspace.recipe("tiny")) == bring_forward(workspace.recipe("other")) == []
    listed = json.loads(dvc(workspace.root, "status", "--json"))
    assert {name for name in listed if "mine" not in name} == {
        f"data/{n}/dvc.yaml:{s}" for n in ("tiny", "other") for s in STEPS
    }


def test_without_a_stage_of_ones_own_it_is_as_a_new_workspace_has_it(workspace: Workspace) -> None:
    """Nothing but Graft's stages: the topmost file is the one of today, and there is no lock file of all any more."""
    made_old(workspace, shared_stages())
    bring_forward(workspace.recipe("other"))
    assert (workspace.root / "dvc.yaml").read_text() == TOPMOST
    assert not (workspace.root / "dvc.lock").exists()


@pytest.mark.parametrize(
    ("at", "mine"),
    [("data/tiny/dvc.lock", MINE), ("data/other/dvc.yaml", MINE), ("dvc.lock", MINE), ("dvc.yaml", MINE),
     ("commit", MINE), ("commit", "")],
)  # fmt: skip
def test_cut_off_anywhere_it_ends_the_same(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, at: str, mine: str
) -> None:
    """Whichever file was to be written as it was killed: the same command again leads to the same files, committed."""
    before = made_old(workspace, shared_stages() + mine)

    def write(path: Path, content: bytes) -> None:
        if path == workspace.root / at:
            raise StepError("cut off")
        write_atomic(path, content)

    def refuse(*_: object) -> None:
        raise StepError("cut off")

    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "commit", refuse) if at == "commit" else patch.setattr(pipeline, "write_atomic", write)
        with pytest.raises(StepError):
            bring_forward(workspace.recipe("tiny"))
    bring_forward(workspace.recipe("tiny"))
    assert {name: locks(workspace, name) for name in ("tiny", "other")} == {
        name: {step: before[f"{step}@{name}"] for step in STEPS} for name in ("tiny", "other")
    }
    assert (workspace.root / "dvc.yaml").read_text().endswith(mine or TOPMOST)
    assert git(workspace.root, "status", "--porcelain") == ""


def test_an_older_file_of_a_recipe_is_brought_forward_and_said(workspace: Workspace) -> None:
    """One pin less in a recipe's own file: it is written anew, in a sentence; without a file there is nothing to say."""
    assert bring_forward(workspace.recipe("tiny")) == []
    path, text = workspace.recipe("tiny").stages, stages_of("tiny", "tiny")
    path.write_text(text.replace("champion, best, rolled_back, steps.decide", "champion, best, steps.decide"))
    assert path.read_text() != text
    (said,) = bring_forward(workspace.recipe("tiny"))
    assert said.startswith("data/tiny/dvc.yaml was brought forward to Graft ")
    assert path.read_text() == text


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("  decide:\n", "  mine:\n    cmd: echo mine\n  decide:\n", "mine"),
        (
            "      - data/tiny/evaluate/record.json\n",
            "      - data/tiny/evaluate/record.json\n      - my.csv\n",
            "my.csv",
        ),
        ("[steps.validate]", "[steps.validate, mine]", "validate.params.data/tiny/inputs.json: mine"),
        ("cmd: graft step embed tiny", "cmd: graft step embed tiny && echo", "embed.cmd"),
        ("  embed:\n", "  embed:\n    frozen: true\n", "embed.frozen"),
    ],
)
def test_what_a_person_wrote_into_it_is_not_lost(workspace: Workspace, old: str, new: str, where: str) -> None:
    """A stage, a dependency, a pin, a command or a key that Graft does not know is named and refused, and the file is left."""
    bring_forward(workspace.recipe("tiny"))
    path = workspace.recipe("tiny").stages
    text = path.read_text().replace(old, new)
    assert text != path.read_text()
    path.write_text(text)
    with pytest.raises(InputError, match="does not know") as caught:
        bring_forward(workspace.recipe("tiny"))
    assert where in caught.value.what
    assert path.read_text() == text


@pytest.mark.parametrize(
    "text", ["stages: {ingest: {cmd: a}, mine: {cmd: b}}\n", "vars: [a.yaml]\nstages:\n  ingest:\n    cmd: a\n"]
)
def test_stages_are_taken_out_however_they_are_written(text: str) -> None:
    """In one line, or the only ones beside other keys: what is left says the same without them."""
    left = yaml.safe_load(text)
    del left["stages"]["ingest"]
    assert yaml.safe_load(without(text, {"ingest"})) == left


def test_no_command_of_a_recipe_reads_what_is_of_another(workspace: Workspace) -> None:
    """With every file of another recipe damaged, one is put right, brought forward and compared as if it were alone."""
    for name in ("tiny", "other"):
        bring_forward(workspace.recipe(name))
    for path in ("data/other/dvc.yaml", "data/other/dvc.lock", "recipes/other.yaml"):
        (workspace.root / path).write_text("{")
    recover(workspace.recipe("tiny"))
    assert bring_forward(workspace.recipe("tiny")) == []
    assert "data/tiny/dvc.yaml:ingest" in json.loads(dvc(workspace.root, "status", "--json", "data/tiny/dvc.yaml"))
