"""From a pipeline YAML to a Prefect flow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from prefect.context import FlowRunContext

from prefect_parallel.data import NO_DATASTORES, Datastores
from prefect_parallel.flow.deployable_flow import DeployableFlow
from prefect_parallel.flow.nodes.groups import MAX_TASK_RUNS, TASK_RUN_SECONDS
from prefect_parallel.flow.observer import Observer
from prefect_parallel.flow.parameters import give_parameters
from prefect_parallel.flow.pipeline_run import PipelineRun
from prefect_parallel.flow.prefect_names import prefect_name
from prefect_parallel.flow.run.computes import Computes
from prefect_parallel.flow.run.containers import environments
from prefect_parallel.flow.run.environments import Choice
from prefect_parallel.flow.run.output_places import OutputPlaces
from prefect_parallel.flow.run.pipeline_result import PipelineResult
from prefect_parallel.flow.run.run import Run
from prefect_parallel.flow.run_directories.run_handle import RunHandle
from prefect_parallel.flow.run_options import (
    DEFAULT_OUTPUT_DIR,
    ReuseBy,
    RunOptions,
)
from prefect_parallel.flow.server.block_datastores import with_blocks
from prefect_parallel.job import PipelineJob, ResolvedJob, load_pipeline, resolve
from prefect_parallel.layout import RunDirectory


def compile_pipeline(
    source: str | Path | PipelineJob,
    *,
    overrides: Sequence[str] = (),
    output_dir: str | Path = DEFAULT_OUTPUT_DIR,
    name: str | None = None,
    resume: bool = False,
    observer: Observer | None = None,
    datastores: Datastores | str | Path | None = None,
    strict: bool = False,
    max_task_runs: int = MAX_TASK_RUNS,
    task_run_seconds: float = TASK_RUN_SECONDS,
    reuse: bool | str = False,
    reuse_by: ReuseBy = "time",
    environment: Choice = "this",
    lenient: bool = False,
) -> DeployableFlow[PipelineResult]:
    """Compile a pipeline job into a Prefect flow.

    Calling the flow runs the pipeline, leaves a run directory and returns a `PipelineResult`, or
    raises `PipelineFailed`. It can be served, deployed and scheduled like any other flow.

    Args:
        source: The pipeline's YAML file, or a job that was loaded or built before.
        overrides: Values that replace those of the file, e.g. `jobs.score.mini_batch_size=1mb`.
        output_dir: The folder of run directories; if it is a URL, they are uploaded there.
        name: The name of the run directory; by default the display name and the time.
        resume: Continue the run of that name. A retried flow run is always continued.
        observer: Callbacks for what happens in a run.
        datastores: Definitions of `azureml:` names, or the YAML file that has them. Other names are
            looked up in the Prefect server's blocks.
        strict: Make a compute without a block an error instead of using this machine.
        max_task_runs: Maximum number of task runs of a step.
        task_run_seconds: How long a task run should take. Neighboring mini-batches share one if
            they are shorter. 0: each has its own, up to `max_task_runs`.
        reuse: Reuse the results of earlier runs in `output_dir`, the newest first; or the name of
            the run whose results are reused. Mini-batches and command steps are reused if their
            data, code, arguments, environment and settings are the same. The pipeline's
            `settings.force_rerun` wins: `false` means True, `true` False.
        reuse_by: Compare local data by `time`, that is, size and modification time, or by
            `content`.
        environment: `this` runs all steps on the current interpreter, `build` builds one for each
            step that names a conda file, `container` runs each in its image.
        lenient: Make unknown keys of the file warnings instead of errors.

    Raises:
        InvalidPipeline: The pipeline has mistakes; the error lists all of them.
        InvalidDatastores: The file of datastores has mistakes.

    Example:
        ```python
        from prefect_parallel import compile_pipeline

        iris = compile_pipeline("examples/iris_batch_prediction/pipeline.yml")
        iris()
        ```
    """
    if isinstance(datastores, (str, Path)):
        datastores = Datastores.load(datastores)
    job = (
        source
        if isinstance(source, PipelineJob)
        else load_pipeline(source, overrides, datastores, lenient=lenient)
    )
    options = RunOptions(
        output_dir=output_dir,
        name=name,
        resumes=resume,
        datastores=datastores or NO_DATASTORES,
        strict=strict,
        max_task_runs=max_task_runs,
        task_run_seconds=task_run_seconds,
        reuse=reuse,
        reuse_by=reuse_by,
        environment=environment,
    )
    return flow_of(job, options, observer or Observer())


def flow_of(
    job: PipelineJob, options: RunOptions, observer: Observer
) -> DeployableFlow[PipelineResult]:
    """The flow of a pipeline; Prefect calls it with the pipeline's inputs."""
    options = replace(options, datastores=with_blocks(options.datastores))

    def run_pipeline(**values: Any) -> Any:
        context = FlowRunContext.get()
        assert context is not None
        flow_run = context.flow_run
        assert flow_run is not None
        handle = options.handle_of(flow_run, job.title)
        resolved = resolve(job, values, run=handle.directory.root.name)
        run = _run(resolved, options, handle, observer)
        return PipelineRun(job, values, resolved, run, flow_run.id).run()

    give_parameters(run_pipeline, job.description, job.parameters)
    return DeployableFlow(
        run_pipeline,
        name=prefect_name(job.title),
        description=job.description,
        flow_run_name=options.name,
        persist_result=False,
    )


def _run(resolved: ResolvedJob, options: RunOptions, handle: RunHandle, observer: Observer) -> Run:
    computes = Computes.of(resolved, options.computes)
    if options.strict:
        computes.refuse_missing()
    directory = RunDirectory(handle.directory.root.absolute())
    earlier = options.earlier_runs(resolved.force_rerun, but=directory.root.name)
    return Run(
        resolved.display_name,
        directory,
        observer,
        resumes=handle.resumes,
        earlier=earlier,
        comparison=options.comparison(directory, earlier),
        datastores=options.datastores,
        output_places=OutputPlaces.of(
            resolved, options.datastores, handle.directory.root.name, options.selection
        ),
        mirror=handle.mirror,
        computes=computes,
        environments=environments(options.environment),
        max_task_runs=options.max_task_runs,
        task_run_seconds=options.task_run_seconds,
        selection=options.selection,
        phase=options.phase,
        continues_on_step_failure=resolved.continue_on_step_failure,
    )
