"""A call of a parallel function: a pipeline of one step, made, run and read again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.utilities.engine import link_state_to_flow_run_result

from prefect_parallel.data import Datastores, describe_data
from prefect_parallel.display import open_display
from prefect_parallel.document import document_of
from prefect_parallel.errors import InvalidInput
from prefect_parallel.flow.compile import flow_of
from prefect_parallel.flow.observer import Observer
from prefect_parallel.flow.preflight import check_inputs
from prefect_parallel.flow.run.pipeline_result import PipelineFailed
from prefect_parallel.flow.run_directories.run_handle import RunHandle
from prefect_parallel.flow.run_options import RunOptions
from prefect_parallel.flow.server.server import prefect_server, refuse_server_away
from prefect_parallel.functions.output_file import OutputFile
from prefect_parallel.functions.quiet import quiet
from prefect_parallel.functions.result import ParallelFailed, ParallelResult
from prefect_parallel.functions.settings import Settings, program_arguments, step_keys
from prefect_parallel.functions.target import Target
from prefect_parallel.functions.upstream import awaited, upstream
from prefect_parallel.job import PipelineJob, resolve
from prefect_parallel.job.loading.load import job_from
from prefect_parallel.layout import RunDirectory

OUTPUT = "output"
"""The output of the step in the run directory, a folder."""


@dataclass(frozen=True)
class Call:
    """A call of a parallel function.

    Attributes:
        target: What runs over each mini-batch.
        settings: The settings of the step.
        data: What is split into mini-batches, or Prefect's future of it.
        output: Where the output is put; None: it stays in the run directory.
        options: The options of the run.
    """

    target: Target
    settings: Settings
    data: Any
    output: OutputFile | None
    options: RunOptions

    def run(self) -> ParallelResult:
        """Run it.

        Raises:
            ParallelFailed: It has failed, or was canceled.
            PrefectParallelError: The data, the output or the run directory cannot be used.
        """
        return self.run_in(self.options.new_handle(self.target.step_name))

    def run_in(self, handle: RunHandle) -> ParallelResult:
        """Run it in a run directory; raises as `run`."""
        directory = handle.directory
        with handle.discarded_if_empty(), _inputs_discarded_unless_run(directory):
            if self.output is not None:
                self.output.refuse_existing(unless_of=directory)
            run = RunDirectory(directory.root.absolute())
            data = awaited(self.data)
            job = pipeline_of(
                self.target, self.settings, data, run, self._suffix, self.options.datastores
            )
            state = self._run(job, handle)
            return self._result(state, directory)

    def _run(self, job: PipelineJob, handle: RunHandle) -> State[Any]:
        name = handle.directory.root.name
        options = replace(self.options, name=name, resumes=handle.resumes)
        check_inputs(resolve(job), options.datastores)
        if FlowRunContext.get() is not None:
            pipeline = flow_of(job, options, Observer())
            made_by = upstream(self.data)
            return cast(State[Any], pipeline(return_state=True, wait_for=made_by))
        with quiet(), open_display() as shown, prefect_server(shown):
            refuse_server_away()
            return cast(State[Any], flow_of(job, options, shown)(return_state=True))

    def _result(self, state: State[Any], directory: RunDirectory) -> ParallelResult:
        # Without _sync, it returns a coroutine in an async flow.
        failure = state.result(raise_on_failure=False, _sync=True)  # type: ignore[call-overload]
        if isinstance(failure, Exception) and not isinstance(failure, PipelineFailed):
            raise failure
        folder = directory.step(self.target.step_name).output(OUTPUT)
        written = folder.absolute() / f"{self.target.step_name}{self._suffix}"
        if self.output is not None and state.is_completed():
            self.output.publish(written, directory)
        output = written if self.output is None else self.output.shown
        result = ParallelResult.of(directory.root, self.target.step_name, output)
        # Tasks of the caller's flow that are given the result depend on this flow run, for Prefect.
        link_state_to_flow_run_result(state, result)
        if result.status != "Completed":
            raise ParallelFailed(result)
        return result

    @property
    def _suffix(self) -> str:
        return ".jsonl" if self.output is None else self.output.suffix


def pipeline_of(
    target: Target,
    settings: Settings,
    data: Any,
    run: RunDirectory,
    suffix: str,
    datastores: Datastores,
) -> PipelineJob:
    """The pipeline of a call; its function and data in memory are written to the run directory.

    Args:
        target: The function.
        settings: The settings of the step.
        data: The data.
        run: The run directory.
        suffix: The extension of the output.
        datastores: Definitions of `azureml:` names.
    """
    name = target.step_name
    function = run.function(name)
    target.write(function)
    described = describe_data(data, run.inputs / "data", datastores=datastores)
    if target.wanted in ("DataFrame", "Table") and described.kind != "table":
        raise InvalidInput(
            f"{name} takes a {target.wanted}, and the data is a list of {described.kind}",
            hint="annotate its first argument as list, or give it a table",
        )
    size = settings.get("mini_batch_size")
    if isinstance(size, int):
        settings = {**settings, "mini_batch_size": described.mini_batch_size(size)}
    source = {"type": described.type, "mode": described.mode, "path": described.path}
    step = {
        "type": "parallel",
        **step_keys(settings),
        "inputs": {"data": source},
        "outputs": {OUTPUT: {"type": "uri_folder"}},
        "input_data": "${{inputs.data}}",
        "task": {
            "type": "run_function",
            "code": str(function),
            "entry_script": function.name,
            "program_arguments": program_arguments(settings),
            "append_row_to": f"${{{{outputs.{OUTPUT}}}}}/{name}{suffix}",
            "environment": "azureml:this-python:1",
        },
    }
    if described.input_format is not None:
        step["properties"] = {"input_format": described.input_format}
    pipeline = {"type": "pipeline", "display_name": name, "jobs": {name: step}}
    return job_from(document_of(pipeline, Path.cwd()))


@contextmanager
def _inputs_discarded_unless_run(directory: RunDirectory) -> Iterator[None]:
    """Remove what was written for a run that did not begin."""
    try:
        yield
    finally:
        if not directory.job_file.exists():
            shutil.rmtree(directory.inputs, ignore_errors=True)
