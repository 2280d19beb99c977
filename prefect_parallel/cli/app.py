"""The commands. Each imports what it needs when it runs, so that `--help` is there at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter
from cyclopts.validators import Number

from prefect_parallel.cli.blocks_app import blocks
from prefect_parallel.cli.completion import run_names
from prefect_parallel.cli.exit_status import COMPLETED, FAILED, INVALID
from prefect_parallel.cli.options import (
    DatastoresFile,
    DeployOptions,
    EnvironmentMode,
    File,
    Flag,
    InputData,
    Lenient,
    MapOptions,
    OutputDir,
    Overrides,
    Reuse,
    ReuseBy,
    Step,
    Strict,
    with_input,
)
from prefect_parallel.cli.runs_app import logs, report, runs
from prefect_parallel.cli.version import versions
from prefect_parallel.cli.workers_app import finish, work
from prefect_parallel.flow.nodes.groups import MAX_TASK_RUNS, TASK_RUN_SECONDS

app = App(
    name="prefect-parallel",
    help="Azure Machine Learning's parallel job on Prefect and Dask, without Azure.",
    version=versions,
    version_format="plaintext",
    suppress_keyboard_interrupt=False,
    help_epilogue="Exit status: 0 completed, 1 failed or canceled, 2 invalid (nothing was run).",
)
app.register_install_completion_command(
    help="""Install shell completion of commands, options, files, and names of runs and steps.

    Example: prefect-parallel --install-completion --shell zsh
    """
)


@app.command
def run(
    file: File,
    *,
    output_dir: OutputDir = "runs",
    name: str | None = None,
    resume: Annotated[str | None, Parameter(completer=run_names)] = None,
    input_: InputData = None,
    set_: Overrides = None,
    datastores: DatastoresFile = None,
    strict: Strict = False,
    lenient: Lenient = False,
    max_task_runs: Annotated[int, Parameter(validator=Number(gte=1))] = MAX_TASK_RUNS,
    task_run_seconds: Annotated[float, Parameter(validator=Number(gte=0))] = TASK_RUN_SECONDS,
    first: int | None = None,
    sample: int | None = None,
    only: str | None = None,
    reuse: Reuse = False,
    reuse_by: ReuseBy = "time",
    environment: EnvironmentMode = "this",
    workers: Literal[0] | None = None,
    verbose: Flag = False,
) -> int:
    """Run a pipeline, a command job or a batch deployment, and wait for it to end.

    Example: prefect-parallel run pipeline.yml --name monday --set inputs.rows=5

    Args:
        name: Name of the run and its directory. Defaults to the display name and the time.
        resume: Resume the run of this name or directory: only what is missing or has changed is
            run.
        max_task_runs: Maximum number of Prefect task runs of a step.
        task_run_seconds: How long a task run should take. Neighboring mini-batches share one if
            they are shorter. 0: each has its own, up to --max-task-runs.
        first: Run only the first N mini-batches of each parallel step. --resume runs the others.
        sample: Run only N mini-batches of each parallel step, spread evenly over its input.
        only: Run only these mini-batches of each parallel step, e.g. 3,17-20.
        workers: 0: prepare the run for `prefect-parallel work`, which runs its mini-batches.
        verbose: Show the logs of Prefect and Dask, too.
    """
    from prefect_parallel.cli.datastores import known_datastores
    from prefect_parallel.cli.run import run_pipeline
    from prefect_parallel.flow.run.selection import Selection
    from prefect_parallel.flow.run_options import RunOptions

    options = RunOptions.named(
        output_dir,
        name,
        resume,
        datastores=known_datastores(datastores),
        strict=strict,
        max_task_runs=max_task_runs,
        task_run_seconds=task_run_seconds,
        selection=Selection(first, sample, only),
        reuse=reuse,
        reuse_by=reuse_by,
        environment=environment,
        phase="all" if workers is None else "prepare",
    )
    overrides = with_input(set_ or [], input_)
    return run_pipeline(file, overrides, options, lenient=lenient, verbose=verbose)


app.command(work)
app.command(finish)


@app.command(name="map")
def map_(
    function: str,
    data: str,
    *,
    options: MapOptions = MapOptions(),  # noqa: B008 - frozen
) -> int:
    """Run a Python function over data, without a pipeline, and wait for it to end.

    Example: prefect-parallel map shop:score "sales/*.parquet" --output scores.parquet

    Args:
        function: Function or class as MODULE:NAME or FILE.py:NAME.
        data: Path, glob or URL of the data.
    """
    from prefect_parallel.cli.map import map_function

    return map_function(function, data, options)


@app.command
def validate(
    *files: Annotated[Path, Parameter(required=True)],
    set_: Overrides = None,
    datastores: Annotated[
        DatastoresFile,
        Parameter(
            help="YAML file of `azureml:` names, as for `run`. Without it, those of data are not"
            " checked."
        ),
    ] = None,
    lenient: Lenient = False,
) -> int:
    """Check pipelines and list the errors of each. Runs nothing.

    Example: prefect-parallel validate pipeline.yml other/pipeline.yml

    Args:
        files: YAML files of the pipelines.
    """
    from prefect_parallel.cli.validate import validate_pipelines

    valid = validate_pipelines(files, set_ or [], datastores, lenient=lenient)
    return COMPLETED if valid else INVALID


@app.command
def plan(
    file: File,
    *,
    input_: InputData = None,
    set_: Overrides = None,
    datastores: DatastoresFile = None,
    reuse: Reuse = False,
    reuse_by: ReuseBy = "time",
    output_dir: OutputDir = "runs",
    step: Step | None = None,
    lenient: Lenient = False,
) -> None:
    """Show the steps of a pipeline, how their inputs are split, and how long they take.

    Runs nothing. The time is estimated from the latest run of the pipeline in the output directory.
    With --reuse, also what a run would reuse, and why not the rest.

    Example: prefect-parallel plan pipeline.yml --reuse --set jobs.score.mini_batch_size=1mb

    Args:
        step: Show only this step, or the steps of this nested pipeline.
    """
    from prefect_parallel.cli.datastores import known_datastores
    from prefect_parallel.cli.plan import plan_pipeline
    from prefect_parallel.flow.run_options import RunOptions

    known = known_datastores(datastores)
    options = RunOptions(output_dir=output_dir, datastores=known, reuse=reuse, reuse_by=reuse_by)
    overrides = with_input(set_ or [], input_)
    plan_pipeline(file, overrides, options, only=step, lenient=lenient)


@app.command
def debug(
    pipeline: Annotated[str, Parameter(name=["--file", "-f"])],
    *,
    mini_batch: int,
    item: int | None = None,
    step: Step | None = None,
    run: Annotated[str | None, Parameter(completer=run_names)] = None,
    output_dir: OutputDir = "runs",
    set_: Overrides = None,
    datastores: DatastoresFile = None,
    pdb: bool = True,
) -> int:
    """Run one mini-batch in this process; an exception starts the debugger.

    Example: prefect-parallel debug monday --mini-batch 17

    Args:
        pipeline: YAML file of a pipeline, or the name or directory of a run.
        mini_batch: Index of the mini-batch, as in failed_mini_batches.jsonl.
        item: The only item of it to run, as in failed_items.jsonl.
        step: Name of the parallel step. Required if there are several.
        run: With a file, the name or directory of the run that outputs of earlier steps are read
            from.
        pdb: Whether an exception starts the debugger, or only prints its traceback.
    """
    from prefect_parallel.cli.datastores import known_datastores
    from prefect_parallel.cli.debug import debug_mini_batch

    succeeded = debug_mini_batch(
        pipeline,
        set_ or [],
        step=step,
        mini_batch=mini_batch,
        item=item,
        run=run,
        output_dir=output_dir,
        datastores=known_datastores(datastores),
        use_pdb=pdb,
    )
    return COMPLETED if succeeded else FAILED


@app.command
def init(folder: Path = Path()) -> None:
    """Write a small pipeline with its script and data, to start from.

    Example: prefect-parallel init my-pipeline

    Args:
        folder: Where it is written; by default the working directory.
    """
    from prefect_parallel.cli.init import init_pipeline

    init_pipeline(folder)


app.command(logs)
app.command(report)


@app.command
def deploy(
    file: Annotated[Path | None, Parameter(name=["--file", "-f"])] = None,
    *,
    options: DeployOptions = DeployOptions(),  # noqa: B008 - frozen
) -> None:
    """Create a deployment of a pipeline on the Prefect server, or update it.

    A snapshot of the pipeline, its components and its code is written to the output directory, from
    where workers fetch it. Data is not copied.

    Example: prefect-parallel deploy pipeline.yml --cron "0 2 * * *" --param rows=5

    Args:
        file: YAML file of the pipeline. May be omitted if the schedule file names it.
    """
    from prefect_parallel.cli.deploy import deploy_pipeline

    deploy_pipeline(file, options)


app.command(runs)
app.command(blocks)


@app.command
def schema() -> None:
    """Print the JSON schema of pipeline files, for editors.

    Example: prefect-parallel schema > pipeline.schema.json
    """
    import json

    from prefect_parallel.cli.console import plain_console
    from prefect_parallel.job import PipelineJob
    from prefect_parallel.job.format.json_schema import json_schema

    title = "A pipeline of parallel and command steps"
    plain_console().print(json.dumps(json_schema(PipelineJob, title), indent=2))
