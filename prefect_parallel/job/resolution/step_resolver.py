"""What parallel and command steps have in common on the way from written to run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from prefect_parallel.document import KeyPath, dotted
from prefect_parallel.errors import InvalidPipeline, advice_for, did_you_mean
from prefect_parallel.job.files.locations import kind_of
from prefect_parallel.job.files.requirements import Requirements, WrongRequirement, requirements_in
from prefect_parallel.job.models.io_models import DEFAULT_DATA_TYPE, DEFAULT_OUTPUT_MODE, Output
from prefect_parallel.job.models.pipeline import PipelineJob
from prefect_parallel.job.models.step_parts import Environment
from prefect_parallel.job.resolution.bindings import Inputs
from prefect_parallel.job.resolution.diagnostics import Diagnostics
from prefect_parallel.job.resolution.resolved import (
    Literal,
    Missing,
    OutputSpec,
    missing_keys,
)
from prefect_parallel.job.syntax.expressions import fill, find, keep_given, malformed, whole
from prefect_parallel.job.syntax.placeholders import ALLOWED, malformed_placeholder, placeholders
from prefect_parallel.yaml_file import read_document


class StepResolver:
    """Makes one step; what is wrong with it goes to the diagnostics."""

    def __init__(
        self, job: PipelineJob, name: str, inputs: Inputs, diagnostics: Diagnostics
    ) -> None:
        self.job = job
        self.name = name
        self.model = job.jobs[name]
        self.component = job.components.get(name)
        self.diagnostics = diagnostics
        self.pipeline_inputs = inputs.of_pipeline
        self.inputs = inputs.of_step(name)
        self.outputs = self._outputs()

    def common(self, environment: Environment | str | None, keys: KeyPath) -> dict[str, Any]:
        """The fields of a `ResolvedStep`.

        Args:
            environment: The one in force.
            keys: Where it stands below its step.
        """
        lent = self.component.model if self.component else None
        return {
            "name": self.name,
            "display_name": self.model.display_name
            or (lent.display_name if lent else None)
            or self.name,
            "description": self.model.description or (lent.description if lent else None),
            "tags": dict(self.model.tags or {}),
            "inputs": self.inputs,
            "outputs": self.outputs,
            "compute": self._compute(),
            **self._environment_variables(),
            "environment": _plain(environment),
            "requirements": self._requirements(environment, keys),
        }

    def _compute(self) -> str | None:
        compute = self.model.compute or self.job.compute or self.job.settings.default_compute
        if compute is None:
            return None
        keys = ("compute",) if self.model.compute else ()
        if keys and whole(compute):
            compute = self.pipeline_literal(keys, compute)
        return compute.removeprefix("azureml:") if compute else None

    def _outputs(self) -> dict[str, OutputSpec]:
        given = self.model.outputs
        if self.component is None:
            return {name: self._output(name, value, None, None) for name, value in given.items()}
        declared = self.component.model.outputs
        for name in given:
            if name not in declared:
                self.diagnostics.at(
                    ("jobs", self.name, "outputs", name),
                    "the component declares no such output",
                    **advice_for(name, declared),
                    of_key=True,
                )
        return {
            name: self._output(name, given.get(name, Output()), declaration.type, declaration.mode)
            for name, declaration in declared.items()
        }

    def _output(
        self, name: str, value: Output | str, of_type: str | None, lent_mode: str | None
    ) -> OutputSpec:
        path = ("jobs", self.name, "outputs", name)
        if isinstance(value, str):
            expression = whole(value)
            if expression is None:
                return self._output(name, Output(path=value), of_type, lent_mode)
            if expression.form != "${{parent.outputs.NAME}}":
                allowed = "${{parent.outputs.NAME}}"
                self.diagnostics.at(path, f"{expression} cannot stand here", allowed=allowed)
            bound = expression.name
            if bound not in self.job.outputs:
                self.diagnostics.at(
                    path,
                    f"{expression}: the pipeline has no output {bound}",
                    **advice_for(bound, self.job.outputs),
                )
            value = self.job.outputs.get(bound, Output())
        if value.path is not None:
            for expression in find(value.path):
                if expression.form not in ("${{name}}", "${{default_datastore}}"):
                    self.diagnostics.at(
                        (*path, "path"),
                        f"{expression} cannot stand here",
                        allowed="${{name}} and ${{default_datastore}}",
                    )
        return OutputSpec(
            of_type or value.type or DEFAULT_DATA_TYPE,
            output_mode(value.mode or lent_mode),
            self._output_path(value.path),
        )

    def _output_path(self, path: str | None) -> str | None:
        store = self.job.settings.default_datastore
        if path is None or store is None:
            return path
        return fill(path, {"default_datastore": store.removeprefix("azureml:")})

    def setting(self, keys: KeyPath, value: Any, kind: Any) -> Any:
        """A setting's value: as it is, or the pipeline input that it is bound to."""
        if not isinstance(value, str) or whole(value) is None:
            return value
        text = self.pipeline_literal(keys, value)
        if text is None:
            return None
        try:
            return TypeAdapter(kind).validate_python(text)
        except ValidationError as error:
            context = error.errors()[0].get("ctx", {})
            self.diagnostics.in_step(
                self.name,
                keys,
                f"{whole(value)}: {context.get('found')}",
                allowed=context.get("allowed"),
            )
            return None

    def pipeline_literal(self, keys: KeyPath, text: str) -> str | None:
        expression = whole(text)
        assert expression is not None
        if expression.form != "${{parent.inputs.NAME}}":
            self.diagnostics.in_step(
                self.name,
                keys,
                f"{expression} cannot stand here",
                allowed="${{parent.inputs.NAME}}",
            )
            return None
        value = self.pipeline_inputs.get(expression.name)
        if isinstance(value, Literal):
            return value.text
        found = "has no input" if value is None else "has data as its input"
        self.diagnostics.in_step(
            self.name,
            keys,
            f"{expression}: the pipeline {found} {expression.name}",
            allowed="a literal input of the pipeline",
            hint=did_you_mean(expression.name, self.pipeline_inputs),
        )
        return None

    def _environment_variables(self) -> dict[str, Any]:
        """Those with a value, and those whose value names something that Prefect keeps.

        Only what the author wrote is a template: not what comes as the value of an input.
        """
        values: dict[str, str] = {}
        templates: dict[str, str] = {}
        for name, value in self.model.environment_variables.items():
            keys = ("environment_variables", name)
            if not name or "=" in name or "\0" in name:
                self.diagnostics.in_step(self.name, keys, f"{name!r} is no name for a variable")
            text: str | None = str(value)
            bound = whole(value) is not None
            if bound:
                text = self.pipeline_literal(keys, str(value))
            if text is None:
                continue
            if "\0" in text:
                self.diagnostics.in_step(self.name, keys, "a NUL, which no variable can hold")
            if bound or not placeholders(text):
                values[name] = text
            else:
                templates[name] = text
                self._check_template(keys, text)
        return {"environment_variables": values, "environment_templates": templates}

    def _check_template(self, keys: KeyPath, text: str) -> None:
        if (wrong := malformed_placeholder(text)) is not None:
            near = did_you_mean(wrong, ("prefect.blocks", "prefect.variables"))
            self.diagnostics.in_step(
                self.name, keys, f"found {{{{ {wrong} }}}}", allowed=ALLOWED, hint=near
            )

    def check_text(self, keys: KeyPath, text: str) -> None:
        """See that each expression of arguments or a command names something of the step."""
        if broken := malformed(text):
            self.diagnostics.in_step(self.name, keys, f"an expression is not closed: {broken}")
        given = keep_given(text, set(missing_keys(self.inputs)))
        for expression in find(text):
            if expression.form == "${{inputs.NAME}}":
                known: Mapping[str, Any] = self.inputs
            elif expression.form == "${{outputs.NAME}}":
                known = self.outputs
            else:
                hint = None
                if expression.form == "${{parent.inputs.NAME}}":
                    hint = (
                        f"give the step an input {expression.name}: {expression}, "
                        f"and write ${{{{inputs.{expression.name}}}}}"
                    )
                self.diagnostics.in_step(
                    self.name,
                    keys,
                    f"{expression} cannot stand here",
                    allowed="${{inputs.NAME}} and ${{outputs.NAME}}",
                    hint=hint,
                )
                continue
            if expression.name not in known:
                side = expression.words[0].removesuffix("s")
                self.diagnostics.in_step(
                    self.name,
                    keys,
                    f"{expression}: the step has no {side} {expression.name}",
                    **advice_for(expression.name, known),
                )
        for expression in find(given):
            missing = isinstance(self.inputs.get(expression.name), Missing)
            if expression.words[0] == "inputs" and missing and self.is_left_out(expression.name):
                self.diagnostics.in_step(
                    self.name,
                    keys,
                    f"{expression} is optional, and not given",
                    hint=f"put what goes away with it in brackets: $[[ ... {expression} ]]",
                )

    def is_left_out(self, name: str) -> bool:
        """Whether it is an optional input that is not given; else its mistake is known already."""
        if self.component is None or name in self.model.inputs:
            return False
        return self.component.model.inputs[name].optional

    def folder(self, key: str) -> Path:
        if self.component is None or self.diagnostics.is_own(self.name, (key,)):
            return self.job.folder
        return self.component.document.folder

    def local_code(self, code: str, keys: KeyPath, folder: Path) -> Path | None:
        if code.startswith(("git+", "azureml:")) or "://" in code:
            self.diagnostics.in_step(
                self.name,
                keys,
                f"the code is elsewhere: {code}",
                allowed="a local folder",
                hint="fetch it, and name the folder it is in",
            )
            return None
        location = Path(os.path.abspath(folder / code))  # noqa: PTH100 - links stay
        if kind_of(location) is not None:
            return location
        self.diagnostics.in_step(self.name, keys, f"there is no {location}")
        return None

    def _requirements(
        self, environment: Environment | str | None, keys: KeyPath
    ) -> Requirements | None:
        """What an environment's conda file asks for; None if it has none, or a wrong one."""
        if not isinstance(environment, Environment):
            return None
        folder = self.folder(str(keys[0]))
        build = environment.build
        if build is not None and kind_of(folder / build.path) is None:
            keys_of_path = (*keys, "build", "path")
            self.diagnostics.in_step(self.name, keys_of_path, f"there is no {folder / build.path}")
        keys = (*keys, "conda_file")
        if isinstance(environment.conda_file, str):
            return self._requirements_of_file(environment.conda_file, folder, keys)
        if environment.conda_file is None:
            return None
        source = f"jobs.{self.name}.{dotted(keys)}"
        try:
            return requirements_in(environment.conda_file, source, folder)
        except WrongRequirement as error:
            self.diagnostics.in_step(
                self.name, (*keys, *error.path), error.message, allowed=error.allowed
            )
            return None

    def _requirements_of_file(self, name: str, folder: Path, keys: KeyPath) -> Requirements | None:
        file = folder / name
        above: KeyPath = ("jobs", self.name)
        if self.component is not None and not self.diagnostics.is_own(self.name, keys):
            above = self.component.document.prefix
        try:
            if kind_of(file) == "file" and not file.read_bytes().strip():
                return requirements_in({}, name, file.parent)
            document = read_document(
                file, InvalidPipeline, self.diagnostics.shown(file), (*above, *keys)
            )
        except InvalidPipeline as error:
            self.diagnostics.problems += error.problems
            return None
        try:
            return requirements_in(document.data, name, file.parent)
        except WrongRequirement as error:
            self.diagnostics.problems.append(
                document.problem(error.path, error.message, allowed=error.allowed)
            )
            return None


def output_mode(written: str | None) -> str:
    """The mode of an output; `mount` is an older name of the default."""
    return DEFAULT_OUTPUT_MODE if written in (None, "mount") else str(written)


def _plain(environment: Environment | str | None) -> str | dict[str, Any] | None:
    if isinstance(environment, Environment):
        return environment.model_dump(exclude_unset=True)
    if environment is None or environment.startswith("azureml://"):
        return environment
    return environment.removeprefix("azureml:")
