"""The flow, with real stages: what it leaves behind, what it does the second time, what closes its gates."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from prefect import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

from graft.errors import BusyError, InputError
from graft.records import DecisionRecord, load_record
from graft_cli.commands.run import run_recipe
from graft_flows.retrain import retrain, worth_retrying
from graft_tasks.commands import prepare
from graft_tasks.commands.init import init
from graft_tasks.dvc.repro import commit, dvc, git
from graft_tasks.processes.environment import environment
from graft_tasks.processes.locks import hold
from graft_tasks.registry.audit import audit
from graft_tasks.registry.pin import pin
from graft_tasks.registry.promote import promote_by_hand, roll_back
from graft_tasks.steps.context import STEPS
from graft_tasks.workspace import Workspace
from tests.flows.conftest import make_workspace
from tests.support.refusals import refused


def test_a_run_leaves_everything_committed_and_dvc_has_nothing_to_do(promoted: Workspace) -> None:
    """After a run git is clean, dvc status is clean, and dvc repro runs no stage."""
    assert git(promoted.root, "status", "--porcelain") == ""
    assert json.loads(dvc(promoted.root, "status", "--json") or "{}") == {}
    assert "Running stage" not in dvc(promoted.root, "repro")


def test_the_second_run_does_nothing_and_says_why(promoted: Workspace) -> None:
    """The same recipe, data and base: no step runs, the ledger does not grow, and the reason is given."""
    before = sorted(p.name for p in (promoted.root / "ledger").rglob("*"))
    result = run_recipe(promoted.recipe("support"))
    assert not result.ran
    assert re.search(r"The same recipe, data and base .* led to champion 0001", result.because)
    assert sorted(p.name for p in (promoted.root / "ledger").rglob("*")) == before


def test_a_run_with_nothing_to_do_imports_neither_prefect_nor_what_computes(promoted: Workspace) -> None:
    """The command itself, up to its last line: it starts no server. Safetensors has numpy read the header of a domain card."""
    heavy = ("prefect", "torch", "transformers", "pandas", "pyarrow", "scipy", "sklearn", "great_expectations")
    code = (
        "import sys; from graft_cli.main import main\ntry: main()\nfinally: "
        f"print([one for one in {heavy} if one in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "run", "support"],
        cwd=promoted.root,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "NOTHING TO DO" in done.stdout
    assert done.stderr == "[]\n"


def test_a_recipe_is_prepared_once_and_given_again_inside(promoted: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The flow inside ``graft run`` pins nothing anew and pulls nothing; after the block the recipe is free again."""
    pins = []
    monkeypatch.setattr(prepare, "pin", lambda handle: pins.append(handle.name) or pin(handle))
    monkeypatch.setattr(prepare, "catch_up", lambda *_: pytest.fail("nothing is taken over while the recipe is held"))
    with prepare.prepared(promoted.recipe("support")) as outer:
        with prepare.prepared(promoted.recipe("support"), is_unattended=True) as inner:
            assert inner is outer
        assert "were run on" in outer.up_to_date
        with pytest.raises(BusyError), hold(promoted.recipe("support").lock("run"), "support"):
            pass
    with pytest.raises(ZeroDivisionError), prepare.prepared(promoted.recipe("support")):
        raise ZeroDivisionError
    assert pins == ["support", "support"]
    with prepare.prepared(promoted.recipe("support")) as again:
        assert again.was_cut_off
        assert again.up_to_date == "", "a run that was cut off is gone through to its end"


@pytest.mark.slow
def test_files_that_were_lost_are_made_again_and_nothing_is_promoted_twice(promoted: Workspace) -> None:
    """Without the features and a record the same command runs again, to the same records, and the ledger stays as it was."""
    before = {step: promoted.recipe("support").record(step).read_bytes() for step in STEPS}
    ledger = sorted(p.name for p in (promoted.root / "ledger").rglob("*"))
    shutil.rmtree(promoted.recipe("support").files("embed"))
    promoted.recipe("support").record("evaluate").unlink()
    result = run_recipe(promoted.recipe("support"))
    assert result.ran
    assert {step: promoted.recipe("support").record(step).read_bytes() for step in STEPS} == before
    assert sorted(p.name for p in (promoted.root / "ledger").rglob("*")) == ledger


def test_one_changed_parameter_reruns_only_what_depends_on_it(
    promoted: Workspace, edit_recipe: Callable[[Workspace, str, object], None]
) -> None:
    """A wider bias bound reruns measure_bias, decide and report, and nothing that costs money."""
    edit_recipe(promoted, "measure_bias.max_gap", 0.9)
    said = dvc(promoted.root, "repro", "data/support/dvc.yaml:report")
    ran = set(re.findall(r"Running stage 'data/support/dvc.yaml:(\w+)'", said))
    assert ran == {"measure_bias", "decide", "report"}


def test_prefect_shows_a_task_per_step_and_the_table_of_verdicts(promoted_once: Workspace) -> None:
    """The finished flow run has a completed task of each step's name, and a Markdown artifact with the verdict."""
    with get_client(sync_client=True) as client:
        tasks = client.read_task_runs()
        names = {task.name for task in tasks if task.state is not None and task.state.is_completed()}
        assert set(STEPS) | {"pin", "promote", "pages", "publish"} <= names
        found = client.read_artifacts(artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=["support-verdict"])))
    assert "# Promote: support" in str(found[0].data)
    assert all(f"| {step} |" in str(found[0].data) for step in STEPS)


@pytest.mark.slow
def test_a_closed_gate_ends_the_flow_completed_with_a_verdict(
    messages: pd.DataFrame, tmp_path: Path, prefect_server: None, minilm: Path
) -> None:
    """Damaged data: nothing is trained, every later step says why it was skipped, the flow completes with Hold."""
    damaged = messages.copy()
    damaged.loc[::4, "text"] = damaged.loc[::4, "text"] + " caf\ufffd"
    workspace = make_workspace(tmp_path / "workspace", damaged)
    state = retrain(recipe="support", workspace=str(workspace.root), return_state=True)
    assert state.is_completed()
    assert state.message is not None
    assert state.message.startswith("Hold: Nothing was trained: validate closed the gate")
    for step in STEPS[STEPS.index("embed") : STEPS.index("decide")]:
        record = load_record(workspace.recipe("support").record(step), step)
        assert record.status == "skipped"
        assert "validate" in record.because
    assert workspace.ledger().champion("support") is None
    assert len(list(workspace.ledger().runs("support"))) == 1
    assert "Nothing was trained" in (workspace.recipe("support").pages / "report.html").read_text()
    assert git(workspace.root, "status", "--porcelain") == ""


def test_bad_data_fails_once_and_is_not_retried(promoted: Workspace) -> None:
    """A dataset that no longer is a table is a user's error: the step says so, in its own words, after one try."""
    (promoted.dataset("support") / "messages.csv").write_bytes(b"text,intent\n\xff\xfe broken")
    with refused("not-utf8") as caught:
        run_recipe(promoted.recipe("support"))
    assert caught.value.exit_code == 2
    with get_client(sync_client=True) as client:
        failed = [t for t in client.read_task_runs() if t.state is not None and t.state.is_failed()]
    assert failed
    assert all(task.run_count == 1 for task in failed)


def test_a_second_run_of_the_same_recipe_is_told_who_runs(promoted: Workspace) -> None:
    """While one run holds a recipe, another is told so at once and pins nothing under its feet."""
    pinned = promoted.recipe("support").inputs.read_bytes()
    promoted.recipe("support").path.write_text(promoted.recipe("support").path.read_text() + "# edited\n")
    with (
        hold(promoted.recipe("support").lock("run"), "support"),
        refused("lock-held") as held,
    ):
        run_recipe(promoted.recipe("support"))
    assert "support" in held.value.what
    assert promoted.recipe("support").inputs.read_bytes() == pinned


def test_only_a_held_lock_is_worth_retrying() -> None:
    """Retrying mends a lock that another process holds; it never mends data."""

    class Ended:
        def __init__(self, error: Exception) -> None:
            self.error = error

        def result(self, *, raise_on_failure: bool) -> Exception:
            assert not raise_on_failure
            return self.error

    assert worth_retrying(None, None, Ended(BusyError("held")))  # type: ignore[arg-type]
    assert not worth_retrying(None, None, Ended(InputError("bad")))  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_held_candidate_by_hand_then_back_then_never_again_by_itself(
    promoted: Workspace, prefect_server: None, edit_recipe: Callable[[Workspace, str, object], None]
) -> None:
    """Too few rows to tell holds; a person may promote; a rollback is an entry too; the rolled-back model stays out."""
    edit_recipe(promoted, "embed.max_tokens", 48)
    result = run_recipe(promoted.recipe("support"))
    assert result.verdict == "hold"
    decision = load_record(promoted.recipe("support").record("decide"), "decide")
    assert isinstance(decision, DecisionRecord)
    assert [c.id for c in decision.checks if c.outcome == "cannot_tell" and c.policy == "hold"] == [
        "evaluate.gain.champion"
    ]

    by_hand = promote_by_hand(promoted.recipe("support"), "the margin is met on last year's rows")
    assert (by_hand.predicate.number, by_hand.predicate.overrides) == ("0002", True)
    assert not run_recipe(promoted.recipe("support")).ran

    promoted.private_key.unlink()
    init(promoted.root)  # another person, another key
    back = roll_back(promoted.recipe("support"), "more complaints")
    assert back.keyid != by_hand.keyid
    assert (back.predicate.number, back.predicate.action, back.predicate.model_number) == ("0003", "rollback", "0001")
    champion = promoted.ledger().champion("support")
    first = promoted.ledger().promotions("support")[0]
    assert champion is not None
    assert champion.predicate.model_id == first.predicate.model_id

    assert audit(promoted.recipe("support")).verdict == "intact"

    result = run_recipe(promoted.recipe("support"))
    assert result.ran
    assert result.headline == "This very model was rolled back before."
    assert result.champion == "0003"


@pytest.mark.slow
def test_a_second_clone_gets_the_same_champion_and_has_nothing_to_do(promoted: Workspace, tmp_path: Path) -> None:
    """Push here, clone and pull there: status, audit and run say the same, with the same digests."""
    remote, clone = tmp_path / "remote", tmp_path / "clone"
    dvc(promoted.root, "remote", "add", "--default", "store", str(remote))
    commit(promoted.root, "a remote", [".dvc/config"])
    dvc(promoted.root, "push", "--quiet")
    git(tmp_path, "clone", "--quiet", str(promoted.root), str(clone))
    dvc(clone, "pull", "--quiet")

    def said(*arguments: str) -> dict[str, object]:
        done = subprocess.run(
            ["graft", *arguments, "--json"], cwd=clone, env=environment(), capture_output=True, text=True, check=True
        )
        return dict(json.loads(done.stdout))

    here, there = promoted.ledger().champion("support"), said("status")["recipes"][0]  # type: ignore[index]
    assert here is not None
    assert (there["champion"], there["model_id"]) == ("0001", here.predicate.model_id)
    assert said("audit", "support")["verdict"] == "intact"
    ran = said("run", "support")
    assert (ran["ran"], ran["champion"], ran["model_id"]) == (False, "0001", here.predicate.model_id)
    for step in STEPS:
        assert (
            promoted.recipe("support").record(step).read_bytes()
            == Workspace(clone).recipe("support").record(step).read_bytes()
        )
