"""From a pipeline YAML to a Prefect flow."""

from __future__ import annotations

import contextvars
import re
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.exceptions import TerminationSignal
from prefect.flows import Flow
from prefect.logging import get_run_logger
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
from prefect.states import Cancelled, Completed

from prefect_parallel.data import NO_DATASTORES, Datastores
from prefect_parallel.errors import PrefectParallelError
from prefect_parallel.flow.artifacts import show_metrics
from prefect_parallel.flow.command_step import command_step_flow
from prefect_parallel.flow.computes import Computes
from prefect_parallel.flow.environments import Choice, environments
from prefect_parallel.flow.flow_run import is_canceled, tag_flow_run
from prefect_parallel.flow.groups import MAX_TASK_RUNS
from prefect_parallel.flow.known_names import with_blocks
from prefect_parallel.flow.lock import hold
from prefect_parallel.flow.observer import Observer
from prefect_parallel.flow.parallel_step import parallel_step_flow
from prefect_parallel.flow.parameters import give_parameters
from prefect_parallel.flow.pipeline_flow import PipelineFlow
from prefect_parallel.flow.placeholders import check_placeholders
from prefect_parallel.flow.run import Run
from prefect_parallel.flow.runs import UploadFailed, runs_at
from prefect_parallel.job import (
    ParallelStep,
    PipelineJob,
    ResolvedJob,
    load_pipeline,
)
from prefect_parallel.layout import RunDirectory

DEFAULT_OUTPUT_DIR = "runs"

UNFIT_FOR_FLOW_NAMES = re.compile(r"[/%&<>]")
"""What Prefect refuses in the name of a flow."""

CANCEL_POLL_SECONDS = 2.0
"""How late a cancellation from the Prefect UI is noticed."""


class PipelineFailed(PrefectParallelError):
    """Some step has failed; the text says which, and why."""


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
        return _PipelineRun(job, values, resolved, run, flow_run.id).run()

    give_parameters(run_pipeline, job.description, job.parameters)
    return PipelineFlow(
        run_pipeline,
        name=UNFIT_FOR_FLOW_NAMES.sub("-", _title(job)),
        description=job.description,
        flow_run_name=name,
        persist_result=False,
    )


class _PipelineRun:
    """One run of a pipeline: its steps, each as soon as those that it depends on are done."""

    def __init__(
        self,
        job: PipelineJob,
        values: dict[str, Any],
        resolved: ResolvedJob,
        run: Run,
        flow_run: UUID,
    ) -> None:
        self._job = job
        self._values = values
        self._resolved = resolved
        self._run = run
        self._runs = run.runs
        self._flow_run = flow_run
        self._server_is_away = False

    def run(self) -> State[None]:
        self._prepare()
        if not self._run.resumes:
            self._run.directory.make()
        tag_flow_run(self._flow_run, [f"{key}:{value}" for key, value in self._job.tags.items()])
        with hold(self._run.directory):
            self._run.directory.token_file.write_text(uuid4().hex)
            text = self._job.to_yaml(values=self._values, absolute_paths=True)
            self._run.directory.job_file.write_text(text, encoding="utf-8")
            # Storage that cannot be written to is found out before anything runs.
            self._runs.upload(self._run.directory)
            try:
                self._run_steps()
            finally:
                self._runs.upload(self._run.directory)
        return self._state()

    def _prepare(self) -> None:
        """Do what must go well before anything is run, or left in the run directory."""
        steps = self._resolved.steps.values()
        check_placeholders(self._job, steps)
        of_environments = self._run.environments.prepare(steps, self._run.observer)
        for warning in (self._run.computes.warning, *of_environments):
            if warning is not None:
                get_run_logger().warning(warning)
                self._run.observer.warned(warning)

    def _run_steps(self) -> None:
        order = TopologicalSorter(self._resolved.graph)
        order.prepare()
        running: dict[Future[State[None]], str] = {}
        with ThreadPoolExecutor(max_workers=len(self._resolved.steps) or 1) as threads:
            try:
                ready = order.get_ready()
                while running or ready:
                    running |= {self._start(threads, name): name for name in ready}
                    ended = wait(running, timeout=CANCEL_POLL_SECONDS, return_when=FIRST_COMPLETED)
                    for future in ended.done:
                        self._finish(future, running.pop(future), order)
                    self._look_for_cancellation()
                    ready = () if self._run.canceled.is_set() else order.get_ready()
            except (KeyboardInterrupt, TerminationSignal):
                self._run.canceled.set()
            except BaseException:
                # A mistake of ours: no step may go on by itself.
                self._run.canceled.set()
                raise

    def _look_for_cancellation(self) -> None:
        canceled = is_canceled(self._flow_run)
        if canceled:
            self._run.canceled.set()
        was_away, self._server_is_away = self._server_is_away, canceled is None
        if self._server_is_away and not was_away:
            self._run.observer.waiting("the Prefect server, which does not answer; work goes on")

    def _start(self, threads: ThreadPoolExecutor, name: str) -> Future[State[None]]:
        step = self._resolved.steps[name]
        if isinstance(step, ParallelStep):
            flow = parallel_step_flow(step, self._run)
        else:
            flow = command_step_flow(step, self._run)
        # Prefect finds the pipeline's run, as the parent, in the context.
        context = contextvars.copy_context()
        return threads.submit(context.run, self._run_step, name, flow)

    def _run_step(self, name: str, flow: Flow[[], None]) -> State[None]:
        state = _run_flow(flow)
        try:
            self._runs.upload(self._run.directory, name)
        except UploadFailed as error:
            # At the end of the run it is tried once more.
            self._run.observer.noted(name, str(error))
        return state

    def _finish(
        self, future: Future[State[None]], name: str, order: TopologicalSorter[str]
    ) -> None:
        state = future.result()
        end = self._run.ended.get(name)
        if end is None and state.is_completed():
            # A flow run that is retried does not run those of its subflows that are completed.
            order.done(name)
            return
        if end is None:
            raise PrefectParallelError(f"step {name} broke off: {state.message}")
        if end.metrics_for_parent:
            show_metrics(name, end.metrics_for_parent)
        if end.status == "Completed":
            order.done(name)
        elif not self._resolved.continue_on_step_failure:
            self._run.canceled.set()

    def _state(self) -> State[None]:
        ended = self._run.ended
        failed = [
            f"step {name}: {end.reason}" for name, end in ended.items() if end.status == "Failed"
        ]
        if failed:
            # Raised and not returned: Prefect retries a flow only for an exception.
            raise PipelineFailed("; ".join(failed))
        if self._run.canceled.is_set():
            return Cancelled(message="the run was canceled")
        return Completed(message=f"all {len(ended)} steps completed")


def _computes(job: ResolvedJob, *, strict: bool) -> Computes:
    computes = Computes.of(job)
    if strict:
        computes.refuse_missing()
    return computes


def _run_flow(flow: Flow[[], None]) -> State[None]:
    # The pipeline's run has a heartbeat, in this same process. To end one takes up to a second.
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        return flow(return_state=True)


def default_run_name(job: PipelineJob, moment: datetime | None = None) -> str:
    """The display name and the time, as a folder name on any system."""
    words = re.sub(r"[^\w.-]+", "-", _title(job)).strip("-.") or "run"
    return f"{words}-{moment or datetime.now():%Y%m%d-%H%M%S}"


def _title(job: PipelineJob) -> str:
    return job.display_name or (job.path.stem if job.path else "pipeline")
