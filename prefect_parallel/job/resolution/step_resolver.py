"""What resolving parallel steps and command steps have in common."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from prefect_parallel.data import Registered
from prefect_parallel.document import dotted
from prefect_parallel.errors import InvalidPipeline, advice_for, did_you_mean
from prefect_parallel.job.files.locations import kind_of
from prefect_parallel.job.files.requirements import Requirements, WrongRequirement, requirements_in
from prefect_parallel.job.format.validators import Validator
from prefect_parallel.job.models.step_parts import Environment
from prefect_parallel.job.models.steps import PipelineStepModel
from prefect_parallel.job.resolution.bindings import Bindings
from prefect_parallel.job.resolution.diagnostics import JobDiagnostics
from prefect_parallel.job.resolution.effective_settings import Effective, StepKeys
from prefect_parallel.job.resolution.level import Level
from prefect_parallel.job.resolution.outputs import step_outputs
from prefect_parallel.job.resolution.pipeline_literal import compute_of, pipeline_literal
from prefect_parallel.job.resolution.resolved import (
    Input,
    Missing,
    missing_keys,
    path_of,
)
from prefect_parallel.job.settings.parallel_settings import Inherit
from prefect_parallel.job.syntax.expressions import find, keep_given, malformed, whole
from prefect_parallel.job.syntax.placeholders import ALLOWED, malformed_placeholder, placeholders
from prefect_parallel.yaml_file import read_document
from prefect_parallel.yaml_schema import Refused, ValueSchema


class StepResolver:
    """Resolves one step; problems go to the diagnostics."""

    def __init__(
        self,
        level: Level,
        name: str,
        bindings: Bindings,
        inputs: dict[str, Input],
        diagnostics: JobDiagnostics,
    ) -> None:
        self.level = level
        self.name = level.prefix + name
        model = level.jobs[name]
        assert not isinstance(model, PipelineStepModel)
        self.model = model
        self.keys = StepKeys.of(level.steps, name)
        self.diagnostics = diagnostics
        self.bindings = bindings
        self.inputs = inputs
        self.outputs = step_outputs(level, name, inputs, diagnostics)

    def add(
        self, at: Effective, message: str, allowed: str | None = None, hint: str | None = None
    ) -> None:
        """A problem of a value, in the file in which it is given."""
        self.diagnostics.add_in(at.document, at.path, message, allowed, hint)

    def common(self, environment: Effective) -> dict[str, Any]:
        """The fields of a `ResolvedStep`, given the environment that applies."""
        self.refuse_expression(environment.below("image"))
        return {
            "name": self.name,
            "display_name": self.keys.effective("display_name", inherit=Inherit.IF_EMPTY).value
            or self.name,
            "description": self.keys.effective("description", inherit=Inherit.IF_EMPTY).value,
            "tags": dict(self.model.tags or {}),
            "inputs": self.inputs,
            "outputs": self.outputs,
            "compute": self._compute(),
            **self._environment_variables(),
            "environment": _plain(environment.value),
            "requirements": self._requirements(environment),
            "build_context": self._build_context(environment),
            "docker_options": self._docker_options(),
        }

    def _compute(self) -> str | None:
        own = self.keys.effective("compute")
        if not own.value:
            return self.level.compute
        return compute_of(own.value, self.bindings.of_pipeline, partial(self.add, own))

    def bound(self, setting: Effective, schema: ValueSchema) -> Any:
        """A setting's value, or that of the pipeline input to which it is bound."""
        value = setting.value
        if isinstance(value, list):
            bound = [
                self.pipeline_literal(setting, each) if whole(each) else each for each in value
            ]
            return None if None in bound else tuple(bound)
        expression = whole(value)
        if expression is None:
            return value
        text = self.pipeline_literal(setting, value)
        if text is None:
            return None
        assert isinstance(schema, Validator)
        try:
            return schema.check(text)
        except Refused as refused:
            path = self.bindings.place(setting.path, expression)
            document = setting.document if path is setting.path else self.level.document
            message = f"{expression}: {refused.found}"
            self.diagnostics.add_in(document, path, message, refused.allowed)
            return None

    def pipeline_literal(self, at: Effective, text: str) -> str | None:
        """The text of the pipeline input that is the whole of a text."""
        return pipeline_literal(text, self.bindings.of_pipeline, partial(self.add, at))

    def refuse_expression(self, at: Effective) -> None:
        """Refuse an expression in a value that is used as it is written."""
        if isinstance(at.value, str) and "${{" in at.value:
            self.add(at, f"an expression is not allowed here: {at.value}")

    def _environment_variables(self) -> dict[str, Any]:
        """Variables with their values, and those whose values are looked up later.

        Only text of the author is a template or an expression, not the value of an input.
        """
        values: dict[str, str] = {}
        templates: dict[str, str] = {}
        expressions: dict[str, str] = {}
        for name, value in self.model.environment_variables.items():
            if value is None:
                continue
            at = self.keys.effective("environment_variables").below(name)
            if not name or "=" in name or "\0" in name:
                self.add(at, f"invalid name {name!r} of a variable")
            text: str | None = str(value)
            expression = whole(value)
            bound = expression is not None and expression.words[0] == "parent"
            if bound:
                text = self.pipeline_literal(at, str(value))
            if text is None:
                continue
            if "\0" in text:
                self.add(at, "found a NUL character, which no variable can hold")
            if not bound and "${{" in text:
                expressions[name] = text
                self.check_text(replace(at, value=text))
                if placeholders(text):
                    self.add(at, "found an expression next to a placeholder", "one of them")
                continue
            if bound or not placeholders(text):
                values[name] = text
                continue
            templates[name] = text
            if (wrong := malformed_placeholder(text)) is not None:
                near = did_you_mean(wrong, ("prefect.blocks", "prefect.variables"))
                self.add(at, f"found {{{{ {wrong} }}}}", ALLOWED, near)
        return {
            "environment_variables": values,
            "environment_templates": templates,
            "environment_expressions": expressions,
        }

    def check_text(self, at: Effective) -> None:
        """Check that each expression of arguments or a command names something of the step."""
        text = at.value
        if broken := malformed(text):
            self.add(at, f"unclosed expression: {broken}")
        given = keep_given(text, set(missing_keys(self.inputs)))
        for expression in find(text):
            if expression.form == "${{inputs.NAME}}":
                known: Mapping[str, Any] = self.inputs
            elif expression.form == "${{outputs.NAME}}":
                known = self.outputs
            elif expression.form == "${{name}}":
                continue
            else:
                hint = None
                if expression.form == "${{parent.inputs.NAME}}":
                    hint = (
                        f"give the step an input {expression.name}: {expression}, "
                        f"and write ${{{{inputs.{expression.name}}}}}"
                    )
                allowed = "${{inputs.NAME}}, ${{outputs.NAME}} and ${{name}}"
                self.add(at, f"{expression} is not allowed here", allowed, hint)
                continue
            if expression.name not in known:
                side = expression.words[0].removesuffix("s")
                message = f"{expression}: the step has no {side} {expression.name}"
                self.add(at, message, **advice_for(expression.name, known))
        for expression in find(given):
            if expression.form == "${{inputs.NAME}}" and self.is_left_out(expression.name):
                self.add(
                    at,
                    f"{expression} is optional, and not given",
                    hint=f"put the part that depends on it in brackets: $[[ ... {expression} ]]",
                )

    def is_left_out(self, name: str) -> bool:
        """Whether it is an optional input that is not given, rather than one that is broken."""
        return self.inputs.get(name) == Missing(left_out=True)

    def local_code(self, code: Effective) -> Path | None:
        """The absolute path of code, if it is a local folder or file."""
        if Registered.parse(code.value) is not None:
            return None  # Reported when it was looked up.
        if code.value.startswith(("git+", "azureml:")) or "://" in code.value:
            hint = "download it, and give its folder"
            self.add(code, f"the code is not local: {code.value}", "a local folder", hint)
            return None
        location = Path(os.path.abspath(code.document.folder / code.value))  # noqa: PTH100 - links stay
        if kind_of(location) is not None:
            return location
        self.add(code, f"there is no {location}")
        return None

    def _build_context(self, environment: Effective) -> tuple[Path, str | None] | None:
        """The Docker context of an environment, and its Dockerfile."""
        context = environment.below("build", "path")
        if context.value is None:
            return None
        folder = environment.document.folder / context.value
        if kind_of(folder) is None:
            self.add(context, f"there is no {folder}")
        return folder, environment.below("build", "dockerfile_path").value

    def _docker_options(self) -> tuple[str, ...]:
        """The options of `docker run` in the step's resources."""
        at_size = self.keys.effective("resources", "shm_size", at_top=True)
        given = self.keys.effective("resources", "docker_args", at_top=True)
        lines = [given.value] if isinstance(given.value, str) else given.value or []
        for each in (at_size, *(replace(given, value=line) for line in lines)):
            self.refuse_expression(each)
        try:
            options = [word for line in lines for word in shlex.split(line)]
        except ValueError as error:
            self.add(given, f"cannot be split into words: {str(error).lower()}")
            return ()
        size = [f"--shm-size={at_size.value}"] if at_size.value else []
        return (*size, *options)

    def _requirements(self, environment: Effective) -> Requirements | None:
        """The requirements of an environment's conda file; None if it has none, or a broken one."""
        model, folder = environment.value, environment.document.folder
        if not isinstance(model, Environment):
            return None
        at = environment.below("conda_file")
        if isinstance(model.conda_file, str):
            return self._requirements_of_file(folder / model.conda_file, at)
        if model.conda_file is None:
            return None
        keys = at.path if at.document is not self.level.document else at.path[2:]
        try:
            source = dotted((*path_of(self.name), *keys))
            return requirements_in(model.conda_file, source, folder)
        except WrongRequirement as error:
            place = replace(at, path=(*at.path, *error.path))
            self.add(place, error.message, error.allowed)
            return None

    def _requirements_of_file(self, file: Path, at: Effective) -> Requirements | None:
        try:
            is_empty = kind_of(file) == "file" and not file.read_bytes().strip()
        except OSError:
            is_empty = False  # `read_document` reports why it cannot be read.
        if is_empty:
            return requirements_in({}, at.value, file.parent)
        try:
            shown = self.diagnostics.shown(file)
            document = read_document(file, InvalidPipeline, shown, (*at.document.prefix, *at.path))
        except InvalidPipeline as error:
            self.diagnostics.problems += error.problems
            return None
        try:
            return requirements_in(document.data, at.value, file.parent)
        except WrongRequirement as error:
            self.diagnostics.problems.append(
                document.problem(error.path, error.message, allowed=error.allowed)
            )
            return None


def _plain(environment: Environment | str | None) -> str | dict[str, Any] | None:
    if isinstance(environment, Environment):
        return environment.dump()
    if environment is None or environment.startswith("azureml://"):
        return environment
    return environment.removeprefix("azureml:")
