"""The inputs of a job: given by its file or its run, or by default of its component."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prefect_parallel.document import KeyPath, dotted, shown
from prefect_parallel.errors import advice_for
from prefect_parallel.job.files.locations import is_local, location_of, misfit
from prefect_parallel.job.format.types import DATA_TYPES, literal_type
from prefect_parallel.job.models.io_models import (
    DEFAULT_INPUT_MODE,
    DataInput,
    DeclaredInput,
    as_type,
    limit_of,
)
from prefect_parallel.job.models.pipeline import PipelineJob
from prefect_parallel.job.resolution.diagnostics import JobDiagnostics
from prefect_parallel.job.resolution.resolved import Data, Input, Literal, Missing
from prefect_parallel.job.syntax.expressions import fill, find, malformed
from prefect_parallel.yaml_schema import Refused


def job_inputs(
    job: PipelineJob,
    values: Mapping[str, Any],
    run: str | None,
    complete: bool,
    diagnostics: JobDiagnostics,
) -> dict[str, Input]:
    """The inputs of a job.

    Args:
        values: Values for them, in place of their own.
        run: The value of `${{name}}`; None: it stays, since there is no run.
        complete: Whether each must have a value.
    """
    declared = job.inputs if job.declared is None else job.declared.inputs
    for name in dict.fromkeys([*job.inputs, *values]):
        if name not in declared:
            message = "the pipeline has no such input"
            diagnostics.add(("inputs", name), message, **advice_for(name, declared))
    reader = _JobInputs(job, values, run, complete, diagnostics)
    return {
        name: reader.of(name, each if isinstance(each, DeclaredInput) else None)
        for name, each in declared.items()
    }


class _JobInputs:
    def __init__(
        self,
        job: PipelineJob,
        values: Mapping[str, Any],
        run: str | None,
        complete: bool,
        diagnostics: JobDiagnostics,
    ) -> None:
        self._job = job
        self._values = values
        self._run = {} if run is None else {"name": run}
        self._complete = complete
        self._diagnostics = diagnostics
        self._add = diagnostics.add

    def of(self, name: str, declared: DeclaredInput | None) -> Input:
        """An input, as the component of the job declares it, if it has one."""
        path = ("inputs", name)
        if declared is None:
            own = self._job.inputs[name]
            return self._given(path, own, self._values.get(name, _own(own)))
        written: Any = self._job.inputs.get(name)
        if name not in self._job.inputs and name not in self._values:
            return not_given(path, declared, self._diagnostics, complete=self._complete)
        if declared.type in DATA_TYPES and not isinstance(written, DataInput):
            written = DataInput(type=declared.type, mode=declared.mode, path=written)
        value = self._given(path, written, self._values.get(name, _own(written)), declared.type)
        return as_declared(path, value, declared, self._diagnostics)

    def _given(
        self, path: KeyPath, written: Any, value: Any, declared_type: str | None = None
    ) -> Input:
        if written is None and value is None:
            return Missing()
        if not isinstance(written, DataInput):
            of_type = declared_type or literal_type(written)
            if declared_type is None and not _fits(value, of_type):
                self._add(path, f"found {shown(value)}", f"a value of type {of_type}")
                value = written
            if isinstance(value, str):
                self._check_text(path, value)
                value = fill(value, self._run)
            return Literal(value, of_type)
        if not isinstance(value, (str, os.PathLike)):
            if value is not None:
                self._add(path, f"found {shown(value)}", "a path or URL")
            elif self._complete:
                key = dotted(self._job.document.as_written((*path, "path")))
                self._add(path, "the input has no path", hint=f"--set {key}=...")
            return Data(written.type, written.mode or DEFAULT_INPUT_MODE, "", "")
        text = os.fspath(value)
        return data_at(path, self._job.folder, None, written, text, self._diagnostics)

    def _check_text(self, path: KeyPath, text: str) -> None:
        others = [each for each in find(text) if each.form != "${{name}}"]
        if others or malformed(text):
            message = "an expression is not allowed in an input of the pipeline"
            self._add(path, message, "text, in which ${{name}} is the name of the run")


def _own(written: Any) -> Any:
    return written.path if isinstance(written, DataInput) else written


def data_at(
    path: KeyPath,
    folder: Path,
    component_mode: str | None,
    written: DataInput,
    text: str,
    diagnostics: JobDiagnostics,
) -> Data:
    """Data at a location, written as text, from a folder."""
    location = location_of(text, folder)
    if not text.strip():
        diagnostics.add(path, "the path is empty", hint="write . for the current folder")
    elif is_local(location) and (wrong := misfit(location, written.type)):
        message, hint = wrong
        diagnostics.add(path, message, hint=hint)
    mode = written.mode or component_mode or DEFAULT_INPUT_MODE
    return Data(written.type, mode, text, location)


def not_given(
    path: KeyPath, declared: DeclaredInput, diagnostics: JobDiagnostics, *, complete: bool = True
) -> Input:
    """An input of a component that is not given: its default, or missing."""
    if declared.default is not None:
        return Literal(declared.default, declared.type)
    if not declared.optional and complete:
        diagnostics.add(path, "the component requires this input")
    return Missing(left_out=declared.optional)


def as_declared(
    path: KeyPath, value: Input, declared: DeclaredInput | None, diagnostics: JobDiagnostics
) -> Input:
    """A value as a component declares it; it is checked."""
    if declared is None:
        return value
    if isinstance(value, Missing):
        # An optional input of the pipeline around it.
        return not_given(path, declared, diagnostics) if value.left_out else value
    if isinstance(value, Literal):
        try:
            literal = as_type(value.value, declared.type)
        except Refused as refused:
            diagnostics.add(path, refused.found, refused.allowed)
            return value
        if (allowed := limit_of(literal, declared)) is not None:
            diagnostics.add(path, f"found {shown(literal)}", allowed)
        return Literal(literal, declared.type)
    if declared.type not in DATA_TYPES:
        diagnostics.add(path, "found data", f"a value of type {declared.type}")
    return value


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
