"""Create or update a deployment on the Prefect server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
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

from prefect_parallel.blocks.unreachable_server import server_unreachable
from prefect_parallel.deploy.portable import ENTRYPOINT
from prefect_parallel.deploy.stored_flow import StoredFlow
from prefect_parallel.errors import PrefectParallelError, did_you_mean

SHOWN_TIMES = 3
"""How many of a schedule's next times are shown."""

MOST_POOLS = 200
"""The most that the server lists at a time."""

UNPOLLED = "prefect-agent"
"""The type of a pool that no worker polls, left over from older servers."""


class NoServer(PrefectParallelError):
    """No Prefect server is configured."""


class NoWorkPool(PrefectParallelError):
    """The server has no such work pool, or several and none was chosen."""


class DeploymentRefused(PrefectParallelError):
    """The Prefect server rejects the deployment."""


@dataclass(frozen=True)
class Deployed:
    """A deployment as it is on the server.

    Attributes:
        full_name: Its name, as `prefect deployment run` takes it.
        parameters: Values that runs get unless they are given others.
        schedules: All its schedules, in words.
        ui: The URL of its page; None if the server has no UI.
        is_polled: Whether a worker polls its work pool.
    """

    full_name: str
    is_new: bool
    parameters: dict[str, Any]
    schedules: list[str]
    ui: str | None
    is_polled: bool


@contextmanager
def prefect_client() -> Iterator[SyncPrefectClient]:
    """A client of the configured Prefect server.

    Raises:
        NoServer: No server is configured.
        ServerUnreachable: The server does not answer.
        DeploymentRefused: The server rejects a request.
    """
    url = PREFECT_API_URL.value()
    if not url:
        raise NoServer(
            "a deployment needs a Prefect server, and none is configured",
            hint="start one in another terminal (prefect server start), and set its URL:"
            " export PREFECT_API_URL=http://127.0.0.1:4200/api",
        )
    try:
        with get_client(sync_client=True) as client:
            yield client
    except httpx.TransportError as error:
        raise server_unreachable(error) from error
    except PrefectHTTPStatusError as error:
        raise DeploymentRefused(
            f"the Prefect server rejected the deployment: {_detail(error)}"
        ) from error


def find_work_pool(client: SyncPrefectClient, name: str | None) -> WorkPool:
    """The work pool of a name; without a name, Prefect's default work pool, else the only one.

    Raises:
        NoWorkPool: There is no such pool; without a name, there are none or several.
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
        hint = f"create one: prefect work-pool create {name or 'my-pool'} --type process"
    raise NoWorkPool(
        "no work pool given; choose one with --work-pool"
        if name is None
        else f"no work pool {name}",
        allowed=", ".join(sorted(pools)) or None,
        hint=hint,
    )


def deploy_flow(
    client: SyncPrefectClient,
    flow: StoredFlow,
    pool: WorkPool,
    *,
    name: str,
    description: str | None = None,
    schedule: SCHEDULE_TYPES | None = None,
    parameters: Mapping[str, Any],
    tags: Sequence[str],
    job_variables: dict[str, Any],
) -> Deployed:
    """Create a deployment, or update the one of this name.

    Prefect's own `Flow.deploy` is not used: when it updates a deployment, it may drop its schedules
    or, if they have slugs, refuse a new one.

    Args:
        description: Replaces the flow's.
        schedule: When it runs; None keeps the schedules that it has.
        parameters: Values that replace the defaults.
        tags: Tags in addition to the flow's.
        job_variables: Values that differ from the work pool's template.

    Raises:
        PrefectHTTPStatusError: The server rejects it, e.g. job variables that the pool lacks.
    """
    full_name = f"{flow.name}/{name}"
    before = _existing(client, full_name)
    schedules = _schedules(schedule, before)
    values = {**flow.local_inputs, **parameters}
    deployment_id = client.create_deployment(
        flow_id=client.create_flow_from_name(flow.name),
        name=name,
        version=flow.version,
        description=description or flow.description,
        parameters=values,
        parameter_openapi_schema=flow.schema,
        enforce_parameter_schema=True,
        tags=sorted({*flow.tags, *tags}),
        schedules=schedules,
        paused=before.paused if before else False,
        work_pool_name=pool.name,
        job_variables=job_variables,
        pull_steps=[flow.pull_step],
        entrypoint=ENTRYPOINT,
    )
    return Deployed(
        full_name=full_name,
        is_new=before is None,
        parameters=values,
        schedules=[describe(each.schedule) for each in schedules],
        ui=_page(deployment_id),
        is_polled=pool.status == WorkPoolStatus.READY,
    )


def describe(schedule: SCHEDULE_TYPES) -> str:
    """Describe a schedule in words."""
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


def _existing(client: SyncPrefectClient, full_name: str) -> DeploymentResponse | None:
    try:
        return client.read_deployment_by_name(full_name)
    except ObjectNotFound:
        return None


def _schedules(
    wanted: SCHEDULE_TYPES | None, before: DeploymentResponse | None
) -> list[DeploymentScheduleCreate]:
    """All schedules of a deployment, because the server drops those that are not sent again."""
    if wanted is not None:
        return [DeploymentScheduleCreate(schedule=wanted)]
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
