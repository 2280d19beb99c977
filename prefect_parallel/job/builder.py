"""Pipelines in Python, with the names and arguments that azure-ai-ml users know.

    from prefect_parallel.job.builder import Input, Output, RunFunction
    from prefect_parallel.job.builder import parallel_run_function, pipeline

    score = parallel_run_function(
        inputs={"rows": Input(type="mltable", mode="direct")},
        outputs={"scores": Output(type="uri_file")},
        input_data="${{inputs.rows}}",
        mini_batch_size="10kb",
        task=RunFunction(
            code="./script",
            entry_script="score.py",
            environment="azureml:anything:1",
            append_row_to="${{outputs.scores}}",
        ),
    )

    @pipeline(display_name="nightly scores")
    def nightly(rows):
        scoring = score(rows=rows)
        return {"scores": scoring.outputs.scores}

    job = nightly(rows=Input(type="mltable", path="./rows"))

What comes out is a `PipelineJob`, checked as a YAML file is; relative paths count from the
working directory. A step is named after the variable that it is assigned to.
"""

from __future__ import annotations

import functools
import inspect
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, overload

from prefect_parallel.errors import InvalidPipeline, Problem
from prefect_parallel.job.document import document_of
from prefect_parallel.job.expressions import keep_given
from prefect_parallel.job.load import job_from
from prefect_parallel.job.pipeline import PipelineJob
from prefect_parallel.job.values import LITERAL_TYPES

__all__ = [
    "Environment",
    "Input",
    "Output",
    "RunFunction",
    "command",
    "parallel_run_function",
    "pipeline",
]


@dataclass
class Input:
    """An input: data with a path, or a declaration that a later call fills.

    Attributes:
        type: A data type, or "string", "integer", "number", "boolean".
        path: Where the data is.
        mode: How a step gets it.
        default: Of a literal.
        optional: Whether it may be left out.
        description: For people.
    """

    type: str = "uri_folder"
    path: str | os.PathLike[str] | None = None
    mode: str | None = None
    default: str | int | float | bool | None = None
    optional: bool = False
    description: str | None = None


@dataclass
class Output:
    """An output of a step or of the pipeline."""

    type: str = "uri_folder"
    path: str | os.PathLike[str] | None = None
    mode: str | None = None
    name: str | None = None
    version: str | None = None
    description: str | None = None


@dataclass
class Environment:
    """An environment in place; here, steps run in the environment that runs the pipeline."""

    name: str | None = None
    version: str | None = None
    description: str | None = None
    image: str | None = None
    build: Mapping[str, str] | None = None
    conda_file: str | os.PathLike[str] | Mapping[str, Any] | None = None
    tags: Mapping[str, str] | None = None


@dataclass
class RunFunction:
    """What a parallel step runs over each mini-batch."""

    code: str | os.PathLike[str] | None = None
    entry_script: str | None = None
    program_arguments: str | None = None
    model: str | None = None
    append_row_to: str | None = None
    environment: Environment | str | Mapping[str, Any] | None = None


@dataclass(frozen=True, eq=False)
class StepOutput:
    """The output of a step, to be given to another or returned from a pipeline."""

    step: Step
    name: str


@dataclass(frozen=True)
class PipelineInput:
    """An input of the pipeline, as its function gets it."""

    name: str


class _Ports:
    """`step.outputs.scores`, and `step.outputs["scores"]`."""

    def __init__(self, step: Step, values: dict[str, Any], *, outputs: bool) -> None:
        self.__dict__.update(_step=step, _values=values, _outputs=outputs)

    def __getattr__(self, name: str) -> Any:
        if name not in self._values:
            raise AttributeError(f"the step has no {name!r}; it has: {', '.join(self._values)}")
        return StepOutput(self._step, name) if self._outputs else self._values[name]

    def __setattr__(self, name: str, value: Any) -> None:
        self._values[name] = value

    __getitem__ = __getattr__
    __setitem__ = __setattr__


class Step:
    """A step, or the template of one: called with inputs it makes a step of a pipeline.

    Settings are attributes with the names of the keys in YAML, and may be changed.
    """

    def __init__(
        self, inputs: Mapping[str, Any] | None, outputs: Mapping[str, Any] | None, **settings: Any
    ) -> None:
        self.settings = {key: value for key, value in settings.items() if value is not None}
        self.given = dict(inputs or {})
        self.made = dict(outputs or {})
        self.inputs = _Ports(self, self.given, outputs=False)
        self.outputs = _Ports(self, self.made, outputs=True)
        if (steps := _steps.get()) is not None:
            steps.append(self)

    def __call__(self, **inputs: Any) -> Step:
        """A step with these inputs.

        Raises:
            TypeError: It has no such input.
        """
        for name in inputs:
            if name not in self.given:
                raise TypeError(f"no input {name!r}; there are: {', '.join(self.given)}")
        steps = _steps.get()
        if steps is not None and self in steps:
            steps.remove(self)  # It was only the template.
        return Step({**self.given, **inputs}, self.made, **self.settings)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or "settings" not in self.__dict__:
            raise AttributeError(name)
        return self.settings.get(name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("settings", "given", "made", "inputs", "outputs"):
            self.__dict__[name] = value
        else:
            self.settings[name] = value

    def set_resources(self, **resources: Any) -> None:
        """Set `instance_count` and the like."""
        given = {key: value for key, value in resources.items() if value is not None}
        self.settings["resources"] = {**self.settings.get("resources", {}), **given}

    def set_limits(self, *, timeout: int) -> None:
        """Set the seconds after which a command is ended."""
        self.settings["limits"] = {"timeout": timeout}


_steps: ContextVar[list[Step] | None] = ContextVar("steps", default=None)
"""The steps made so far in the pipeline function that runs now."""


def parallel_run_function(
    *,
    name: str | None = None,
    description: str | None = None,
    tags: Mapping[str, Any] | None = None,
    properties: Mapping[str, str] | None = None,
    display_name: str | None = None,
    experiment_name: str | None = None,
    compute: str | None = None,
    retry_settings: Any = None,
    environment_variables: Mapping[str, str] | None = None,
    logging_level: str | None = None,
    max_concurrency_per_instance: int | None = None,
    error_threshold: int | None = None,
    mini_batch_error_threshold: int | None = None,
    task: RunFunction | None = None,
    mini_batch_size: str | None = None,
    partition_keys: Sequence[str] | None = None,
    input_data: str | None = None,
    inputs: Mapping[str, Any] | None = None,
    outputs: Mapping[str, Any] | None = None,
    instance_count: int | None = None,
    instance_type: str | None = None,
    docker_args: str | Sequence[str] | None = None,
    shm_size: str | None = None,
    identity: Mapping[str, str] | None = None,
    is_deterministic: bool = True,
) -> Step:
    """A parallel step. The arguments are the keys of the step in YAML.

    Args:
        name: Its name, unless it is assigned to a variable.
        retry_settings: A mapping, or anything with `max_retries` and `timeout`.
        is_deterministic: Without meaning here.
    """
    step = Step(
        inputs,
        outputs,
        type="parallel",
        name=name,
        description=description,
        tags=tags,
        properties=properties,
        display_name=display_name,
        experiment_name=experiment_name,
        compute=compute,
        retry_settings=_retry_settings(retry_settings),
        environment_variables=environment_variables,
        logging_level=logging_level,
        max_concurrency_per_instance=max_concurrency_per_instance,
        error_threshold=error_threshold,
        mini_batch_error_threshold=mini_batch_error_threshold,
        task=task,
        mini_batch_size=mini_batch_size,
        partition_keys=partition_keys,
        input_data=input_data,
        identity=identity,
    )
    if any(value is not None for value in (instance_count, instance_type, docker_args, shm_size)):
        step.set_resources(
            instance_count=instance_count,
            instance_type=instance_type,
            docker_args=docker_args,
            shm_size=shm_size,
        )
    return step


def command(
    *,
    name: str | None = None,
    description: str | None = None,
    tags: Mapping[str, Any] | None = None,
    properties: Mapping[str, str] | None = None,
    display_name: str | None = None,
    command: str | None = None,
    experiment_name: str | None = None,
    environment: Environment | str | Mapping[str, Any] | None = None,
    environment_variables: Mapping[str, Any] | None = None,
    distribution: Any = None,
    compute: str | None = None,
    inputs: Mapping[str, Any] | None = None,
    outputs: Mapping[str, Any] | None = None,
    instance_count: int | None = None,
    instance_type: str | None = None,
    locations: Sequence[str] | None = None,
    docker_args: str | Sequence[str] | None = None,
    shm_size: str | None = None,
    timeout: int | None = None,
    code: str | os.PathLike[str] | None = None,
    identity: Mapping[str, str] | None = None,
    is_deterministic: bool = True,
) -> Step:
    """A command step. The arguments are the keys of the step in YAML.

    Args:
        name: Its name, unless it is assigned to a variable.
        timeout: Seconds after which the command is ended.
        is_deterministic: Without meaning here.
    """
    step = Step(
        inputs,
        outputs,
        type="command",
        name=name,
        description=description,
        tags=tags,
        properties=properties,
        display_name=display_name,
        command=command,
        experiment_name=experiment_name,
        environment=environment,
        environment_variables=environment_variables,
        distribution=distribution,
        compute=compute,
        code=code,
        identity=identity,
    )
    resources = {
        "instance_count": instance_count,
        "instance_type": instance_type,
        "locations": locations,
        "docker_args": docker_args,
        "shm_size": shm_size,
    }
    if any(value is not None for value in resources.values()):
        step.set_resources(**resources)
    if timeout is not None:
        step.set_limits(timeout=timeout)
    return step


@overload
def pipeline(func: Callable[..., Any], /) -> Callable[..., PipelineJob]: ...


@overload
def pipeline(
    func: None = None,
    /,
    *,
    name: str | None = None,
    display_name: str | None = None,
    description: str | None = None,
    experiment_name: str | None = None,
    tags: Mapping[str, str] | None = None,
    compute: str | None = None,
    default_compute: str | None = None,
    default_datastore: str | None = None,
    continue_on_step_failure: bool | None = None,
    force_rerun: bool | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., PipelineJob]]: ...


def pipeline(func: Callable[..., Any] | None = None, /, **settings: Any) -> Any:
    """Make a pipeline of a function that makes its steps.

    The function's parameters become the pipeline's inputs; it may return a dict of outputs.

    Args:
        func: The function.
        settings: `name`, `display_name`, `description`, `experiment_name`, `tags`, `compute`,
            `default_compute`, `default_datastore`, `continue_on_step_failure`, `force_rerun`.

    Returns:
        What takes the pipeline's inputs and returns a `PipelineJob`; it raises InvalidPipeline
        if that has mistakes.
    """
    if func is None:
        return lambda func: pipeline(func, **settings) if not settings else _Maker(func, settings)
    return _Maker(func, settings)


class _Maker:
    """A pipeline function, to be called with the pipeline's inputs."""

    def __init__(self, func: Callable[..., Any], settings: Mapping[str, Any]) -> None:
        functools.update_wrapper(self, func)
        self.func = func
        self.settings = settings

    def __call__(self, *args: Any, **kwargs: Any) -> PipelineJob:
        bound = inspect.signature(self.func).bind(*args, **kwargs)
        bound.apply_defaults()
        if _steps.get() is not None:
            raise InvalidPipeline(
                [
                    Problem(
                        f"{self.func.__name__} is called inside a pipeline", hint="call its steps"
                    )
                ]
            )
        stand_ins = {name: PipelineInput(name) for name in bound.arguments}
        token = _steps.set([])
        try:
            returned, variables = _run(self.func, stand_ins)
            steps = _steps.get() or []
        finally:
            _steps.reset(token)
        names = _names(steps, variables)
        returned_outputs = _returned(returned)
        data: dict[str, Any] = {"type": "pipeline", "display_name": self.func.__name__}
        if self.func.__doc__:
            data["description"] = inspect.cleandoc(self.func.__doc__)
        data.update(_pipeline_settings(self.settings))
        data["inputs"] = {name: _pipeline_input(value) for name, value in bound.arguments.items()}
        data["outputs"] = {
            name: _output(output.step.made[output.name], None)
            for name, output in returned_outputs.items()
        }
        data["jobs"] = {names[step]: _step(step, names, returned_outputs) for step in steps}
        return job_from(document_of(_without_empty(data), Path.cwd()))


def _run(func: Callable[..., Any], arguments: Mapping[str, Any]) -> tuple[Any, Mapping[str, Any]]:
    """What a function returns, and its variables at that moment."""
    variables: dict[str, Any] = {}

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event == "return" and frame.f_code is func.__code__:
            variables.update(frame.f_locals)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        returned = func(**arguments)
    finally:
        sys.setprofile(before)
    return returned, variables


def _names(steps: list[Step], variables: Mapping[str, Any]) -> dict[Step, str]:
    """A name for each step: its variable's, else its own, with a number if it is taken."""
    names: dict[Step, str] = {}
    by_variable = {id(value): name for name, value in variables.items() if isinstance(value, Step)}
    for step in steps:
        wanted = by_variable.get(id(step)) or step.settings.get("name") or step.settings["type"]
        name, number = wanted, 1
        while name in names.values():
            name = f"{wanted}_{number}"
            number += 1
        names[step] = name
    return names


def _returned(returned: Any) -> dict[str, StepOutput]:
    if returned is None:
        return {}
    good = isinstance(returned, Mapping) and all(
        isinstance(value, StepOutput) for value in returned.values()
    )
    if not good:
        raise TypeError("a pipeline function returns a dict of steps' outputs, or nothing")
    return dict(returned)


def _step(
    step: Step, names: Mapping[Step, str], returned: Mapping[str, StepOutput]
) -> dict[str, Any]:
    data = {key: _plain(value) for key, value in step.settings.items() if key != "name"}
    bound = {output.name: name for name, output in returned.items() if output.step is step}
    missing = [
        f"inputs.{name}"
        for name, value in step.given.items()
        if isinstance(value, Input) and value.optional and _is_unfilled(value)
    ]
    for holder, key in ((data.get("task", {}), "program_arguments"), (data, "command")):
        if holder.get(key):
            holder[key] = keep_given(holder[key], missing)
    data["inputs"] = {
        name: _input(value, names)
        for name, value in step.given.items()
        if f"inputs.{name}" not in missing
    }
    data["outputs"] = {name: _output(value, bound.get(name)) for name, value in step.made.items()}
    return data


def _is_unfilled(value: Input) -> bool:
    return value.path is None and value.default is None


def _pipeline_input(value: Any) -> Any:
    if isinstance(value, Input):
        return _input(value, {})
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _input(value: Any, names: Mapping[Step, str]) -> Any:
    match value:
        case PipelineInput(name=name):
            return f"${{{{parent.inputs.{name}}}}}"
        case StepOutput(step=step, name=name):
            return f"${{{{parent.jobs.{names[step]}.outputs.{name}}}}}"
        case Input(type=of_type) if of_type in LITERAL_TYPES:
            return value.default
        case Input(path=PipelineInput() | StepOutput() as bound):
            return {"type": value.type, "path": _input(bound, names), **_mode(value.mode)}
        case Input():
            data = {"type": value.type, "description": value.description, **_mode(value.mode)}
            if value.path is not None:
                data["path"] = os.fspath(value.path)
            return _without_none(data)
        case Mapping():
            return dict(value)
    return value


def _output(value: Any, bound: str | None) -> Any:
    if bound is not None:
        return f"${{{{parent.outputs.{bound}}}}}"
    if not isinstance(value, Output):
        return value or {}
    data = _without_none(vars(value) | _mode(value.mode))
    if value.path is not None:
        data["path"] = os.fspath(value.path)
    return data


def _mode(mode: str | None) -> dict[str, Any]:
    return {"mode": mode} if mode else {}


def _plain(value: Any) -> Any:
    """Settings as YAML holds them."""
    if isinstance(value, RunFunction):
        task = {key: _plain(part) for key, part in vars(value).items()}
        return _without_none({"type": "run_function", **task})
    if isinstance(value, Environment):
        return _without_none({key: _plain(part) for key, part in vars(value).items()})
    if isinstance(value, PipelineInput):
        return _input(value, {})
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    return value


def _retry_settings(value: Any) -> Any:
    if value is None or isinstance(value, Mapping):
        return value
    return _without_none({"max_retries": value.max_retries, "timeout": value.timeout})


def _pipeline_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    at_job = ("name", "display_name", "description", "experiment_name", "tags", "compute")
    data = {key: settings[key] for key in at_job if settings.get(key) is not None}
    rest = {key: value for key, value in settings.items() if key not in at_job}
    for key in ("default_compute", "default_datastore"):
        value = rest.get(key)
        if isinstance(value, str) and not value.startswith("azureml:") and value != "serverless":
            rest[key] = f"azureml:{value}"
    data["settings"] = _without_none(rest)
    return data


def _without_none(data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if value is not None}


def _without_empty(data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if value or key == "jobs"}
