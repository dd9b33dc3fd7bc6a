"""A rollback goes back to a model that still counts and lies here whole; killed anywhere and said again, it goes no further."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from graft.errors import InputError, TamperError
from graft.ledger import Ledger
from graft_tasks.dvc.repro import git
from graft_tasks.registry.audit import audit
from graft_tasks.registry.bases import pin as pin_base
from graft_tasks.registry.lineage import rolled_back
from graft_tasks.registry.pin import pin
from graft_tasks.registry.promote import promote_by_hand, roll_back
from graft_tasks.workspace import Workspace
from tests.support.cli_runner import CommandLine, check_unchanged
from tests.support.invented_ledger import NAME, finish_run, invent_champions
from tests.support.kill_points import copy_workspace, killed_at
from tests.support.refusals import refused

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def three_champions(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Workspace:
    """A workspace with three champions, the second against its verdict; copied, never changed."""
    return invent_champions(tmp_path_factory.mktemp("three"), tiny_base, forced=(2,))


@pytest.fixture
def workspace(three_champions: Workspace, tmp_path: Path) -> Iterator[Workspace]:
    yield copy_workspace(three_champions, tmp_path)
    shutil.rmtree(tmp_path / "workspace")


def champion_changes(workspace: Workspace) -> list[tuple[str, str, str]]:
    """Return every change of champion: its number, what it was and which model came in."""
    said = [one.predicate for one in workspace.ledger().promotions(NAME)]
    return [(one.number, one.action, one.model_number) for one in said]


THREE = [("0001", "promote", "0001"), ("0002", "promote", "0002"), ("0003", "promote", "0003")]
TWO_BACK = [*THREE, ("0004", "rollback", "0002"), ("0005", "rollback", "0001")]


def test_one_model_further_back_each_time(workspace: Workspace) -> None:
    """Of three models a first rollback leads to the second, another to the first, and a third finds none; none comes back."""
    models = [one.predicate.model_id for one in workspace.ledger().promotions(NAME)]
    roll_back(workspace.recipe(NAME), "worse on Mondays")
    assert pin(workspace.recipe(NAME)).rolled_back == (models[2],)
    roll_back(workspace.recipe(NAME), "so is this one")
    assert champion_changes(workspace) == TWO_BACK
    assert pin(workspace.recipe(NAME)).rolled_back == tuple(sorted(models[1:]))
    with check_unchanged(workspace.root), refused("champion-no-earlier"):
        roll_back(workspace.recipe(NAME), "and this")
    assert audit(workspace.recipe(NAME)).verdict == "intact"


def test_the_same_words_go_no_further(workspace: Workspace) -> None:
    """For the same reason, and to the same model if one is named, nothing is added; another model or reason is another step."""
    first = roll_back(workspace.recipe(NAME), "worse")
    for to in (None, "2", "0002", "0004"):
        assert roll_back(workspace.recipe(NAME), "worse", to=to).entry == first.entry
    assert roll_back(workspace.recipe(NAME), "worse", to="1").predicate.model_number == "0001"
    assert champion_changes(workspace) == TWO_BACK


def test_to_a_number(workspace: Workspace) -> None:
    """Any champion may be named, a rolled-back one too; from there the next rollback goes to earlier ones only."""
    models = [one.predicate.model_id for one in workspace.ledger().promotions(NAME)]
    assert roll_back(workspace.recipe(NAME), "the first was best", to="1").predicate.model_number == "0001"
    assert rolled_back(workspace.ledger().promotions(NAME)) == (models[2],)
    with pytest.raises(InputError, match="no earlier champion"):  # not forward to model 0002, which nobody rolled back
        roll_back(workspace.recipe(NAME), "no")
    assert roll_back(workspace.recipe(NAME), "the third after all", to="3").predicate.model_number == "0003"
    assert rolled_back(workspace.ledger().promotions(NAME)) == (models[0],)
    assert roll_back(workspace.recipe(NAME), "no").predicate.model_number == "0002"
    for to, words in (("2", "champion already"), ("9", "has no champion 9"), ("two", "has no champion two")):
        with check_unchanged(workspace.root), pytest.raises(InputError, match=words):
            roll_back(workspace.recipe(NAME), "again", to=to)


def test_a_rollbacks_number_is_a_base_as_well(workspace: Workspace, tiny_base: Path) -> None:
    """Named by the number of a rollback, a base is the model that it put in force; by a number that is none, an error."""
    roll_back(workspace.recipe(NAME), "worse on Mondays")
    for number in ("0002", "0003"):  # an encoder in place of the invented model
        shutil.copytree(tiny_base, workspace.recipe(NAME).registry / number, dirs_exist_ok=True)
    for base in (f"graft:{NAME}@0004", f"graft:{NAME}@champion", f"graft:{NAME}@0002"):
        assert pin_base(workspace, base, "text").revision == "0002"
    assert pin_base(workspace, f"graft:{NAME}@0003", "text").revision == "0003"
    with refused("base-unpromoted") as error:
        pin_base(workspace, f"graft:{NAME}@0005", "text")
    assert "0005" in error.value.what


@pytest.mark.parametrize("how", ["altered", "absent", "pointer", "another"])
def test_what_is_not_as_it_was_promoted_is_not_brought_back(workspace: Workspace, how: str) -> None:
    """One bit of the target, its folder, its pointer, or another model in its place: refused before the entry, with a way out."""
    folder = workspace.recipe(NAME).registry / "0002"
    if how == "altered":
        weights = folder / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    elif how == "pointer":
        folder.with_name("0002.dvc").unlink()
    else:
        shutil.rmtree(folder)
        if how == "another":
            shutil.copytree(folder.with_name("0001"), folder)
    with check_unchanged(workspace.root), pytest.raises(TamperError) as refused:
        roll_back(workspace.recipe(NAME), "worse")
    assert f"graft fetch {NAME}" in refused.value.do
    assert f"graft rollback {NAME} --to NUMBER" in refused.value.do
    assert roll_back(workspace.recipe(NAME), "worse", to="1").predicate.model_number == "0001"


def test_an_altered_candidate_is_not_promoted_by_hand(workspace: Workspace) -> None:
    """One bit of the candidate's folder: refused, and no entry is made."""
    finish_run(workspace, 4, verdict="hold")
    (workspace.recipe(NAME).model / "model.safetensors").write_bytes(b"others")
    with pytest.raises(TamperError, match="not what was trained"):
        promote_by_hand(workspace.recipe(NAME), "it will do")
    assert champion_changes(workspace) == THREE


@pytest.mark.parametrize("number", ["0001", "0002"])
def test_the_audit_reads_every_model_that_a_rollback_may_take(workspace: Workspace, number: str) -> None:
    """An older champion with a changed bit is broken, and named; one that is not here is named, and not called checked."""
    assert "every digest and signature" in audit(workspace.recipe(NAME)).headline
    folder = workspace.recipe(NAME).registry / number
    weights = folder / "model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + b"!")
    found = audit(workspace.recipe(NAME))
    assert found.verdict == "broken"
    assert f"{number}/model.safetensors" in str(found.broken_at)
    shutil.rmtree(folder)
    found = audit(workspace.recipe(NAME))
    (line,) = (line for line in found.lines if line.name == "models")
    assert (found.verdict, line.integrity) == ("intact", "open")
    assert number in line.finding
    assert "every digest" not in found.headline


def _kill_rollback(three_champions: Workspace, folder: Path, before: str | None, reason: str, step: int) -> int:
    """Kill a rollback before every change of the disk, say it again, and compare with one that nobody killed."""
    calm = copy_workspace(three_champions, folder / "calm")
    if before:
        roll_back(calm.recipe(NAME), before)
    start = copy_workspace(calm, folder / "start")
    roll_back(calm.recipe(NAME), reason)
    undisturbed, point = champion_changes(calm), 0
    while killed_at(
        act := partial(roll_back, (again := copy_workspace(start, folder / f"{point}")).recipe(NAME), reason), point
    ):
        killed_at(act, point // 2)  # and once more, on what that one left
        roll_back(again.recipe(NAME), reason)
        assert champion_changes(again) == undisturbed, point
        assert git(again.root, "status", "--porcelain") == "", point
        assert pin(again.recipe(NAME)).rolled_back == pin(calm.recipe(NAME)).rolled_back
        shutil.rmtree(again.root.parent)
        point += step
    return point


def test_killed_around_its_entry(three_champions: Workspace, tmp_path: Path) -> None:
    """A second rollback over three models, killed before every fifth change of the disk: it ends at the first model."""
    assert _kill_rollback(three_champions, tmp_path, "worse on Mondays", "so is this one", 5) > 10


@pytest.mark.long
@pytest.mark.parametrize("before", [None, "worse on Mondays"])
def test_killed_before_every_change_of_the_disk(three_champions: Workspace, tmp_path: Path, before: str | None) -> None:
    """A first and a second rollback, killed twice anywhere: said again, each ends where it should and goes no step further."""
    assert _kill_rollback(three_champions, tmp_path, before, "worse", 1) > 10


def test_what_the_command_says(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change of champion draws the chain's page; a forced champion is seen on it, in status and audit, while it is live."""
    cli = CommandLine(workspace.root, capsys)
    page = workspace.recipe(NAME).pages / "chain.html"
    assert "model 0002, as champion 0004" in cli.succeeds("rollback", NAME, "--reason", "worse")
    drawn = page.read_text()
    assert "0004" in drawn
    assert "against the verdict hold, by Ada: model 2" in drawn
    assert "nothing was added" in cli.succeeds("rollback", NAME, "--reason", "worse")
    assert page.read_text() == drawn
    status = " ".join(cli.succeeds("status").split())
    assert "FORCED known 0004 was promoted against the verdict hold, by Ada: model 2" in status
    (facts,) = json.loads(cli.succeeds("status", "--json"))["recipes"]
    assert facts["forced"] == "against the verdict hold, by Ada: model 2"
    monkeypatch.setattr("graft_cli.commands.audit.BEGAN", -1e6)
    said = " ".join(cli.succeeds("audit", NAME).split())
    assert "FORCED Promoted against the verdict hold, by Ada: model 2" in said
    assert "checked offline" in said
    assert "h " in said.split("checked offline with")[1].split("page")[0], "the time is that since the command began"
    assert "promote, against the verdict, Ada: model 2" in page.read_text()
    cli.succeeds("rollback", NAME, "--to", "1", "--reason", "back to the start")
    assert "FORCED" not in cli.succeeds("status")
    assert "FORCED" not in cli.succeeds("audit", NAME)
    cli.refuses("rollback", NAME, "--reason", "more", words=("no earlier champion", "--to NUMBER"))


def test_the_entry_is_of_a_ledger_that_was_read_once(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rollback that meets another one's entry is refused, and does not follow it."""
    read = Ledger.promotions

    def late(ledger: Ledger, recipe: str) -> object:
        monkeypatch.undo()
        before = read(ledger, recipe)
        roll_back(workspace.recipe(NAME), "somebody else's")
        return before

    monkeypatch.setattr(Ledger, "promotions", late)
    with refused("promotion-overtaken"):
        roll_back(workspace.recipe(NAME), "mine")
    assert champion_changes(workspace) == TWO_BACK[:4]
