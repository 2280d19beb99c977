"""The commands. What they need is imported when they run, so that `--help` is there at once."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from cyclopts import App, CycloptsError, Parameter
from cyclopts.validators import Number
from rich.console import Console

from prefect_parallel.cli.exit_status import COMPLETED, FAILED, INVALID, INVALID_ERRORS
from prefect_parallel.cli.version import versions
from prefect_parallel.errors import InvalidFile, PrefectParallelError
from prefect_parallel.flow.steps.groups import MAX_TASK_RUNS

File: TypeAlias = Annotated[Path, Parameter(name=["--file", "-f"])]

Set: TypeAlias = Annotated[list[str] | None, Parameter(name="--set", negative=())]

Store: TypeAlias = Annotated[Path | None, Parameter(name="--datastores")]

EnvironmentMode: TypeAlias = Literal["this", "build"]

app = App(
    name="prefect-parallel",
    help="Azure Machine Learning's parallel job, on Prefect and Dask, without Azure.",
    version=versions,
    version_format="plaintext",
    help_epilogue="Exit status: 0 completed, 1 failed or canceled, 2 invalid (nothing ran).",
)
app.register_install_completion_command(
    help="""Have the shell complete commands, options and the names of files.

    Example: prefect-parallel --install-completion --shell zsh
    """
)


@app.command
def run(
    file: File,
    *,
    output_dir: str = "runs",
    name: str | None = None,
    resume: str | None = None,
    set_: Set = None,
    datastores: Store = None,
    strict: Annotated[bool, Parameter(negative=())] = False,
    max_task_runs: Annotated[int, Parameter(validator=Number(gte=1))] = MAX_TASK_RUNS,
    environment: EnvironmentMode = "this",
    verbose: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Run a pipeline and wait for its end.

    Example: prefect-parallel run pipeline.yml --name monday --set inputs.rows=5

    Args:
        file: The pipeline's YAML file.
        output_dir: The folder that the run directory is made in; a URL, as s3://bucket/runs: it
            is uploaded there.
        name: The run directory's name; by default the display name with a time stamp.
        resume: Go on with the run of this name: do what is missing, and what has changed.
        set_: Put another value in place of the file's, e.g. jobs.score.mini_batch_size=1mb. May be
            given several times.
        datastores: A YAML file that tells what azureml: names of data stand for; names that it
            does not have are looked up in the Prefect server's blocks.
        strict: Refuse a compute that there is no Compute block for, instead of using this machine.
        max_task_runs: Up to so many mini-batches of a step each are a task run in Prefect; of more,
            neighbours share one.
        environment: What steps run on: this Python; or build one from the conda file of each step
            that names one. What was built is kept, and used again.
        verbose: Show what Prefect and Dask log, too.
    """
    from prefect_parallel.cli.datastores import known_datastores
    from prefect_parallel.cli.run import run_pipeline
    from prefect_parallel.flow.run_options import RunOptions

    options = RunOptions(
        output_dir=output_dir,
        name=resume or name,
        resumes=resume is not None,
        datastores=known_datastores(datastores),
        strict=strict,
        max_task_runs=max_task_runs,
        environment=environment,
    )
    return run_pipeline(file, set_ or [], options, verbose=verbose)


@app.command
def validate(*files: Path, set_: Set = None, datastores: Store = None) -> int:
    """Check pipelines and name all that is wrong with each. Runs nothing.

    Example: prefect-parallel validate pipeline.yml other/pipeline.yml

    Args:
        files: The pipelines' YAML files.
        set_: Put another value in place of the file's, as for `run`.
        datastores: As for `run`; without it, azureml: names are not looked up.
    """
    from prefect_parallel.cli.validate import validate_pipelines

    return COMPLETED if validate_pipelines(files, set_ or [], datastores) else INVALID


@app.command
def plan(file: File, *, set_: Set = None, datastores: Store = None) -> None:
    """Show the steps of a pipeline and how each is split. Runs nothing.

    Example: prefect-parallel plan pipeline.yml --set jobs.score.mini_batch_size=1mb

    Args:
        file: The pipeline's YAML file.
        set_: Put another value in place of the file's, as for `run`.
        datastores: As for `run`.
    """
    from prefect_parallel.cli.datastores import known_datastores
    from prefect_parallel.cli.plan import plan_pipeline

    plan_pipeline(file, set_ or [], known_datastores(datastores))


@app.command
def debug(
    file: File,
    *,
    step: str,
    mini_batch: int,
    run: str | None = None,
    output_dir: str = "runs",
    set_: Set = None,
    datastores: Store = None,
    pdb: bool = True,
) -> int:
    """Run one mini-batch in this terminal's own process; an exception opens the debugger.

    Example: prefect-parallel debug pipeline.yml --step score --mini-batch 17 --run monday

    Args:
        file: The pipeline's YAML file.
        step: The name of a parallel step.
        mini_batch: The mini-batch's index, as in failed_mini_batches.jsonl.
        run: The name of a run, for a step that reads outputs of earlier ones.
        output_dir: The folder that the run directory is in.
        set_: Put another value in place of the file's, as for `run`.
        datastores: As for `run`.
        pdb: With --no-pdb an exception only prints its traceback.
    """
    from prefect_parallel.cli.datastores import known_datastores
    from prefect_parallel.cli.debug import debug_mini_batch
    from prefect_parallel.cli.earlier_run import earlier_run

    known = known_datastores(datastores)
    succeeded = debug_mini_batch(
        file,
        set_ or [],
        step=step,
        mini_batch=mini_batch,
        run=None if run is None else earlier_run(output_dir, run, known),
        datastores=known,
        use_pdb=pdb,
    )
    return COMPLETED if succeeded else FAILED


@app.command
def logs(
    name: str,
    *,
    step: str | None = None,
    process: str | None = None,
    failed: Annotated[bool, Parameter(negative=())] = False,
    follow: Annotated[bool, Parameter(negative=())] = False,
    output_dir: str = "runs",
    datastores: Store = None,
) -> None:
    """Print what the script of a step printed and logged, or why it failed.

    Example: prefect-parallel logs monday --step score --failed

    Args:
        name: The run's name.
        step: The step's name; may be left out if only one has logs.
        process: Only this entry process, e.g. process003 or node-0/process003.
        failed: Only the errors, with their full tracebacks.
        follow: Go on with what comes, until the step has ended.
        output_dir: The folder that the run directory is in.
        datastores: As for `run`.
    """
    from prefect_parallel.cli.datastores import known_datastores
    from prefect_parallel.cli.earlier_run import earlier_run
    from prefect_parallel.cli.logs import print_logs

    directory = earlier_run(output_dir, name, known_datastores(datastores))
    print_logs(directory, step=step, process=process, failed=failed, follow=follow)


@app.command
def report(
    name: str,
    *,
    open_: Annotated[bool, Parameter(name="--open", negative=())] = False,
    output_dir: str = "runs",
    datastores: Store = None,
) -> None:
    """Write logs/report.html of a run: timeline, speed, resources, failures by root cause.

    Example: prefect-parallel report monday --open

    Args:
        name: The run's name.
        open_: Show it in the browser.
        output_dir: The folder that the run directory is in.
        datastores: As for `run`.
    """
    from prefect_parallel.cli.datastores import known_datastores
    from prefect_parallel.cli.earlier_run import earlier_run
    from prefect_parallel.cli.report import report_run

    report_run(earlier_run(output_dir, name, known_datastores(datastores)), opens=open_)


@app.command
def deploy(
    file: Annotated[Path | None, Parameter(name=["--file", "-f"])] = None,
    *,
    name: str | None = None,
    work_pool: str | None = None,
    cron: str | None = None,
    interval: int | timedelta | None = None,
    schedule: Path | None = None,
    timezone: str | None = None,
    param: Annotated[list[str] | None, Parameter(negative=())] = None,
    set_: Set = None,
    tag: Annotated[list[str] | None, Parameter(negative=())] = None,
    job_variable: Annotated[list[str] | None, Parameter(negative=())] = None,
    output_dir: str = "runs",
    datastores: Store = None,
    strict: Annotated[bool, Parameter(negative=())] = False,
    environment: EnvironmentMode = "this",
) -> None:
    """Make a deployment of a pipeline on the Prefect server. Doing it again updates it.

    The pipeline, its components and its code go to the output directory as a snapshot, which
    workers fetch from there; data stays where it is.

    Example: prefect-parallel deploy pipeline.yml --cron "0 2 * * *" --param rows=5

    Args:
        file: The pipeline's YAML file; may be left out if the schedule file names it.
        name: The deployment's name; by default the schedule's, else the file's.
        work_pool: Where it runs; may be left out if there is only one.
        cron: When it runs: minute, hour, day of the month, month, day of the week.
        interval: How often it runs: 90 (seconds), 15m, 1h30m, 1d.
        schedule: When it runs: a schedule file of Azure ML, which may override inputs, too.
        timezone: Of --cron and --interval, e.g. Europe/Berlin; by default UTC.
        param: A value for an input of the pipeline, e.g. rows=5. May be given several times.
        set_: Put another value in place of the file's, as for `run`.
        tag: A tag of the deployment and its runs. May be given several times.
        job_variable: A setting of the work pool for these runs, e.g. image=REGISTRY/IMAGE. May be
            given several times.
        output_dir: The folder that snapshot and run directories go to, which workers must see; a
            URL, as s3://bucket/runs, where they share no folder.
        datastores: As for `run`; workers must have the file at the same path.
        strict: As for `run`: a compute that has no block fails the run.
        environment: As for `run`; workers build what they have not yet.
    """
    from prefect_parallel.cli.deploy import DeployOptions, deploy_pipeline

    options = DeployOptions(
        name=name,
        work_pool=work_pool,
        cron=cron,
        interval=interval,
        schedule=schedule,
        time_zone=timezone,
        parameters=param or [],
        overrides=set_ or [],
        tags=tag or [],
        job_variables=job_variable or [],
        output_dir=output_dir,
        datastores=datastores,
        strict=strict,
        environment=environment,
    )
    deploy_pipeline(file, options)


blocks = App(
    name="blocks",
    help="Prefect blocks: computes, datastores and data assets that pipelines name.",
)
app.command(blocks)


@blocks.command
def apply(file: File) -> None:
    """Save all blocks that a Python file assigns to variables. Doing it again updates them.

    Example: prefect-parallel blocks apply blocks/local.py

    Args:
        file: Runs as Python; a variable cpu_cluster becomes the block cpu-cluster.
    """
    from prefect_parallel.cli.blocks import apply_blocks

    apply_blocks(file)


@blocks.command(name="ls")
def list_() -> None:
    """List the computes, datastores and data assets that the Prefect server has.

    Example: prefect-parallel blocks ls
    """
    from prefect_parallel.cli.blocks import list_blocks

    list_blocks()


@app.command
def schema() -> None:
    """Print a JSON schema of pipeline files, for editors.

    Example: prefect-parallel schema > pipeline.schema.json
    """
    import json

    from prefect_parallel.job.models.json_schema import json_schema

    print(json.dumps(json_schema(), indent=2))


def main() -> None:
    """Run the command that was typed, and exit."""
    sys.exit(_status())


def _status() -> int:
    console = Console(stderr=True, highlight=False)
    try:
        status = app(result_action="return_value", exit_on_error=False)
    except CycloptsError:
        return INVALID
    except InvalidFile as error:
        console.print(f"[bold red]invalid:[/] {len(error.problems)} to mend, nothing ran")
        for problem in error.problems:
            console.print(str(problem), markup=False, soft_wrap=True)
        return INVALID
    except PrefectParallelError as error:
        console.print("[bold red]error:[/]", end=" ")
        console.print(str(error), markup=False, soft_wrap=True)
        return INVALID if isinstance(error, INVALID_ERRORS) else FAILED
    return status if isinstance(status, int) else COMPLETED
