"""Types of the options that several commands share. Importing this costs nothing."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from cyclopts import Parameter

from prefect_parallel.cli.completion import run_names, step_names

Flag: TypeAlias = Annotated[bool, Parameter(negative=(), show_default=False)]

File: TypeAlias = Annotated[
    Path, Parameter(name=["--file", "-f"], help="YAML file of the pipeline.")
]

Overrides: TypeAlias = Annotated[
    list[str] | None,
    Parameter(
        name="--set",
        negative=(),
        help="Override a value of the file, e.g. jobs.score.mini_batch_size=1mb. Repeatable.",
    ),
]

InputData: TypeAlias = Annotated[
    str | None,
    Parameter(
        name="--input",
        help="Data that a batch deployment scores: a folder or file, or the URL of a folder.",
    ),
]

DatastoresFile: TypeAlias = Annotated[
    Path | None,
    Parameter(
        name=["--registry", "--datastores"],
        help="YAML file that says where `azureml:` names are: datastores, data, models, components,"
        " environments, code. Names of data that it does not define are looked up in the blocks of"
        " the Prefect server.",
    ),
]

OutputDir: TypeAlias = Annotated[
    str,
    Parameter(
        help="Folder of the run directories, or a URL such as s3://bucket/runs.",
    ),
]

RunName: TypeAlias = Annotated[
    str, Parameter(help="Name or directory of the run.", completer=run_names)
]


def _check_run(_: object, name: bool | str) -> None:
    if name == "":
        raise ValueError("the name of the run is empty")


Reuse: TypeAlias = Annotated[
    bool | str,
    Parameter(
        negative=(),
        validator=_check_run,
        show_default=False,
        completer=run_names,
        help="Reuse the results of earlier runs of the pipeline in --output-dir, the newest first,"
        " or of the run that is named. What has the same data, code, arguments and environment is"
        " not run again. settings.force_rerun in the pipeline wins.",
    ),
]

ReuseBy: TypeAlias = Annotated[
    Literal["time", "content"],
    Parameter(
        help="How local data is compared with that of earlier runs, which must have used the same:"
        " size and modification time, or the bytes."
    ),
]

Step: TypeAlias = Annotated[str, Parameter(completer=step_names)]

Lenient: TypeAlias = Annotated[
    Flag,
    Parameter(help="Make unknown keys of the file warnings. They may be misspelled."),
]

Strict: TypeAlias = Annotated[
    Flag,
    Parameter(
        help="Fail if a step's compute has no Compute block, instead of running on this machine."
    ),
]

EnvironmentMode: TypeAlias = Annotated[
    Literal["this", "build", "container"],
    Parameter(
        help="What steps run on: this Python; an environment built from the step's conda file, if"
        " it has one (cached); or a container of its environment's image."
    ),
]


@Parameter(name="*")
@dataclass(frozen=True)
class MapOptions:
    """Options of `prefect-parallel map`.

    Attributes:
        output: File or URL for what the function returns: .parquet, .jsonl, else CSV or text.
            Defaults to a file in the run directory.
        overwrite: Replace the output if it exists.
        name: Name of the run and its directory. Defaults to the function's name and the time.
        resume: Resume the run of this name or directory: only what is missing or has changed is
            run.
        mini_batch_size: Number of rows, files or items of a mini-batch, or bytes: 10kb, 4mb.
        task_run_seconds: How long a task run should take. Neighboring mini-batches share one if
            they are shorter. 0: each has its own.
        first: Run only the first N mini-batches. --resume runs the others.
        sample: Run only N mini-batches, spread evenly over the data.
        only: Run only these mini-batches, e.g. 3,17-20.
        set_: Another setting of a parallel step, e.g. timeout=600. Repeatable.
    """

    output: str | None = None
    overwrite: Flag = False
    name: str | None = None
    resume: str | None = None
    mini_batch_size: int | str | None = None
    task_run_seconds: float | None = None
    first: int | None = None
    sample: int | None = None
    only: str | None = None
    reuse: Reuse = False
    reuse_by: ReuseBy = "time"
    set_: Annotated[list[str] | None, Parameter(name="--set", negative=())] = None
    output_dir: OutputDir = "runs"


@Parameter(name="*")
@dataclass(frozen=True)
class DeployOptions:
    """Options of `prefect-parallel deploy`.

    Attributes:
        name: Name of the deployment. Defaults to the name in the schedule file, else the name of
            the pipeline's file.
        work_pool: Work pool that runs the deployment. Required if the server has several.
        cron: Schedule as a cron expression: minute, hour, day of month, month, day of week.
        interval: Schedule as a fixed interval: 90 (seconds), 15m, 1h30m, 1d.
        schedule: Schedule as an Azure ML schedule file, which may also override inputs.
        timezone: Time zone of --cron and --interval, e.g. Europe/Berlin. Defaults to UTC.
        param: Value of a pipeline input, e.g. rows=5. Repeatable.
        tag: Tag of the deployment and of its runs. Repeatable.
        job_variable: Setting of the work pool for these runs, e.g. image=REGISTRY/IMAGE.
            Repeatable.
        output_dir: Folder for the snapshot and the run directories. It must be visible to the
            workers: a URL such as s3://bucket/runs if they share no folder.
        datastores: As for `run`. Workers need the file at the same path.
    """

    name: str | None = None
    work_pool: str | None = None
    cron: str | None = None
    interval: int | timedelta | None = None
    schedule: Path | None = None
    timezone: str | None = None
    param: Annotated[list[str] | None, Parameter(negative=())] = None
    overrides: Overrides = None
    tag: Annotated[list[str] | None, Parameter(negative=())] = None
    job_variable: Annotated[list[str] | None, Parameter(negative=())] = None
    output_dir: str = "runs"
    datastores: Annotated[Path | None, Parameter(name=["--registry", "--datastores"])] = None
    strict: Strict = False
    lenient: Lenient = False
    reuse: Reuse = False
    reuse_by: ReuseBy = "time"
    environment: EnvironmentMode = "this"


def with_input(overrides: list[str], data: str | None) -> list[str]:
    """Overrides with the data of `--input`; a relative path starts from the working directory."""
    if data is None:
        return overrides
    is_local = "://" not in data and not data.startswith(("azureml:", "file:"))
    return [*overrides, f"input={os.path.abspath(data) if is_local else data}"]  # noqa: PTH100
