"""A deployment on the Prefect server: made, or updated in place."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.objects import WorkPool, WorkPoolStatus
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import (
    SCHEDULE_TYPES,
    CronSchedule,
    IntervalSchedule,
    RRuleSchedule,
)
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.settings import PREFECT_API_URL, PREFECT_DEFAULT_WORK_POOL_NAME, PREFECT_UI_URL

from prefect_parallel.errors import PrefectParallelError, ServerUnreachable, did_you_mean

SHOWN_TIMES = 3
"""How many of a schedule's next times are told."""

MOST_POOLS = 200
"""What the server gives at a time: enough to choose from."""

UNPOLLED = "prefect-agent"
"""The type of a pool that no worker polls, left over from older servers."""


class NoServer(PrefectParallelError):
    """No Prefect server is configured."""


class NoWorkPool(PrefectParallelError):
    """The work pool is not there, or it is not clear which one is meant."""


class DeploymentRefused(PrefectParallelError):
    """The Prefect server does not take the deployment."""


@dataclass(frozen=True)
class Deployment:
    """What the server is told.

    Attributes:
        name: Of the deployment; together with the flow's, it is unique.
        flow_name: Of the flow.
        schema: Of the parameters, as Prefect makes it of a flow: what the form shows.
        parameters: Values that runs get, if they are given no others.
        pull_step: What workers call for the code: function and arguments.
        entrypoint: Of the flow, in the folder that the pull step gives.
        version: Changes with the code.
        schedule: When runs begin; None leaves the schedules as they are.
        job_variables: What differs from the work pool's template.
    """

    name: str
    flow_name: str
    description: str | None
    schema: dict[str, Any]
    parameters: dict[str, Any]
    pull_step: dict[str, dict[str, Any]]
    entrypoint: str
    version: str
    schedule: SCHEDULE_TYPES | None = None
    tags: Sequence[str] = ()
    job_variables: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Deployed:
    """What came of it.

    Attributes:
        full_name: As `prefect deployment run` takes it.
        is_new: Whether there was none of the name before.
        schedules: All that it now has, in words.
        ui: Its page; None if the server has no UI.
        is_polled: Whether a worker looks for the runs of the work pool.
    """

    full_name: str
    is_new: bool
    schedules: list[str]
    ui: str | None
    is_polled: bool


@contextmanager
def prefect_client() -> Iterator[SyncPrefectClient]:
    """A client of the Prefect server that is configured.

    Raises:
        NoServer: None is.
        ServerUnreachable: It does not answer.
        DeploymentRefused: It answers that it cannot do what was asked.
    """
    url = PREFECT_API_URL.value()
    if not url:
        raise NoServer(
            "no Prefect server is configured, and a deployment lives on one",
            hint="start one in another terminal (prefect server start), and set its URL:"
            " export PREFECT_API_URL=http://127.0.0.1:4200/api",
        )
    try:
        with get_client(sync_client=True) as client:
            yield client
    except httpx.TransportError as error:
        raise ServerUnreachable.at(url, error) from error
    except PrefectHTTPStatusError as error:
        raise DeploymentRefused(f"the Prefect server refuses: {_detail(error)}") from error


def find_work_pool(client: SyncPrefectClient, name: str | None) -> WorkPool:
    """The work pool of a name; without one, the default or the only one there is.

    Raises:
        NoWorkPool: There is none, or there are several.
    """
    name = name or PREFECT_DEFAULT_WORK_POOL_NAME.value()
    if name is not None:
        try:
            return client.read_work_pool(name)
        except ObjectNotFound:
            pass
    found = client.read_work_pools(limit=MOST_POOLS)
    pools = {pool.name: pool for pool in found if pool.type != UNPOLLED}
    if name is None and len(pools) == 1:
        return next(iter(pools.values()))
    hint = name and did_you_mean(name, pools)
    if not pools or (name and not hint):
        hint = f"make one: prefect work-pool create {name or 'my-pool'} --type process"
    raise NoWorkPool(
        "name a work pool, with --work-pool" if name is None else f"no work pool {name}",
        allowed=", ".join(sorted(pools)) or None,
        hint=hint,
    )


def apply(client: SyncPrefectClient, deployment: Deployment, pool: WorkPool) -> Deployed:
    """Make a deployment, or update the one of its name.

    Raises:
        PrefectHTTPStatusError: The server refuses it, as for job variables that the pool lacks.
    """
    before = _existing(client, deployment)
    schedules = _schedules(deployment, before)
    made = client.create_deployment(
        flow_id=client.create_flow_from_name(deployment.flow_name),
        name=deployment.name,
        version=deployment.version,
        description=deployment.description,
        parameters=deployment.parameters,
        parameter_openapi_schema=deployment.schema,
        enforce_parameter_schema=True,
        tags=list(deployment.tags),
        schedules=schedules,
        paused=before.paused if before else False,
        work_pool_name=pool.name,
        job_variables=deployment.job_variables,
        pull_steps=[deployment.pull_step],
        entrypoint=deployment.entrypoint,
    )
    return Deployed(
        full_name=f"{deployment.flow_name}/{deployment.name}",
        is_new=before is None,
        schedules=[describe(each.schedule) for each in schedules],
        ui=_page(made),
        is_polled=pool.status == WorkPoolStatus.READY,
    )


def describe(schedule: SCHEDULE_TYPES) -> str:
    """A schedule in words, for who checks that it is the one that was meant."""
    zone = getattr(schedule, "timezone", None) or "UTC"
    match schedule:
        case CronSchedule():
            return f"cron {schedule.cron} ({zone})"
        case IntervalSchedule():
            return f"every {schedule.interval}"
        case RRuleSchedule():
            return f"{schedule.rrule.splitlines()[-1]} ({zone})"
    return "none"


def next_times(schedule: SCHEDULE_TYPES) -> list[datetime]:
    """The times at which the server will start the next runs."""
    from prefect.server.schemas import schedules as on_server

    kind = getattr(on_server, type(schedule).__name__)
    times: list[datetime] = asyncio.run(kind(**schedule.model_dump()).get_dates(SHOWN_TIMES))
    return times


def _existing(client: SyncPrefectClient, deployment: Deployment) -> DeploymentResponse | None:
    try:
        return client.read_deployment_by_name(f"{deployment.flow_name}/{deployment.name}")
    except ObjectNotFound:
        return None


def _schedules(
    deployment: Deployment, before: DeploymentResponse | None
) -> list[DeploymentScheduleCreate]:
    """The server drops those that it is not told again."""
    if deployment.schedule is not None:
        return [DeploymentScheduleCreate(schedule=deployment.schedule)]
    return [
        DeploymentScheduleCreate(
            schedule=each.schedule,
            active=each.active,
            max_scheduled_runs=each.max_scheduled_runs,
            parameters=each.parameters,
            slug=each.slug,
        )
        for each in (before.schedules if before else ())
    ]


def _page(deployment: UUID) -> str | None:
    ui = PREFECT_UI_URL.value()
    return f"{ui}/deployments/deployment/{deployment}" if ui else None


def _detail(error: PrefectHTTPStatusError) -> str:
    try:
        return str(error.response.json()["detail"])
    except (ValueError, KeyError):
        return str(error)
