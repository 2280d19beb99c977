"""`prefect-parallel deploy`: a pipeline as a deployment on the Prefect server."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import yaml
from prefect.client.schemas.schedules import SCHEDULE_TYPES
from rich.console import Console

from prefect_parallel.cli.datastores import known_datastores
from prefect_parallel.data import Location
from prefect_parallel.deploy.build import build_deployment
from prefect_parallel.deploy.deployment import (
    Deployed,
    Deployment,
    apply,
    find_work_pool,
    next_times,
    prefect_client,
)
from prefect_parallel.deploy.parameters import read_parameters
from prefect_parallel.deploy.recurrence import prefect_schedule
from prefect_parallel.deploy.schedule_file import ScheduleFile
from prefect_parallel.deploy.schedule_options import schedule_of
from prefect_parallel.deploy.snapshots import PULL_STEP
from prefect_parallel.errors import InvalidPipeline, PrefectParallelError, Problem
from prefect_parallel.flow.prefect_names import prefect_name, prefect_tags
from prefect_parallel.job import PipelineJob, load_pipeline


class UnclearPipeline(PrefectParallelError):
    """No pipeline is named, or two."""


@dataclass(frozen=True)
class DeployOptions:
    """The command's options, as typed."""

    name: str | None
    work_pool: str | None
    cron: str | None
    interval: timedelta | int | None
    schedule: Path | None
    time_zone: str | None
    parameters: Sequence[str]
    overrides: Sequence[str]
    tags: Sequence[str]
    job_variables: Sequence[str]
    output_dir: str
    datastores: Path | None
    strict: bool
    environment: str


def deploy_pipeline(file: Path | None, options: DeployOptions) -> None:
    """Make a deployment of a pipeline, or update it, and say what there is now.

    Raises:
        InvalidFile: The pipeline, the schedule or an option has mistakes; nothing is deployed.
        NoServer: No Prefect server is configured.
        ServerUnreachable: It does not answer.
        NoWorkPool: There is no such work pool.
        SnapshotFailed: The run store cannot be written to.
        DeploymentRefused: The server does not take it.
    """
    file_schedule = None if options.schedule is None else ScheduleFile.load(options.schedule)
    job = _job(file, file_schedule, options.overrides)
    schedule = _schedule(options, file_schedule)
    parameters = read_parameters(job, options.parameters)
    _check_values(job, parameters, is_scheduled=schedule is not None)
    runs = Location.parse(options.output_dir, datastores=known_datastores(options.datastores))
    with prefect_client() as client:
        pool = find_work_pool(client, options.work_pool)
        deployment = build_deployment(
            job,
            runs,
            name=_name(job, options, file_schedule),
            description=file_schedule.model.description if file_schedule else None,
            schedule=schedule,
            parameters=parameters,
            tags=_tags(options, file_schedule),
            job_variables=_job_variables(options.job_variables),
            datastores=None if options.datastores is None else str(options.datastores.absolute()),
            run_options={"strict": options.strict, "environment": options.environment},
        )
        deployed = apply(client, deployment, pool)
    ignored = [*job.ignored, *(file_schedule.ignored if file_schedule else ())]
    _print(deployed, deployment, pool.name, runs, ignored)


def _job(file: Path | None, schedule: ScheduleFile | None, overrides: Sequence[str]) -> PipelineJob:
    if schedule is None:
        if file is None:
            raise UnclearPipeline("name a pipeline, or a schedule file that does: --schedule FILE")
        return load_pipeline(file, overrides)
    if file is not None and file.resolve() != schedule.pipeline.resolve():
        raise UnclearPipeline(
            f"{schedule.document.file} is a schedule of {schedule.pipeline}, not of {file}",
            hint="leave the pipeline out; the schedule names it",
        )
    return schedule.load_job(overrides)


def _schedule(options: DeployOptions, file: ScheduleFile | None) -> SCHEDULE_TYPES | None:
    typed = schedule_of(options.cron, options.interval, options.time_zone)
    if file is None:
        return typed
    if typed is not None:
        raise file.problem("trigger", "there is a --cron or --interval, too")
    found = prefect_schedule(file.model.trigger, datetime.now(timezone.utc))
    if not next_times(found):
        raise file.problem("trigger", "no run would ever start", hint="is end_time over?")
    return found


def _check_values(job: PipelineJob, values: dict[str, Any], *, is_scheduled: bool) -> None:
    missing = [
        each.name for each in job.parameters if each.default is None and each.name not in values
    ]
    if not missing:
        job.resolve(values)
    elif is_scheduled:
        raise InvalidPipeline(
            [
                job.document.problem(
                    ("inputs", name),
                    "no value, and a scheduled run has nobody to ask",
                    hint=f"--param {name}=...",
                )
                for name in missing
            ]
        )


def _name(job: PipelineJob, options: DeployOptions, schedule: ScheduleFile | None) -> str:
    assert job.path is not None
    name = options.name or (schedule and schedule.model.name) or job.path.stem
    return prefect_name(name)


def _tags(options: DeployOptions, schedule: ScheduleFile | None) -> list[str]:
    return [*options.tags, *prefect_tags(schedule.model.tags if schedule else {})]


def _job_variables(arguments: Sequence[str]) -> dict[str, Any]:
    """Values by name; what begins with a bracket or brace is YAML."""
    variables: dict[str, Any] = {}
    for argument in arguments:
        name, separator, text = argument.partition("=")
        where = f"--job-variable {argument}"
        if not separator:
            raise InvalidPipeline([Problem("no value", where, allowed="NAME=VALUE")])
        try:
            variables[name] = yaml.safe_load(text) if text.startswith(("{", "[")) else text
        except yaml.YAMLError as error:
            raise InvalidPipeline([Problem(f"invalid YAML: {error}", where)]) from None
    return variables


def _print(
    deployed: Deployed,
    deployment: Deployment,
    pool: str,
    runs: Location,
    ignored: Sequence[str],
) -> None:
    console = Console(highlight=False, markup=False, soft_wrap=True)
    console.print(f"{'created' if deployed.is_new else 'updated'}  {deployed.full_name}")
    command = f"prefect deployment run {shlex.quote(deployed.full_name)}"
    shown = next(iter(deployment.schema["properties"]), None)
    lines = [
        ("snapshot", str(deployment.pull_step[PULL_STEP]["snapshot"])),
        ("runs go to", runs.path),
        *(("parameter", f"{name} = {value}") for name, value in deployment.parameters.items()),
        *(("schedule", each) for each in deployed.schedules or ["none"]),
    ]
    if deployment.schedule is not None:
        times = ", ".join(
            f"{time:%Y-%m-%d %H:%M:%S %Z}" for time in next_times(deployment.schedule)
        )
        lines.append(("", f"next: {times}"))
    lines.append(("run it", command + (f" --param {shown}=..." if shown else "")))
    if deployed.ui is not None:
        lines.append(("or there", deployed.ui))
    for title, text in lines:
        console.print(f"  {title:<12} {text}")
    if ignored:
        console.print(f"  has no meaning here, ignored: {', '.join(ignored)}")
    if not runs.is_remote:
        console.print(
            f"  Workers must see {runs.path}; let --output-dir be a URL where they do not."
        )
    if not deployed.is_polled:
        console.print(
            f"  No worker polls the work pool {pool} now:"
            f" prefect worker start --pool {shlex.quote(pool)}"
        )
