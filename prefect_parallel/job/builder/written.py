"""Steps, inputs and outputs as YAML would hold them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from prefect_parallel.job.builder.nouns import Environment, Input, Output, RunFunction
from prefect_parallel.job.builder.step import PipelineInput, Step, StepOutput
from prefect_parallel.job.expressions import keep_given
from prefect_parallel.job.values import LITERAL_TYPES


def step_of(
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
    data["outputs"] = {name: output_of(value, bound.get(name)) for name, value in step.made.items()}
    return data


def _is_unfilled(value: Input) -> bool:
    return value.path is None and value.default is None


def pipeline_input(value: Any) -> Any:
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
            return without_none(data)
        case Mapping():
            return dict(value)
    return value


def output_of(value: Any, bound: str | None) -> Any:
    if bound is not None:
        return f"${{{{parent.outputs.{bound}}}}}"
    if not isinstance(value, Output):
        return value or {}
    data = without_none(vars(value) | _mode(value.mode))
    if value.path is not None:
        data["path"] = os.fspath(value.path)
    return data


def _mode(mode: str | None) -> dict[str, Any]:
    return {"mode": mode} if mode else {}


def _plain(value: Any) -> Any:
    """Settings as YAML holds them."""
    if isinstance(value, RunFunction):
        task = {key: _plain(part) for key, part in vars(value).items()}
        return without_none({"type": "run_function", **task})
    if isinstance(value, Environment):
        return without_none({key: _plain(part) for key, part in vars(value).items()})
    if isinstance(value, PipelineInput):
        return _input(value, {})
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return without_none({key: _plain(part) for key, part in value.items()})
    return value


def without_none(data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if value is not None}
