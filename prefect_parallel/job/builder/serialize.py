"""Steps, inputs and outputs as YAML has them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from prefect_parallel.document import shown
from prefect_parallel.errors import InvalidPipeline, Problem
from prefect_parallel.job.builder.entities import Environment, Input, Output, RunFunction
from prefect_parallel.job.builder.step import PipelineInput, Step, StepInput, StepOutput
from prefect_parallel.job.format.types import LITERAL_TYPES
from prefect_parallel.job.models.io_models import as_type, limit_of
from prefect_parallel.job.syntax.expressions import keep_given
from prefect_parallel.yaml_schema import Refused


class Writer:
    """Writes the steps of one pipeline.

    Args:
        inputs: What the pipeline is given.
        names: The steps' names.
        returned: The outputs that the pipeline returns, by their names in the pipeline.
    """

    def __init__(
        self,
        inputs: Mapping[str, Any],
        names: Mapping[Step, str],
        returned: Mapping[str, StepOutput],
    ) -> None:
        self.inputs = inputs
        self.names = names
        self.returned = returned

    def step(self, step: Step) -> dict[str, Any]:
        written = {key: _plain(value) for key, value in step.settings.items() if key != "name"}
        data = {key: value for key, value in written.items() if value != {}}
        bound = {output.port: name for name, output in self.returned.items() if output.step is step}
        missing = [f"inputs.{name}" for name, value in step.given.items() if _is_left_out(value)]
        for holder, key in ((data.get("task", {}), "program_arguments"), (data, "command")):
            if holder.get(key):
                holder[key] = keep_given(holder[key], missing)
        data["inputs"] = {
            name: self._input(step, name) for name in step.given if f"inputs.{name}" not in missing
        }
        data["outputs"] = {
            name: output_of(value, bound.get(name)) for name, value in step.made.items()
        }
        return data

    def _input(self, step: Step, name: str) -> Any:
        value = _unwrapped(step.given[name])
        declared = step.declared.get(name)
        if isinstance(value, (PipelineInput, StepOutput)):
            binding = self._binding(value)
            if isinstance(declared, Input) and declared.type in LITERAL_TYPES:
                if isinstance(value, PipelineInput):
                    self._literal(
                        f"inputs.{value.name}", input_of(self.inputs[value.name]), declared
                    )
                return binding
            if not isinstance(declared, Input):
                return binding
            # A bare binding takes type and mode from what it is bound to.
            if declared.mode is None and declared.type == self._type_of(value):
                return binding
            return {"type": declared.type, "path": binding, **_mode(declared.mode)}
        if isinstance(value, Input) and isinstance(bound := _unwrapped(value.path), _BINDINGS):
            return {"type": value.type, "path": self._binding(bound), **_mode(value.mode)}
        written = input_of(value)
        if isinstance(declared, Input) and declared.type in LITERAL_TYPES and written is not None:
            return self._literal(f"jobs.{self.names[step]}.inputs.{name}", written, declared)
        return written

    @staticmethod
    def _literal(key: str, value: Any, declared: Input) -> Any:
        """A literal as it is declared; it is checked."""
        found = ""
        try:
            value = as_type(value, declared.type)
            found = "enum: "
            allowed = limit_of(value, declared)
        except Refused as refused:
            problem = Problem(f"{found}{refused.found}", key=key, allowed=refused.allowed)
            raise InvalidPipeline([problem]) from None
        if allowed is not None:
            raise InvalidPipeline([Problem(f"found {shown(value)}", key=key, allowed=allowed)])
        return value

    def _binding(self, value: Any) -> str:
        if isinstance(value, PipelineInput):
            return f"${{{{parent.inputs.{value.name}}}}}"
        return f"${{{{parent.jobs.{self.names[value.step]}.outputs.{value.port}}}}}"

    def _type_of(self, value: Any) -> str:
        source = self.inputs[value.name] if isinstance(value, PipelineInput) else value
        return str(getattr(source, "type", ""))


_ONLY_IN_PYTHON = ("datastore", "properties")
"""Attributes of an environment in azure-ai-ml that are not keys in YAML."""

_BINDINGS = (PipelineInput, StepOutput)


def _unwrapped(value: Any) -> Any:
    """The value of an input: a step's only output, or the value of another input."""
    if isinstance(value, StepInput):
        return _unwrapped(value.value)
    if isinstance(value, Step):
        if len(value.made) != 1:
            made = ", ".join(value.made)
            raise TypeError(
                f"a step with several outputs cannot be an input; give one of its outputs: {made}"
            )
        return StepOutput(value, next(iter(value.made)))
    return value


def _is_left_out(value: Any) -> bool:
    return (
        isinstance(value, Input)
        and bool(value.optional)
        and value.path is None
        and value.default is None
    )


def input_of(value: Any) -> Any:
    """An input that is not a binding."""
    if isinstance(value, Input):
        if value.type in LITERAL_TYPES:
            return value.default
        data = {"type": value.type, "datastore": value.datastore, **_mode(value.mode)}
        if value.path is not None:
            data["path"] = os.fspath(value.path)
        return without_none(data)
    if isinstance(value, Mapping):
        return dict(value)
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def pipeline_input(value: Any) -> Any:
    """An input of the pipeline, with the description that forms show."""
    written = input_of(value)
    if isinstance(value, Input) and isinstance(written, dict) and value.description is not None:
        written["description"] = value.description
    return written


def output_of(value: Any, bound: str | None) -> Any:
    if bound is not None:
        return f"${{{{parent.outputs.{bound}}}}}"
    if not isinstance(value, Output):
        return value or {}
    data = without_none(vars(value) | {"description": None})
    if value.path is not None:
        data["path"] = os.fspath(value.path)
    return data


def _mode(mode: str | None) -> dict[str, Any]:
    return {"mode": mode} if mode else {}


def _plain(value: Any) -> Any:
    """A value as YAML has it."""
    if isinstance(value, RunFunction):
        task = {key: _plain(part) for key, part in vars(value).items()}
        return without_none({"type": "run_function", **task})
    if isinstance(value, Environment):
        parts = {key: part for key, part in vars(value).items() if key not in _ONLY_IN_PYTHON}
        return without_none({key: _plain(part) for key, part in parts.items()})
    if isinstance(value, PipelineInput):
        return f"${{{{parent.inputs.{value.name}}}}}"
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return without_none({key: _plain(part) for key, part in value.items()})
    return value


def without_none(data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if value is not None}
