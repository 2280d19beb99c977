"""The inputs of the pipeline and its steps, with their bindings resolved."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Any

from prefect_parallel.document import KeyPath, shown
from prefect_parallel.errors import advice_for, did_you_mean
from prefect_parallel.job.files.locations import is_local, location_of, misfit
from prefect_parallel.job.format.types import DATA_TYPES, literal_type
from prefect_parallel.job.models.io_models import (
    DEFAULT_DATA_TYPE,
    DEFAULT_INPUT_MODE,
    DataInput,
    DeclaredInput,
    as_type,
    limit_of,
)
from prefect_parallel.job.models.pipeline import PipelineJob
from prefect_parallel.job.resolution.diagnostics import JobDiagnostics
from prefect_parallel.job.resolution.outputs import output_names
from prefect_parallel.job.resolution.resolved import Data, Input, Literal, Missing, OutputOf
from prefect_parallel.job.syntax.expressions import Expression, fill, find, malformed, whole
from prefect_parallel.yaml_schema import Refused

MAX_DETOURS = 20
"""Maximum number of inputs of other steps between an input and its value."""


class Bindings:
    """The inputs of a job, with values put in. What cannot be read is `Missing`.

    Args:
        values: Values for the pipeline's inputs, in place of their own.
        complete: Whether each input of the pipeline must have a value.
    """

    def __init__(
        self,
        job: PipelineJob,
        values: Mapping[str, Any],
        complete: bool,
        diagnostics: JobDiagnostics,
    ) -> None:
        self._job = job
        self._add = diagnostics.add
        for name in values:
            if name not in job.inputs:
                self._add(
                    ("inputs", name),
                    "the pipeline has no such input",
                    **advice_for(name, job.inputs),
                )
        self.of_pipeline: dict[str, Input] = {
            name: self._of_pipeline(name, value, values, complete)
            for name, value in job.inputs.items()
        }

    def _of_pipeline(
        self, name: str, written: Any, values: Mapping[str, Any], complete: bool
    ) -> Input:
        path = ("inputs", name)
        if written is None:
            return Missing()
        if not isinstance(written, DataInput):
            value = values.get(name, written)
            of_type = literal_type(written)
            if not _fits(value, of_type):
                self._add(path, f"found {shown(value)}", f"a value of type {of_type}")
                value = written
            if isinstance(value, str) and (find(value) or malformed(value)):
                self._add(path, "an expression is not allowed in an input of the pipeline")
            return Literal(value, of_type)
        value = values.get(name, written.path)
        if not isinstance(value, (str, os.PathLike)):
            if value is not None:
                self._add(path, f"found {shown(value)}", "a path or URL")
            elif complete:
                self._add(path, "the input has no path", hint=f"--set inputs.{name}.path=...")
            return Data(written.type, written.mode or DEFAULT_INPUT_MODE, "", "")
        return self._data(("inputs", name), None, written, os.fspath(value))

    def of_step(self, step: str) -> dict[str, Input]:
        """The inputs of a step: given, by default, or missing."""
        component = self._job.components.get(step)
        given = self._job.jobs[step].inputs
        if component is None:
            return {name: self._given(step, name) for name in given}
        declared = component.model.inputs
        for name in given:
            if name not in declared:
                self._add(
                    ("jobs", step, "inputs", name),
                    "the component declares no such input",
                    **advice_for(name, declared),
                    of_key=True,
                )
        return {
            name: self._given(step, name)
            if name in given
            else self._not_given(step, name, declaration)
            for name, declaration in declared.items()
        }

    def _not_given(self, step: str, name: str, declaration: DeclaredInput) -> Input:
        if declaration.default is not None:
            return Literal(declaration.default, declaration.type)
        if not declaration.optional:
            self._add(("jobs", step, "inputs", name), "the component requires this input")
        return Missing()

    def _given(self, step: str, name: str, seen: frozenset[tuple[str, str]] = frozenset()) -> Input:
        """An input that a step is given; `seen` are the inputs of other steps that lead to it."""
        path: KeyPath = ("jobs", step, "inputs", name)
        value = self._job.jobs[step].inputs[name]
        if value is None:
            return Missing()
        component = self._job.components.get(step)
        declared = component.model.inputs.get(name) if component else None
        component_mode = declared.mode if declared else None
        if isinstance(value, DataInput):
            if declared and declared.type not in DATA_TYPES:
                allowed = f"a value of type {declared.type}"
                self._add(path, "found data", allowed=allowed)
                return Missing()
            path = (*path, "path")
            if value.path is None:
                self._add(path, "the key is missing", "the location of the data")
                return Missing()
            expression = whole(value.path)
            if expression is None:
                text = self._filled(path, value.path)
                return self._data(path, component_mode, value, text)
            bound = self._bound(step, name, path, expression, seen)
            mode = value.mode or component_mode or DEFAULT_INPUT_MODE
            of_type = declared.type if declared else value.type
            match bound:
                case Data():
                    return Data(of_type, mode, bound.path, bound.location, bound.datastore)
                case OutputOf():
                    return OutputOf(bound.step, bound.output, of_type, mode)
                case Literal(value=str(text)):
                    return self._data(path, component_mode, value, text)
                case Literal():
                    self._add(path, f"{expression} is {bound.text}, not data")
            return bound
        expression = whole(value)
        if expression is not None:
            bound = self._bound(step, name, path, expression, seen)
            return self._as_declared(self.place(path, expression), bound, declared)
        if isinstance(value, str):
            value = self._filled(path, value)
            if declared and declared.type in DATA_TYPES:
                data = DataInput(type=declared.type, path=value)
                return self._data(path, component_mode, data, value)
        return self._as_declared(path, Literal(value, literal_type(value)), declared)

    def place(self, path: KeyPath, expression: Expression) -> KeyPath:
        """Where the value of an expression at a path is given: there, unless it is overridden."""
        match expression.words:
            case ("parent", "inputs", name) if self._job.document.is_overridden(("inputs", name)):
                return ("inputs", name)
        return path

    def _as_declared(self, path: KeyPath, value: Input, declared: DeclaredInput | None) -> Input:
        if declared is None or isinstance(value, Missing):
            return value
        if isinstance(value, Literal):
            try:
                literal = as_type(value.value, declared.type)
            except Refused as refused:
                self._add(path, refused.found, refused.allowed)
                return value
            if (allowed := limit_of(literal, declared)) is not None:
                self._add(path, f"found {shown(literal)}", allowed)
            return Literal(literal, declared.type)
        if declared.type not in DATA_TYPES:
            self._add(path, "found data", f"a value of type {declared.type}")
        return value

    def _bound(
        self,
        step: str,
        name: str,
        path: KeyPath,
        expression: Expression,
        seen: frozenset[tuple[str, str]],
    ) -> Input:
        job = self._job
        match expression.words:
            case ("parent", "inputs", there):
                if there in self.of_pipeline:
                    return self.of_pipeline[there]
                self._add(
                    path,
                    f"{expression}: the pipeline has no input {there}",
                    **advice_for(there, job.inputs),
                )
            case ("parent", "jobs", other, "outputs" | "inputs", _) if other not in job.jobs:
                self._add(
                    path, f"{expression}: there is no step {other}", **advice_for(other, job.jobs)
                )
            case ("parent", "jobs", other, "outputs", there):
                if not job.is_read(other):
                    return OutputOf(other, there, DEFAULT_DATA_TYPE, DEFAULT_INPUT_MODE)
                outputs = output_names(job, other)
                if there in outputs:
                    return OutputOf(other, there, outputs[there], DEFAULT_INPUT_MODE)
                self._add(
                    path,
                    f"{expression}: the step {other} has no output {there}",
                    **advice_for(there, outputs),
                )
            case ("parent", "jobs", other, "inputs", _) if not job.is_read(other):
                return Missing()
            case ("parent", "jobs", other, "inputs", there):
                given = job.jobs[other].inputs
                if (other, there) in seen or (other, there) == (step, name):
                    self._add(path, f"{expression} is a circular binding")
                elif len(seen) == MAX_DETOURS:
                    message = f"{expression} leads through more than {MAX_DETOURS} other inputs"
                    self._add(path, message, hint="bind it to the output or input itself")
                elif there in given:
                    return self._given(other, there, seen | {(other, there)})
                else:
                    self._add(
                        path,
                        f"{expression}: the step {other} is given no input {there}",
                        **advice_for(there, given),
                    )
            case ("inputs", there):
                self._add(
                    path,
                    f"{expression} is the step's own input",
                    hint=f"write ${{{{parent.inputs.{there}}}}}",
                )
            case _:
                self._add(
                    path,
                    f"{expression} is not allowed here",
                    "${{parent.inputs.NAME}} or ${{parent.jobs.STEP.outputs.NAME}}",
                )
        return Missing()

    def _filled(self, path: KeyPath, text: str) -> str:
        """Text with the values of the pipeline's literal inputs."""
        if broken := malformed(text):
            self._add(path, f"unclosed expression: {broken}")
        values: dict[str, str] = {}
        for expression in find(text):
            value = self.of_pipeline.get(expression.name)
            if expression.form != "${{parent.inputs.NAME}}":
                self._add(
                    path, f"{expression} is not allowed within text", "${{parent.inputs.NAME}}"
                )
            elif isinstance(value, Literal):
                values[expression.key] = value.text
            elif not isinstance(value, Missing):
                self._add(
                    path,
                    f"{expression}: the pipeline has no literal input {expression.name}",
                    hint=did_you_mean(expression.name, self.of_pipeline),
                )
        return fill(text, values)

    def _data(
        self, path: KeyPath, component_mode: str | None, written: DataInput, text: str
    ) -> Data:
        location = location_of(text, self._job.folder)
        if is_local(location) and (wrong := misfit(location, written.type)):
            message, hint = wrong
            self._add(path, message, hint=hint)
        mode = written.mode or component_mode or DEFAULT_INPUT_MODE
        return Data(written.type, mode, text, location, written.datastore)


def _fits(value: Any, of_type: str) -> bool:
    match of_type:
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            return number and math.isfinite(value)
    return isinstance(value, str)
