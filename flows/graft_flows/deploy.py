"""``graft deploy``: recipes become deployments of a flow on a Prefect server, which a worker in any clone can run.

A deployment names the recipe and no folder. A worker runs it where it stands itself, or in the folder of ``GRAFT_WORKSPACE``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from prefect import Flow, get_client
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate, WorkPoolCreate
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.schedules import CronSchedule
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL
from prefect.utilities.callables import parameter_schema
from prefect.workers.process import ProcessWorker
from pydantic import ValidationError

from graft.errors import InputError
from graft_flows.monitor import monitor
from graft_flows.retrain import retrain
from graft_flows.server import HEARTBEAT_S, answering
from graft_tasks.processes.environment import QUIET
from graft_tasks.workspace import Workspace

POOL = "graft"
RULE = "graft: a run without a heartbeat has crashed"
MISSED_S = 3 * HEARTBEAT_S
"""After so many seconds without a heartbeat a run is called crashed."""
_ENDS = ("Completed", "Failed", "Cancelled", "Crashed")


@dataclass(frozen=True)
class Pool:
    """The work pool that the deployments belong to."""

    name: str
    is_new: bool


@dataclass(frozen=True)
class CrashRule:
    """The rule that calls a run crashed which has sent no heartbeat for some seconds."""

    name: str
    is_new: bool
    after_seconds: int


@dataclass(frozen=True)
class Deployment:
    """A deployment, and when it starts by itself: its cron expressions, each with a time zone."""

    name: str
    is_new: bool
    schedules: tuple[str, ...]


@dataclass(frozen=True)
class Deployed:
    """What a server has now for the recipes of a workspace."""

    server: str
    pool: Pool
    crash_rule: CrashRule
    deployments: tuple[Deployment, ...]


def deploy(
    workspace: Workspace,
    names: list[str],
    *,
    batch: str | None = None,
    cron: str | None = None,
    timezone: str | None = None,
) -> Deployed:
    """Register recipes with the Prefect server that is set, and what they need there; said again, it changes nothing.

    Without a cron expression a deployment keeps the schedules that it has; a first one has none.

    Args:
        batch: register the flow ``monitor`` for this file, in place of ``retrain``. A relative path starts at the workspace's
            folder.

    Raises:
        InputError: no server is set, a recipe does not exist, or cron expression or time zone are not ones.
        StepError: the server does not answer, or refuses.
    """
    for name in names:
        workspace.recipe(name).load()
    flow, parameters = (retrain, {}) if batch is None else (monitor, {"batch": batch})
    url = PREFECT_API_URL.value()
    if not url:
        what = "No Prefect server is set that could keep a deployment."
        raise InputError(what, do="export PREFECT_API_URL=http://127.0.0.1:4200/api, and PREFECT_API_AUTH_STRING")
    schedule = _schedule(cron, timezone)
    with answering(url), get_client(sync_client=True) as client:
        pool, rule = Pool(POOL, _ensure_pool(client)), CrashRule(RULE, _ensure_rule(client), MISSED_S)
        deployments = [_register(client, flow, name, parameters, schedule) for name in names]
    return Deployed(url, pool, rule, tuple(deployments))


def _schedule(cron: str | None, timezone: str | None) -> CronSchedule | None:
    if cron is None:
        if timezone is not None:
            raise InputError("A time zone is given, and no schedule.", do='--cron "0 5 * * 1" --timezone Europe/Berlin')
        return None
    try:
        return CronSchedule(cron=cron, timezone=timezone or "UTC")
    except ValidationError as error:
        if "cron" in {where for one in error.errors() for where in one["loc"]}:
            what, do = f"{cron!r} is no cron expression.", '--cron "0 5 * * 1"    at 05:00 on Mondays'
        else:
            what, do = f"There is no time zone {timezone!r}.", "--timezone Europe/Berlin    a name of the IANA database"
        raise InputError(what, do=do) from error


def _ensure_pool(client: SyncPrefectClient) -> bool:
    """Make the work pool where it is absent; return whether it was."""
    try:
        kind = client.read_work_pool(POOL).type
    except ObjectNotFound:
        template = ProcessWorker.get_default_base_job_template()
        client.create_work_pool(WorkPoolCreate(name=POOL, type="process", base_job_template=template))
        return True
    if kind != "process":
        what = f"The server has a work pool {POOL} of the type {kind}; a workspace needs one of the type process."
        raise InputError(what, do=f"prefect work-pool delete {POOL}    if nothing else uses it")
    return False


def _ensure_rule(client: SyncPrefectClient) -> bool:
    """Make the rule that calls a run crashed whose process was lost; return whether it was absent."""
    heartbeat = "prefect.flow-run.heartbeat"
    rule = AutomationCore(
        name=RULE,
        description="A worker that is killed cannot say that its run has ended.",
        trigger=EventTrigger(
            after={heartbeat},
            expect={heartbeat, *(f"prefect.flow-run.{end}" for end in _ENDS)},
            match=ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"}),
            match_related=ResourceSpecification(
                {"prefect.resource.role": "flow", "prefect.resource.name": retrain.name}
            ),
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=MISSED_S),
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED, name=None, message="Its process sends no heartbeat any more.", force=False
            )
        ],
    )
    known = client.read_automations_by_name(RULE)
    if known:
        client.update_automation(known[0].id, rule)
    else:
        client.create_automation(rule)
    return not known


def _register(
    client: SyncPrefectClient,
    flow: Flow[..., Any],
    recipe: str,
    parameters: dict[str, str],
    schedule: CronSchedule | None,
) -> Deployment:
    """Make a deployment, or bring the one that is there forward, which may be an older version's."""
    name = f"{flow.name}/{recipe}"
    try:
        existing = client.read_deployment_by_name(name).schedules
        is_new = False
    except ObjectNotFound:
        existing, is_new = [], True
    schedules = [DeploymentScheduleCreate(schedule=known.schedule, active=known.active) for known in existing]
    if schedule is not None:
        schedules = [DeploymentScheduleCreate(schedule=schedule, active=True)]
    client.create_deployment(
        flow_id=client.create_flow_from_name(flow.name),
        name=recipe,
        description=f"{flow.name.capitalize()} {recipe}.",
        entrypoint=f"{flow.fn.__module__}.{flow.fn.__name__}",
        parameters={"recipe": recipe, **parameters},
        parameter_openapi_schema=parameter_schema(flow.fn).model_dump(exclude_unset=True),
        enforce_parameter_schema=True,
        pull_steps=[],  # nothing is fetched, and no folder is named: a worker has its own
        schedules=schedules,
        # two runs of retrain for one recipe would race for its next number
        concurrency_limit=1 if flow is retrain else None,
        work_pool_name=POOL,
        job_variables={
            "working_dir": ".",  # the worker's own folder, whichever that is
            "env": {**QUIET, "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_S)},
        },
    )
    return Deployment(name, is_new, tuple(_in_words(schedule.schedule) for schedule in schedules))


def _in_words(schedule: Any) -> str:
    if isinstance(schedule, CronSchedule):
        return f"{schedule.cron} {schedule.timezone}"
    return type(schedule).__name__  # somebody else's: it stays as it is
