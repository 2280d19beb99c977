"""From a pipeline YAML to a Prefect flow."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from prefect.context import FlowRunContext

from prefect_parallel.data import NO_DATASTORES, Datastores
from prefect_parallel.flow.observer import Observer
from prefect_parallel.flow.parameters import give_parameters
from prefect_parallel.flow.pipeline_flow import PipelineFlow
from prefect_parallel.flow.pipeline_run import PipelineRun
from prefect_parallel.flow.prefect_names import prefect_name
from prefect_parallel.flow.run.computes import Computes
from prefect_parallel.flow.run.environments import Choice, environments
from prefect_parallel.flow.run.run import Run
from prefect_parallel.flow.run_directories.runs import runs_at
from prefect_parallel.flow.server.known_names import with_blocks
from prefect_parallel.flow.steps.groups import MAX_TASK_RUNS
from prefect_parallel.job import PipelineJob, ResolvedJob, load_pipeline
from prefect_parallel.layout import RunDirectory

DEFAULT_OUTPUT_DIR = "runs"


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
    environment: Choice = "this",
) -> PipelineFlow:
    """Compile a pipeline job into a Prefect flow.

    Calling the flow runs the pipeline and leaves a run directory. It can be served, deployed and
    scheduled like any other flow.

    Args:
        source: The pipeline's YAML file, or a job that was loaded or built before.
        overrides: Values to put in place of the file's, e.g. `jobs.score.mini_batch_size=1mb`.
        output_dir: The folder that run directories are made in; a URL: they are uploaded there.
        name: The run directory's name; by default the display name with a time stamp.
        resume: Whether to go on with the run of that name. A flow run that is retried does so.
        observer: Is told how a run goes.
        datastores: What `azureml:` names of data stand for, or the YAML file that tells; other
            names are looked up in the Prefect server's blocks.
        strict: Whether a compute without a block is an error; else this machine is used instead.
        max_task_runs: Up to so many mini-batches of a step each are a task run; of more, neighbours
            share one.
        environment: `this`: steps run on the interpreter that runs them; `build`: those that name
            a conda file, on one that is built from it, once.

    Raises:
        InvalidPipeline: The file has mistakes; all of them are named.
        InvalidDatastores: So has that of datastores.

    Example:
        ```python
        from prefect_parallel import compile_pipeline

        iris = compile_pipeline("examples/iris_batch_prediction/pipeline.yml")
        iris()
        ```
    """
    job = source if isinstance(source, PipelineJob) else load_pipeline(source, overrides)
    if isinstance(datastores, (str, Path)):
        datastores = Datastores.load(datastores)
    known = with_blocks(datastores or NO_DATASTORES)

    def run_pipeline(**values: Any) -> Any:
        context = FlowRunContext.get()
        assert context is not None
        flow_run = context.flow_run
        assert flow_run is not None
        # The last digits: a server gives ids that begin with the time.
        folder = name or f"{default_run_name(job, flow_run.start_time)}-{str(flow_run.id)[-8:]}"
        runs = runs_at(output_dir, known)
        # A retried flow run may have failed before it had a directory.
        resumes = resume or (flow_run.run_count > 1 and runs.has(folder))
        resolved = job.resolve(values)
        run = Run(
            RunDirectory(runs.directory(folder, resumes=resumes).root.absolute()),
            observer or Observer(),
            resumes=resumes,
            datastores=known,
            runs=runs,
            computes=_computes(resolved, strict=strict),
            environments=environments(environment),
            max_task_runs=max_task_runs,
        )
        return PipelineRun(job, values, resolved, run, flow_run.id).run()

    give_parameters(run_pipeline, job.description, job.parameters)
    return PipelineFlow(
        run_pipeline,
        name=prefect_name(_title(job)),
        description=job.description,
        flow_run_name=name,
        persist_result=False,
    )


def _computes(job: ResolvedJob, *, strict: bool) -> Computes:
    computes = Computes.of(job)
    if strict:
        computes.refuse_missing()
    return computes


def default_run_name(job: PipelineJob, moment: datetime | None = None) -> str:
    """The display name and the time, as a folder name on any system."""
    words = re.sub(r"[^\w.-]+", "-", _title(job)).strip("-.") or "run"
    return f"{words}-{moment or datetime.now():%Y%m%d-%H%M%S}"


def _title(job: PipelineJob) -> str:
    return job.display_name or (job.path.stem if job.path else "pipeline")
