"""Stand-ins for names of azure-ai-ml and azure-identity, so that notebooks need only new imports.

    from prefect_parallel.azure import DefaultAzureCredential, MLClient, load_component, pipeline

Nothing is signed in to or submitted: jobs run here, and `create_or_update` returns at their end.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from prefect_parallel.document import plain
from prefect_parallel.errors import InvalidPipeline, PrefectParallelError, Problem, advice_for
from prefect_parallel.flow.compile import compile_pipeline
from prefect_parallel.flow.run.pipeline_result import PipelineFailed, PipelineResult
from prefect_parallel.flow.run_options import DEFAULT_OUTPUT_DIR
from prefect_parallel.job import PipelineJob, load_pipeline
from prefect_parallel.job.builder import (
    Environment,
    Input,
    Output,
    RunFunction,
    command,
    parallel_run_function,
    pipeline,
)
from prefect_parallel.job.builder.step import Attributes, Step
from prefect_parallel.job.models.steps import STEP_TYPES
from prefect_parallel.yaml_file import read_document

__all__ = [
    "AssetTypes",
    "DefaultAzureCredential",
    "Environment",
    "Input",
    "InputOutputModes",
    "InteractiveBrowserCredential",
    "Job",
    "MLClient",
    "Output",
    "ResourceConfiguration",
    "RunFunction",
    "command",
    "load_component",
    "load_job",
    "parallel_run_function",
    "pipeline",
]


class AssetTypes:
    """Types of data."""

    URI_FILE = "uri_file"
    URI_FOLDER = "uri_folder"
    MLTABLE = "mltable"
    CUSTOM_MODEL = "custom_model"
    MLFLOW_MODEL = "mlflow_model"
    TRITON_MODEL = "triton_model"


class InputOutputModes:
    """How a step gets an input, or writes an output."""

    MOUNT = "mount"
    DOWNLOAD = "download"
    UPLOAD = "upload"
    RO_MOUNT = "ro_mount"
    RW_MOUNT = "rw_mount"
    DIRECT = "direct"
    EVAL_MOUNT = "eval_mount"
    EVAL_DOWNLOAD = "eval_download"


class ResourceConfiguration(Attributes):
    """The nodes of a step: `ResourceConfiguration(instance_count=2)`."""


class DefaultAzureCredential:
    """Does nothing: no service is signed in to."""

    def __init__(self, **_: Any) -> None:
        print(f"{type(self).__name__} does nothing here: no Azure service is signed in to")

    def get_token(self, *_: str, **__: Any) -> None:
        """Return no token."""


class InteractiveBrowserCredential(DefaultAzureCredential):
    """Does nothing, either."""


def load_job(source: str | os.PathLike[str]) -> PipelineJob:
    """The pipeline job in a YAML file.

    Raises:
        InvalidPipeline: It has errors.
    """
    return load_pipeline(Path(source))


def load_component(source: str | os.PathLike[str]) -> Step:
    """A step by the component in a YAML file, to be called in a pipeline with its inputs.

    Raises:
        InvalidPipeline: There is no such file, or it is no component. Its other errors are those
            of the pipeline that uses it.
    """
    file = Path(source).absolute()
    document = read_document(file, InvalidPipeline, str(source))
    data = plain(document.data)
    if data.get("type") not in STEP_TYPES:
        problem = document.problem(("type",), "not a component", allowed=", ".join(STEP_TYPES))
        raise InvalidPipeline([problem])
    step = Step(
        _declared(data.get("inputs"), Input),
        _declared(data.get("outputs"), Output),
        type=data["type"],
        component=str(file),
    )
    step.component_name = data.get("name") or file.stem
    return step


def _declared(written: Any, of: type[Any]) -> dict[str, Any]:
    """Inputs or outputs of a component; keys with errors are left to the pipeline."""
    known = {each.name for each in fields(of)}
    return {
        name: of(**{key: value for key, value in _mapping(each).items() if key in known})
        for name, each in _mapping(written).items()
    }


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


class UnknownJob(PrefectParallelError):
    """No job of this name was run by this client."""


class Job:
    """A job that has run.

    Attributes:
        name: The name of its run.
        result: Its outputs, steps, run directory and report.
    """

    def __init__(self, result: PipelineResult, failure: PipelineFailed | None) -> None:
        self.name = Path(str(result.run_directory)).name
        self.result = result
        self.failure = failure

    @property
    def status(self) -> str:
        """`Completed`, `Failed` or `Canceled`."""
        return self.result.status

    def __repr__(self) -> str:
        return f"{self.name}: {self.status}, in {self.result.run_directory}"


class Jobs:
    """The jobs of a client."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}

    def create_or_update(
        self,
        job: PipelineJob,
        *,
        experiment_name: str | None = None,
        output_dir: str | Path = DEFAULT_OUTPUT_DIR,
    ) -> Job:
        """Run a pipeline to its end. One that fails raises nothing before `stream`.

        Args:
            job: The pipeline.
            experiment_name: No effect here.
            output_dir: The folder of run directories.
        """
        if not isinstance(job, PipelineJob):
            problem = Problem(f"found {type(job).__name__}", allowed="a pipeline")
            raise InvalidPipeline([problem])
        try:
            made = Job(compile_pipeline(job, output_dir=output_dir)(), None)
        except PipelineFailed as failure:
            made = Job(failure.result, failure)
        self._jobs[made.name] = made
        return made

    def get(self, name: str) -> Job:
        """A job of this client.

        Raises:
            UnknownJob: There is none of this name.
        """
        if name not in self._jobs:
            raise UnknownJob(f"no job {name}", **advice_for(name, self._jobs))
        return self._jobs[name]

    def stream(self, name: str) -> None:
        """Print how a job ended.

        Raises:
            UnknownJob: There is none of this name.
            PipelineFailed: It has failed.
        """
        job = self.get(name)
        print(job)
        if job.failure is not None:
            raise job.failure


class Computes:
    """The computes of a client."""

    def get(self, name: str) -> str:
        """Say where steps with this compute run."""
        return f"{name}: the Compute block of this name, or else this machine"


class MLClient:
    """Runs jobs here; arguments are accepted, and have no effect.

    Attributes:
        jobs: Runs jobs, and knows those that it has run.
        compute: Knows where a compute is.

    Example:
        ```python
        from prefect_parallel.azure import MLClient, load_job

        client = MLClient.from_config()
        job = client.jobs.create_or_update(load_job("pipeline.yml"))
        client.jobs.stream(job.name)
        ```
    """

    def __init__(self, *_: Any, **__: Any) -> None:
        self.jobs = Jobs()
        self.compute = Computes()

    @classmethod
    def from_config(cls, *_: Any, **__: Any) -> MLClient:
        """A client; no config.json is needed."""
        return cls()
