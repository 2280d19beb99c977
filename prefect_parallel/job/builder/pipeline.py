"""Pipelines from functions."""

from __future__ import annotations

import functools
import inspect
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any, overload

from prefect_parallel.document import document_of
from prefect_parallel.errors import InvalidPipeline, Problem
from prefect_parallel.job.builder.serialize import Writer, output_of, pipeline_input, without_none
from prefect_parallel.job.builder.step import (
    Attributes,
    PipelineInput,
    Ports,
    Step,
    StepOutput,
    steps_so_far,
)
from prefect_parallel.job.format.name_validators import as_asset
from prefect_parallel.job.loading.load import job_from
from prefect_parallel.job.models.pipeline import PipelineJob


@overload
def pipeline(func: Callable[..., Any], /) -> Callable[..., PipelineJob]: ...


@overload
def pipeline(
    func: None = None,
    /,
    *,
    name: str | None = None,
    version: str | None = None,
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
    """Make a pipeline from a function that makes its steps.

    The function's parameters become the pipeline's inputs; it may return a dict of outputs.

    Args:
        func: The function.
        settings: `name`, `display_name`, `description`, `experiment_name`, `tags`, `compute`,
            `default_compute`, `default_datastore`, `continue_on_step_failure`, `force_rerun`.
            The name, else the function's, is the default of the display name; `version` has no
            effect here.

    Returns:
        A function that takes the pipeline's inputs and returns a `PipelineJob`; it raises
        InvalidPipeline if the job has errors. An input that is None is not given. The job's
        settings, and types, modes and paths of its outputs may be changed later.

    Example:
        ```python
        from prefect_parallel import Input, Output, RunFunction, parallel_run_function, pipeline

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
        ```
    """
    if func is None:
        return lambda func: _Maker(func, settings)
    return _Maker(func, settings)


class _Maker:
    """A pipeline function, called with the pipeline's inputs."""

    def __init__(self, func: Callable[..., Any], settings: Mapping[str, Any]) -> None:
        functools.update_wrapper(self, func)
        self.func = func
        self.settings = settings

    def __call__(self, *args: Any, **kwargs: Any) -> PipelineJob:
        bound = inspect.signature(self.func).bind(*args, **kwargs)
        bound.apply_defaults()
        if steps_so_far.get() is not None:
            problem = Problem(f"{self.func.__name__} is called inside a pipeline")
            raise InvalidPipeline([problem])
        inputs = without_none(bound.arguments)
        stand_ins = {
            name: PipelineInput(name) if name in inputs else None for name in bound.arguments
        }
        token = steps_so_far.set([])
        try:
            returned, variables = _run(self.func, stand_ins)
            steps = steps_so_far.get() or []
        finally:
            steps_so_far.reset(token)
        names = _names(steps, variables)
        returned_outputs = _returned(returned)
        data: dict[str, Any] = {
            "type": "pipeline",
            "display_name": self.settings.get("name") or self.func.__name__,
        }
        if self.func.__doc__:
            data["description"] = inspect.cleandoc(self.func.__doc__)
        data.update(_pipeline_settings(self.settings))
        data["inputs"] = {name: pipeline_input(value) for name, value in inputs.items()}
        data["outputs"] = {
            name: output_of(output.step.made[output.port], None)
            for name, output in returned_outputs.items()
        }
        writer = Writer(inputs, names, returned_outputs)
        data["jobs"] = {names[step]: writer.step(step) for step in steps}
        job = job_from(document_of(_without_empty(data), Path.cwd()))
        if job.outputs:
            job.outputs = Attributes(job.outputs)
        return job


def _run(func: Callable[..., Any], arguments: Mapping[str, Any]) -> tuple[Any, Mapping[str, Any]]:
    """The result of a function, and its variables when it returns."""
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
    """A name for each step.

    It is the step's own, unless several steps in variables have the same one: then it is the
    variable's. A step without name and variable is named after one of the same template. A name
    that is taken gets a number.
    """
    held = {
        id(value): name
        for name, value in variables.items()
        if isinstance(value, Step) and name != "_"
    }
    shared = Counter(step.settings.get("name") for step in steps if id(step) in held)
    names: dict[Step, str] = {}
    of_template: dict[Step, str] = {}
    for step in sorted(steps, key=lambda step: id(step) not in held):
        name, variable = step.settings.get("name"), held.get(id(step))
        if variable and (name is None or shared[name] > 1):
            name = variable
        wanted = (
            name or of_template.get(step.template) or step.component_name or step.settings["type"]
        )
        if variable and step.settings.get("name") is None:
            of_template[step.template] = wanted
        name, number = wanted, 1
        while name in names.values():
            name = f"{wanted}_{number}"
            number += 1
        names[step] = name
    return names


def _returned(returned: Any) -> dict[str, StepOutput]:
    if returned is None:
        return {}
    if isinstance(returned, Ports):
        returned = {name: returned[name] for name in returned}
    good = isinstance(returned, Mapping) and all(
        isinstance(value, StepOutput) for value in returned.values()
    )
    if not good:
        raise TypeError("a pipeline function returns a dict of steps' outputs, or nothing")
    return dict(returned)


def _pipeline_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    at_job = ("display_name", "description", "experiment_name", "tags", "compute")
    data = {key: settings[key] for key in at_job if settings.get(key) is not None}
    rest = {
        key: value for key, value in settings.items() if key not in (*at_job, "name", "version")
    }
    for key in ("default_compute", "default_datastore"):
        if isinstance(rest.get(key), str):
            rest[key] = as_asset(rest[key])
    data["settings"] = without_none(rest)
    return data


def _without_empty(data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if value or key in ("jobs", "settings")}
