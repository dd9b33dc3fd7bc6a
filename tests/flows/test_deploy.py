"""What ``graft deploy`` leaves on a server: said twice it is the same, and what it cannot do is a sentence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from prefect import get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate, WorkPoolCreate
from prefect.client.schemas.schedules import CronSchedule
from prefect.settings import PREFECT_API_URL, get_current_settings, temporary_settings
from prefect.states import Running
from prefect.utilities.importtools import import_object

from graft.errors import InputError
from graft.recipe.text import recipe_text
from graft_flows.deploy import MISSED_S, POOL, RULE, Deployment, deploy
from graft_flows.monitor import monitor
from graft_flows.retrain import retrain
from graft_flows.server import prefect_server as server_for_a_run
from graft_flows.server import tag_of
from graft_tasks.commands.init import init
from graft_tasks.workspace import Workspace
from tests.support.refusals import refused


@pytest.fixture
def two_recipes(tmp_path: Path) -> Workspace:
    """A workspace with two recipes that nobody has run."""
    workspace, _ = init(tmp_path / "workspace")
    for name in ("one", "two"):
        values = {"data.dataset": name, "data.train": "r.csv", "data.text": "text", "data.label": "label"}
        workspace.recipe(name).path.write_text(recipe_text(name, values))
    return workspace


def test_a_deployment_names_no_folder_and_keeps_its_schedule(two_recipes: Workspace, prefect_server: None) -> None:
    """A worker's own folder is the workspace; without --cron nothing changes; a pool of another type is refused."""
    first = deploy(two_recipes, ["one", "two"], cron="0 5 * * 1", timezone="Europe/Berlin")
    assert [one.is_new for one in first.deployments] == [True, True]
    again = deploy(two_recipes, ["one", "two"])
    assert again.deployments == tuple(replace(one, is_new=False) for one in first.deployments)
    assert (again.pool.is_new, again.crash_rule.is_new) == (False, False)
    changed = deploy(two_recipes, ["two"], cron="0 6 * * *").deployments
    assert changed == (Deployment("retrain/two", is_new=False, schedules=("0 6 * * * UTC",)),)
    with get_client(sync_client=True) as client:
        made = client.read_deployment_by_name("retrain/one")
        assert (made.path, made.pull_steps, made.parameters) == (None, [], {"recipe": "one"})
        assert made.job_variables["working_dir"] == "."
        assert str(two_recipes.root) not in made.model_dump_json()
        assert made.entrypoint == "graft_flows.retrain.retrain"
        assert len(client.read_automations_by_name(RULE)) == 1
        client.delete_work_pool(POOL)
        client.create_work_pool(WorkPoolCreate(name=POOL, type="docker"))
        with pytest.raises(InputError, match="of the type docker"):
            deploy(two_recipes, ["one"])
        client.delete_work_pool(POOL)


def test_a_deployment_of_an_earlier_version_is_brought_forward(two_recipes: Workspace, prefect_server: None) -> None:
    """It named a module that is not there any more; after ``graft deploy`` it starts this version's flow, by its schedule."""
    schedule = DeploymentScheduleCreate(schedule=CronSchedule(cron="0 5 * * 1", timezone="UTC"), active=True)
    with get_client(sync_client=True) as client:
        client.create_deployment(
            flow_id=client.create_flow_from_name("retrain"),
            name="one",
            entrypoint="flows.retrain.retrain",
            parameters={"recipe": "one"},
            schedules=[schedule],
        )
        assert deploy(two_recipes, ["one"]).deployments == (Deployment("retrain/one", False, ("0 5 * * 1 UTC",)),)
        made = client.read_deployment_by_name("retrain/one")
        assert made.entrypoint == "graft_flows.retrain.retrain"
        assert import_object(made.entrypoint) is retrain
        assert [one.active for one in made.schedules] == [True]
        client.delete_work_pool(POOL)


def test_monitoring_is_deployed_for_a_file(two_recipes: Workspace, prefect_server: None) -> None:
    """Beside retraining, with the batch as a parameter that a run may set; its runs may run at once."""
    (made,) = deploy(two_recipes, ["one"], batch="inbox/latest.csv", cron="0 6 * * *").deployments
    assert made == Deployment("monitor/one", is_new=True, schedules=("0 6 * * * UTC",))
    with get_client(sync_client=True) as client:
        found = client.read_deployment_by_name("monitor/one")
        assert found.parameters == {"recipe": "one", "batch": "inbox/latest.csv"}
        assert import_object(str(found.entrypoint)) is monitor
        assert found.global_concurrency_limit is None
        client.delete_work_pool(POOL)


@pytest.mark.parametrize(
    ("cron", "timezone", "names", "what"),
    [
        ("every monday", None, ["one"], "'every monday' is no cron expression"),
        ("R 5 * * *", None, ["one"], "is no cron expression"),
        ("0 5 * * 1", "Mars/Olympus", ["one"], "There is no time zone 'Mars/Olympus'"),
        (None, "Europe/Berlin", ["one"], "A time zone is given, and no schedule"),
    ],
)
def test_what_cannot_be_deployed_is_a_sentence(
    two_recipes: Workspace, cron: str | None, timezone: str | None, names: list[str], what: str
) -> None:
    """Nothing is asked of the server before all is right: there is none at that address."""
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        with pytest.raises(InputError, match=what):
            deploy(two_recipes, names, cron=cron, timezone=timezone)
        with refused("recipe-unknown"):
            deploy(two_recipes, ["three"])
        with refused("server-silent"):
            deploy(two_recipes, ["one"])
    with temporary_settings({PREFECT_API_URL: None}), pytest.raises(InputError, match="No Prefect server is set"):
        deploy(two_recipes, ["one"])


def test_a_run_closes_dead_runs_of_its_own_clone_alone(
    two_recipes: Workspace, prefect_server: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where there is nothing to do; a living run of the same recipe in another clone goes on, and so does monitoring."""
    import graft_tasks.commands.prepare as module

    for name in ("recover", "pin", "catch_up", "bring_forward"):
        monkeypatch.setattr(module, name, lambda *_: [])
    monkeypatch.setattr(module, "nothing_to_do", lambda *_: "The same.")
    monkeypatch.setenv("GRAFT_WORKSPACE", str(two_recipes.root))
    with get_client(sync_client=True) as client:
        parameters = {"recipe": "one"}
        dead, elsewhere, other, monitoring = (
            client.create_flow_run(flow, parameters=given, tags=[tag], state=Running())
            for flow, given, tag in (
                (retrain, parameters, tag_of(two_recipes.root)),
                (retrain, parameters, f"elsewhere:{two_recipes.root}"),
                (retrain, {"recipe": "two"}, tag_of(two_recipes.root)),
                (monitor, parameters | {"batch": "a.csv"}, tag_of(two_recipes.root)),
            )
        )
        assert retrain(recipe="one", return_state=True).message == "The same."
        states = [str(client.read_flow_run(run.id).state_type.value) for run in (dead, elsewhere, other, monitoring)]
        assert states == ["CRASHED", "RUNNING", "RUNNING", "RUNNING"]
        for run in (elsewhere, other, monitoring):
            client.delete_flow_run(run.id)


def test_a_run_in_a_terminal_sends_the_expected_heartbeats(two_recipes: Workspace, prefect_server: None) -> None:
    """Prefect's own default is three minutes: the rule would call a healthy run crashed."""
    with server_for_a_run(two_recipes.prefect_home):
        assert get_current_settings().flows.heartbeat_frequency == MISSED_S / 3
