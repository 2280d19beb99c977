"""The inputs of steps, with their bindings resolved."""

from __future__ import annotations

from dataclasses import replace

from prefect_parallel.document import KeyPath
from prefect_parallel.errors import advice_for, did_you_mean
from prefect_parallel.job.format.types import DATA_TYPES, literal_type
from prefect_parallel.job.models.io_models import DEFAULT_DATA_TYPE, DEFAULT_INPUT_MODE, DataInput
from prefect_parallel.job.resolution.diagnostics import JobDiagnostics
from prefect_parallel.job.resolution.job_inputs import as_declared, data_at, not_given
from prefect_parallel.job.resolution.level import Level
from prefect_parallel.job.resolution.outputs import output_names
from prefect_parallel.job.resolution.resolved import Data, Input, Literal, Missing, OutputOf
from prefect_parallel.job.syntax.expressions import Expression, fill, find, malformed, whole

MAX_DETOURS = 20
"""Maximum number of inputs of other steps between an input and its value."""


class Bindings:
    """The inputs of the steps of a level, with values put in. What cannot be read is `Missing`."""

    def __init__(self, level: Level, diagnostics: JobDiagnostics) -> None:
        self.of_pipeline = level.inputs
        self._level = level
        self._diagnostics = diagnostics
        self._add = diagnostics.add

    def of_step(self, step: str) -> dict[str, Input]:
        """The inputs of a step: given, by default, or missing."""
        component = self._level.components.get(step)
        given = self._level.jobs[step].inputs
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
            else not_given(("jobs", step, "inputs", name), declaration, self._diagnostics)
            for name, declaration in declared.items()
        }

    def _given(self, step: str, name: str, seen: frozenset[tuple[str, str]] = frozenset()) -> Input:
        """An input that a step is given; `seen` are the inputs of other steps that lead to it."""
        path: KeyPath = ("jobs", step, "inputs", name)
        value = self._level.jobs[step].inputs[name]
        if value is None:
            return Missing()
        component = self._level.components.get(step)
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
                    return Data(of_type, mode, bound.path, bound.location)
                case OutputOf():
                    return OutputOf(bound.step, bound.output, of_type, mode)
                case Literal(value=str(text)):
                    return self._data(path, component_mode, value, text)
                case Literal():
                    self._add(path, f"{expression} is {bound.text}, not data")
                case Missing():
                    return as_declared(path, bound, declared, self._diagnostics)
            return Missing()
        expression = whole(value)
        if expression is not None:
            bound = self._bound(step, name, path, expression, seen)
            if isinstance(bound, (Data, OutputOf)) and declared and declared.type in DATA_TYPES:
                mode = declared.mode or bound.mode
                bound = replace(bound, type=declared.type, mode=mode)
            return as_declared(self.place(path, expression), bound, declared, self._diagnostics)
        if isinstance(value, str):
            value = self._filled(path, value)
            if declared and declared.type in DATA_TYPES:
                data = DataInput(type=declared.type, path=value)
                return self._data(path, component_mode, data, value)
        return as_declared(path, Literal(value, literal_type(value)), declared, self._diagnostics)

    def place(self, path: KeyPath, expression: Expression) -> KeyPath:
        """Where the value of an expression at a path is given: there, unless it is overridden."""
        match expression.words:
            case ("parent", "inputs", name) if self._level.document.is_overridden(("inputs", name)):
                return ("inputs", name)
        return path

    def _bound(
        self,
        step: str,
        name: str,
        path: KeyPath,
        expression: Expression,
        seen: frozenset[tuple[str, str]],
    ) -> Input:
        level = self._level
        match expression.words:
            case ("parent", "inputs", there):
                if there in self.of_pipeline:
                    return self.of_pipeline[there]
                self._add(
                    path,
                    f"{expression}: the pipeline has no input {there}",
                    **advice_for(there, self.of_pipeline),
                )
            case ("parent", "jobs", other, "outputs" | "inputs", _) if other not in level.jobs:
                message = f"{expression}: there is no step {other}"
                self._add(path, message, **advice_for(other, level.jobs))
            case ("parent", "jobs", other, "outputs", there):
                if not level.steps.is_read(other):
                    name = level.prefix + other
                    return OutputOf(name, there, DEFAULT_DATA_TYPE, DEFAULT_INPUT_MODE)
                return self._output_of(path, expression, other, there)
            case ("parent", "jobs", other, "inputs", _) if not level.steps.is_read(other):
                return Missing()
            case ("parent", "jobs", other, "inputs", there):
                given = level.jobs[other].inputs
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

    def _output_of(self, path: KeyPath, expression: Expression, step: str, name: str) -> Input:
        outputs, source = output_names(self._level, step), self._level.source(step, name)
        if name not in outputs:
            message = f"{expression}: the step {step} has no output {name}"
            self._add(path, message, **advice_for(name, outputs))
        elif source is None:
            message = f"{expression}: no step of the pipeline {step} is bound to its output {name}"
            self._add(path, message, hint=f"bind one: {name}: ${{{{parent.outputs.{name}}}}}")
        else:
            return OutputOf(*source, outputs[name], DEFAULT_INPUT_MODE)
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
        folder = self._level.folder
        return data_at(path, folder, component_mode, written, text, self._diagnostics)
