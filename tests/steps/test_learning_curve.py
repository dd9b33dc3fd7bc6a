"""A curve on a tiny base: cells are measured once, the record holds no time, and bad input is one sentence."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from graft.errors import GraftError, InputError, TamperError
from graft.learning_curve.claims import Claims
from graft.records import CurveRecord, Record, load_curve, sha256_file
from graft_tasks.commands.render import render_run
from graft_tasks.learning_curve.claims import conclude
from graft_tasks.learning_curve.measure import Wanted, measure
from graft_tasks.workspace import Workspace
from tests.support.refusals import refused
from tests.support.training_workspace import make_training_workspace

pytestmark = pytest.mark.slow

CHEAP = ("frozen_probe", "scratch", "random_encoder", "shuffled_labels")
SMALL = Wanted(arms=CHEAP, sizes=(1, 4, None), draws=2)


def no_progress(*_told: Any) -> None:
    """Show no progress."""


def curve(workspace: Workspace, wanted: Wanted = SMALL) -> tuple[Claims, str]:
    """Measure a curve and return what came out, with the digest of its record."""
    claims = conclude(workspace.recipe("tiny"), measure(workspace.recipe("tiny"), wanted, progress=no_progress))
    return claims, sha256_file(workspace.recipe("tiny").record("curve"))


def cells(workspace: Workspace) -> dict[str, int]:
    """Return the kept cells, each with when it was written."""
    return {path.name: path.stat().st_mtime_ns for path in workspace.recipe("tiny").cells.iterdir()}


@pytest.fixture(scope="module")
def ready_workspace(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Workspace:
    """A workspace whose recipe has run up to the choice of the base; copied for tests that change it."""
    return make_training_workspace(tmp_path_factory.mktemp("curve"), tiny_base)


@pytest.fixture
def workspace_copy(ready_workspace: Workspace, tmp_path: Path) -> Workspace:
    """A copy of it."""
    return Workspace(Path(shutil.copytree(ready_workspace.root, tmp_path / "workspace", symlinks=True)))


def test_a_cell_is_measured_once(workspace_copy: Workspace) -> None:
    """The same command measures nothing again and writes the same record; more draws measure only those."""
    claims, digest = curve(workspace_copy)
    record, kept = claims.record, cells(workspace_copy)
    assert len(kept) == len(CHEAP) * 3 * 2
    assert curve(workspace_copy)[1] == digest
    assert cells(workspace_copy) == kept
    assert (record.arms, record.sizes) == (CHEAP, (1, 4, None))
    assert record.left_out == ("transfer", "scratch_network")
    more = curve(workspace_copy, Wanted(arms=CHEAP, sizes=(1, 4, None), draws=3))[0].record
    assert {name: cells(workspace_copy)[name] for name in kept} == kept
    assert [point.draws[:2] for point in more.points] == [point.draws for point in record.points]


def test_a_damaged_cell_is_measured_again(workspace_copy: Workspace) -> None:
    """A cell that is cut, altered or of another place is no evidence: measured anew it gives the same record."""
    digest = curve(workspace_copy)[1]
    paths = sorted(workspace_copy.recipe("tiny").cells.iterdir())
    paths[0].write_bytes(paths[0].read_bytes()[:100])
    other = json.loads(paths[1].read_bytes())
    paths[1].write_text(json.dumps({**other, "hits": other["hits"][2:]}))
    shutil.copyfile(paths[2], paths[3])
    kept = cells(workspace_copy)
    assert curve(workspace_copy)[1] == digest
    changed = {name for name, when in cells(workspace_copy).items() if when != kept[name]}
    assert changed == {paths[0].name, paths[1].name, paths[3].name}


def test_what_a_cell_depends_on_is_in_its_key(workspace_copy: Workspace) -> None:
    """Another setting of the training measures transfer anew and nothing else."""
    wanted = Wanted(arms=("transfer", "scratch"), sizes=(4, None), costly_draws=2, draws=2)
    curve(workspace_copy, wanted)
    before = set(cells(workspace_copy))
    recipe = workspace_copy.recipe("tiny").path
    recipe.write_text(recipe.read_text().replace("n_epochs: 2", "n_epochs: 3"))
    curve(workspace_copy, wanted)
    added = set(cells(workspace_copy)) - before
    assert len(added) == 4
    assert {name.split("-")[0] for name in added} == {"transfer"}


def test_every_arm(workspace_copy: Workspace) -> None:
    """All six arms, the rates tried on training rows, and each pair compared; the record knows no time, and costs lie beside."""
    wanted = Wanted(sizes=(2, 8), draws=2, costly_draws=2)
    claims, _ = curve(workspace_copy, wanted)
    assert claims.cost is not None
    names = {name.split("-")[0] for name in cells(workspace_copy)}
    assert names == {*CHEAP, "transfer", "scratch_network", "scratch_network_rate"}
    assert [(pair.arm, pair.against) for pair in claims.pairs] == [
        ("transfer", "scratch_network"), ("frozen_probe", "scratch_network"),
        ("transfer", "scratch"), ("frozen_probe", "scratch"),
    ]  # fmt: skip
    assert [claim.what for claim in claims.pairs[0].claims] == ["data", "time", "cost", "energy"]
    assert claims.record.learning_rate in (3e-4, 1e-3, 2e-3)
    assert claims.cost.search["scratch_network"] > 0
    text = workspace_copy.recipe("tiny").record("curve").read_text()
    assert not any(word in text for word in ("seconds", "joules", "price", "started", str(workspace_copy.root)))
    assert load_curve(workspace_copy.recipe("tiny").record("curve")) == claims.record


def test_costs_of_another_record_are_not_shown(
    workspace_copy: Workspace, run_all: Callable[[Workspace], dict[str, Record]]
) -> None:
    """On the page stand the last curve and its times; of other data it says so, and without its times it says that."""
    run_all(workspace_copy)
    page = render_run(workspace_copy.recipe("tiny"))
    assert "graft curve tiny" in page.read_text()
    curve(workspace_copy)
    text = render_run(workspace_copy.recipe("tiny")).read_text()
    assert "not measured yet" not in text
    assert "Measured on an earlier version" not in text
    assert "What it took is not known here" not in text
    path = workspace_copy.recipe("tiny").record("curve")
    record = load_curve(path)
    path.write_text(record.model_copy(update={"train_sha256": "0" * 64}).model_dump_json())
    text = render_run(workspace_copy.recipe("tiny")).read_text()
    assert "Measured on an earlier version" in text
    assert "What it took is not known here" in text
    path.write_text("{}")
    with pytest.raises(TamperError, match="not a record of curve"):
        render_run(workspace_copy.recipe("tiny"))


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (Wanted(arms=("tfidf",)), "no arm tfidf"),
        (Wanted(arms=()), "needs an arm"),
        (Wanted(draws=1), "two draws"),
        (Wanted(costly_draws=1), "two draws"),
    ],
)
def test_nonsense_is_one_sentence(ready_workspace: Workspace, wanted: Wanted, says: str) -> None:
    """What cannot be measured is said before anything is."""
    with pytest.raises(InputError, match=says):
        measure(ready_workspace.recipe("tiny"), wanted, progress=no_progress)


@pytest.mark.parametrize(("size", "code"), [(0, "curve-size-impossible"), (1000, "curve-sizes-too-large")])
def test_sizes_that_cannot_be_are_refused(ready_workspace: Workspace, size: int, code: str) -> None:
    """No rows, or more than there are, are said before anything is measured."""
    with refused(code):
        measure(ready_workspace.recipe("tiny"), Wanted(sizes=(size,)), progress=no_progress)


def test_a_recipe_that_was_not_run(tiny_workspace: Callable[..., Workspace]) -> None:
    """A curve reads what a run left, and says what is absent."""
    workspace = tiny_workspace()
    with pytest.raises(InputError, match="ingest has not run") as caught:
        measure(workspace.recipe("tiny"), SMALL, progress=no_progress)
    assert caught.value.do == "graft run tiny"


def test_a_closed_gate_leaves_nothing_to_measure(
    tiny_workspace: Callable[..., Workspace], run_all: Callable[[Workspace], dict[str, Record]]
) -> None:
    """Data that may not be trained on has no curve either."""
    workspace = tiny_workspace(validate__min_rows_per_class=1000)
    run_all(workspace)
    with refused("curve-needs-run") as error:
        measure(workspace.recipe("tiny"), SMALL, progress=no_progress)
    assert "embed" in error.value.what


def test_absent_files_are_named(workspace_copy: Workspace) -> None:
    """In a clone the records are there and the files may not be."""
    shutil.rmtree(workspace_copy.recipe("tiny").files("embed"))
    with pytest.raises(GraftError, match="file of embed is not here"):
        measure(workspace_copy.recipe("tiny"), SMALL, progress=no_progress)


def test_auto_is_measured_as_finetune_chose(
    tiny_workspace: Callable[..., Workspace], run_all: Callable[[Workspace], dict[str, Record]]
) -> None:
    """With strategy auto transfer trains what the trials chose, and what they took counts as its search."""
    workspace = tiny_workspace(finetune__strategy="auto", finetune__budget=5.0)
    records = run_all(workspace)
    claims, _ = curve(workspace, Wanted(arms=("transfer", "scratch"), sizes=(2, 4), draws=2, costly_draws=2))
    assert claims.record.strategy == records["finetune"].model_dump()["strategy"] != "auto"
    assert claims.cost is not None
    assert claims.cost.search["transfer"] > 0


def test_images_have_a_curve(tmp_path: Path, tiny_image_base: Path, digits: tuple[list[bytes], Any]) -> None:
    """Images need no arm of their own: the cheap model reads pixels."""
    from graft.recipe.text import recipe_text
    from graft_tasks.commands.adopt import adopt
    from graft_tasks.commands.init import init
    from graft_tasks.registry.pin import pin
    from graft_tasks.steps.context import run_step
    from tests.steps.conftest import TINY

    workspace, _ = init(tmp_path / "workspace")
    contents, labels = digits
    chosen = [k for k in range(200) if labels[k] in "01"]
    table = pd.DataFrame({"image": [contents[k] for k in chosen], "label": [labels[k] for k in chosen]})
    table.to_parquet(tmp_path / "rows.parquet")
    shutil.copytree(tiny_image_base, workspace.root / "base")
    keys = {
        **TINY, "data.train": "rows.parquet", "data.text": None, "data.image": "image", "data.label": "label",
        "data.group": None, "data.sensitive": [], "data.min_similarity": 1.0, "validate.min_rows_per_class": 2,
    }  # fmt: skip
    adopt(workspace.recipe("tiny"), {"rows.parquet": tmp_path / "rows.parquet"}, recipe_text("tiny", keys))
    pin(workspace.recipe("tiny"))
    for step in ("ingest", "validate", "embed", "choose_base"):
        run_step(workspace.recipe("tiny"), step)
    record: CurveRecord = curve(workspace, Wanted(arms=("frozen_probe", "scratch"), sizes=(1, 4), draws=2))[0].record
    point = record.point("scratch", 4)
    assert point is not None
    assert point.accuracy.value > 0.8
