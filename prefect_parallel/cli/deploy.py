"""`prefect-parallel deploy`: a pipeline as a deployment on the Prefect server."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import yaml
from prefect.client.schemas.schedules import SCHEDULE_TYPES

from prefect_parallel.cli.console import ignored_keys, lasting_console, print_titled
from prefect_parallel.cli.datastores import known_datastores
from prefect_parallel.cli.options import DeployOptions
from prefect_parallel.data import Datastores, Location
from prefect_parallel.deploy.deployment import (
    Deployed,
    deploy_flow,
    find_work_pool,
    next_times,
    prefect_client,
)
from prefect_parallel.deploy.parameters import read_parameters
from prefect_parallel.deploy.recurrence import prefect_schedule
from prefect_parallel.deploy.schedule_file import ScheduleFile
from prefect_parallel.deploy.schedule_options import schedule_of
from prefect_parallel.deploy.stored_flow import StoredFlow, store_flow
from prefect_parallel.errors import InvalidPipeline, PrefectParallelError, Problem
from prefect_parallel.flow.prefect_names import prefect_name, prefect_tags
from prefect_parallel.flow.run_options import RunOptions
from prefect_parallel.job import PipelineJob, load_pipeline, resolve


class UnclearPipeline(PrefectParallelError):
    """No pipeline was given, or two different ones."""


def deploy_pipeline(file: Path | None, options: DeployOptions) -> None:
    """Create or update the deployment of a pipeline, and print what it is now.

    Raises:
        UnclearPipeline: No pipeline was given, or two different ones.
        UnusableRunDirectory: The run whose results are reused does not exist.
        InvalidFile: The pipeline, the schedule or an option has mistakes. Nothing is deployed.
        NoServer: No Prefect server is configured.
        ServerUnreachable: The server does not answer.
        NoWorkPool: The server has no such work pool, or several and none was chosen.
        SnapshotFailed: The output directory cannot be written to.
        DeploymentRefused: The server rejects the deployment.
    """
    file_schedule = None if options.schedule is None else ScheduleFile.load(options.schedule)
    datastores = known_datastores(options.datastores)
    job = _job(file, file_schedule, options, datastores)
    schedule = _schedule(options, file_schedule)
    parameters = read_parameters(job, options.param or [])
    _check_values(job, parameters, is_scheduled=schedule is not None)
    job_variables = _job_variables(options.job_variable or [])
    runs = Location.parse(options.output_dir, datastores=datastores)
    # Refuses a run that does not exist.
    RunOptions(
        output_dir=options.output_dir, datastores=datastores, reuse=options.reuse
    ).earlier_runs(job.settings.force_rerun)
    with prefect_client() as client:
        pool = find_work_pool(client, options.work_pool)
        flow = store_flow(
            job,
            runs,
            datastores=None if options.datastores is None else str(options.datastores.absolute()),
            run_options={
                "strict": options.strict,
                "reuse": options.reuse,
                "reuse_by": options.reuse_by,
                "environment": options.environment,
            },
        )
        deployed = deploy_flow(
            client,
            flow,
            pool,
            name=_name(job, options, file_schedule),
            description=file_schedule.model.description if file_schedule else None,
            schedule=schedule,
            parameters=parameters,
            tags=_tags(options, file_schedule),
            job_variables=job_variables,
        )
    ignored = [*job.ignored, *(file_schedule.ignored if file_schedule else ())]
    _print(deployed, flow, schedule, pool.name, runs, ignored)
    for warning in job.unknown:
        print_titled(lasting_console(), "warning ", "yellow", str(warning))


def _job(
    file: Path | None,
    schedule: ScheduleFile | None,
    options: DeployOptions,
    datastores: Datastores,
) -> PipelineJob:
    overrides, lenient = options.overrides or [], options.lenient
    if schedule is None:
        if file is None:
            raise UnclearPipeline(
                "no pipeline given",
                hint="pass its file, or a schedule file that names it with --schedule FILE",
            )
        return load_pipeline(file, overrides, datastores, lenient=lenient)
    if file is not None and file.resolve() != schedule.pipeline.resolve():
        raise UnclearPipeline(
            f"{schedule.document.file} is a schedule of {schedule.pipeline}, not of {file}",
            hint="omit the pipeline, the schedule file names it",
        )
    return schedule.load_job(overrides, datastores, lenient=lenient)


def _schedule(options: DeployOptions, file: ScheduleFile | None) -> SCHEDULE_TYPES | None:
    typed = schedule_of(options.cron, options.interval, options.timezone)
    if file is None:
        return typed
    if typed is not None:
        raise file.problem("trigger", "cannot be combined with --cron or --interval")
    found = prefect_schedule(file.model.trigger, datetime.now(timezone.utc))
    if not next_times(found):
        raise file.problem("trigger", "the schedule starts no run", hint="is end_time in the past?")
    return found


def _check_values(job: PipelineJob, values: dict[str, Any], *, is_scheduled: bool) -> None:
    missing = [
        each.name for each in job.parameters if each.default is None and each.name not in values
    ]
    if not missing:
        resolve(job, values)
    elif is_scheduled:
        raise InvalidPipeline(
            [
                job.document.problem(
                    ("inputs", name),
                    "a scheduled deployment needs a value for this input",
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
    return [*(options.tag or []), *prefect_tags(schedule.model.tags if schedule else {})]


def _job_variables(arguments: Sequence[str]) -> dict[str, Any]:
    """Values by name. Text that starts with a bracket or brace is parsed as YAML."""
    variables: dict[str, Any] = {}
    for argument in arguments:
        name, separator, text = argument.partition("=")
        where = f"--job-variable {argument}"
        if not separator:
            raise InvalidPipeline([Problem("no value given", where, allowed="NAME=VALUE")])
        try:
            variables[name] = yaml.safe_load(text) if text.startswith(("{", "[")) else text
        except yaml.YAMLError as error:
            raise InvalidPipeline([Problem(f"invalid YAML: {error}", where)]) from None
    return variables


def _print(
    deployed: Deployed,
    flow: StoredFlow,
    schedule: SCHEDULE_TYPES | None,
    pool: str,
    runs: Location,
    ignored: Sequence[str],
) -> None:
    console = lasting_console()
    console.print(f"{'created' if deployed.is_new else 'updated'}  {deployed.full_name}")
    command = f"prefect deployment run {shlex.quote(deployed.full_name)}"
    shown = next(iter(flow.schema["properties"]), None)
    lines = [
        ("snapshot", flow.snapshot.path),
        ("runs", runs.path),
        *(("parameter", f"{name} = {value}") for name, value in deployed.parameters.items()),
        *(("schedule", each) for each in deployed.schedules or ["none"]),
    ]
    if schedule is not None:
        times = ", ".join(f"{time:%Y-%m-%d %H:%M:%S %Z}" for time in next_times(schedule))
        lines.append(("next runs", times))
    lines.append(("start", command + (f" --param {shown}=..." if shown else "")))
    if deployed.ui is not None:
        lines.append(("Prefect UI", deployed.ui))
    for title, text in lines:
        console.print(f"  {title:<12} {text}")
    if ignored:
        console.print(f"  {ignored_keys(ignored)}")
    if not runs.is_remote:
        console.print(
            f"  Workers need access to {runs.path}; if they share no folder, use a URL as"
            " --output-dir."
        )
    if not deployed.is_polled:
        console.print(
            f"  No worker polls the work pool {pool}; start one with:"
            f" prefect worker start --pool {shlex.quote(pool)}"
        )
