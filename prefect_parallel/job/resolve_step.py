"""One step of a pipeline job, as it runs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import TypeAdapter, ValidationError

from prefect_parallel.job.components import CommandComponentModel, InForce
from prefect_parallel.job.document import Key
from prefect_parallel.job.expressions import fill, find, keep_given, malformed, whole
from prefect_parallel.job.findings import Findings
from prefect_parallel.job.inputs import Inputs
from prefect_parallel.job.locations import location_of
from prefect_parallel.job.model import nearest
from prefect_parallel.job.parts import Environment, RetrySettings, Task
from prefect_parallel.job.pipeline import PipelineJob
from prefect_parallel.job.ports import Output
from prefect_parallel.job.predefined import (
    PredefinedArguments,
    WrongArgument,
    parse_predefined,
    split_arguments,
)
from prefect_parallel.job.resolved import (
    AppendRowTo,
    CommandStep,
    Data,
    Literal,
    Missing,
    OutputOf,
    OutputSpec,
    ParallelStep,
    literal_values,
    missing_keys,
)
from prefect_parallel.job.shell import check_command
from prefect_parallel.job.shell_words import UnsafeCommand
from prefect_parallel.job.steps import (
    CommandComponentStepModel,
    CommandStepModel,
    ParallelComponentStepModel,
    ParallelStepModel,
)
from prefect_parallel.job.values import Count, Level, Retries, Size, Threshold, Timeout

# Spec section 4.
DEFAULT_INSTANCE_COUNT = 1
DEFAULT_THRESHOLD = -1
DEFAULT_MAX_RETRIES = 2
DEFAULT_TIMEOUT = 60
DEFAULT_LOGGING_LEVEL = "INFO"
DEFAULT_OUTPUT_MODE = "rw_mount"
MAJOR_INPUT_TYPES = ("uri_file", "uri_folder", "mltable")


class StepResolver:
    """Makes one step; what is wrong with it goes to the findings."""

    def __init__(self, job: PipelineJob, name: str, inputs: Inputs, findings: Findings) -> None:
        self.job = job
        self.name = name
        self.model = job.jobs[name]
        self.component = job.components.get(name)
        self.findings = findings
        self.pipeline_inputs = inputs.of_pipeline
        self.inputs = inputs.of_step(name)
        self.outputs = self._outputs()

    def resolve(self) -> ParallelStep | CommandStep | None:
        """The step; None if it has mistakes that leave nothing to make."""
        before = len(self.findings.problems)
        if isinstance(self.model, (ParallelStepModel, ParallelComponentStepModel)):
            step: ParallelStep | CommandStep | None = self._parallel()
        else:
            step = self._command(self.model)
        return step if len(self.findings.problems) == before else None

    def _parallel(self) -> ParallelStep | None:
        model = self.model
        settings = self.job.settings_of(self.name)
        retry = settings.retry_settings or RetrySettings()
        task = settings.task
        assert task is not None
        keys = self._check_keys(settings)
        code, script = self._code_and_script(task)
        self._check_environment(task.environment, ("task", "environment"))
        arguments = task.program_arguments or ""
        predefined, given = self._predefined(arguments)
        threshold = self._setting(("error_threshold",), settings.error_threshold, Threshold)
        if "error_threshold" not in given and isinstance(threshold, int):
            predefined = _with_threshold(predefined, threshold)
        input_name = self._input_name(settings)
        append = self._append_row_to(task)
        retries = self._setting(("retry_settings", "max_retries"), retry.max_retries, Retries)
        timeout = self._setting(("retry_settings", "timeout"), retry.timeout, Timeout)
        nodes = self._setting(self._count_keys(), settings.instance_count, Count)
        size = self._setting(("mini_batch_size",), settings.mini_batch_size, Size)
        slots = self._setting(
            ("max_concurrency_per_instance",), settings.max_concurrency_per_instance, Count
        )
        failed = self._setting(
            ("mini_batch_error_threshold",), settings.mini_batch_error_threshold, Threshold
        )
        level = self._setting(("logging_level",), settings.logging_level, Level)
        if code is None or script is None or input_name is None:
            return None
        return ParallelStep(
            **self._common(),
            input_name=input_name,
            mini_batch_size=size or None,
            partition_keys=keys,
            instance_count=nodes or DEFAULT_INSTANCE_COUNT,
            max_concurrency_per_instance=slots,
            mini_batch_error_threshold=DEFAULT_THRESHOLD if failed is None else failed,
            error_threshold=predefined.error_threshold,
            max_retries=DEFAULT_MAX_RETRIES if retries is None else retries,
            timeout=timeout or DEFAULT_TIMEOUT,
            logging_level=level or DEFAULT_LOGGING_LEVEL,
            environment_variables=self._environment_variables(model.environment_variables),
            code=code,
            entry_script=script,
            environment=_environment(task.environment),
            program_arguments=arguments,
            predefined=predefined,
            append_row_to=append,
        )

    def _command(self, model: CommandStepModel | CommandComponentStepModel) -> CommandStep | None:
        lent = self.component.model if self.component else None
        assert lent is None or isinstance(lent, CommandComponentModel)
        command = lent.command if lent else model.command
        code = lent.code if lent else model.code
        environment = model.environment or (lent.environment if lent else None)
        assert command is not None
        self._check_text(("command",), command)
        try:
            check_command(keep_given(command, set(missing_keys(self.inputs))))
        except UnsafeCommand as error:
            self.findings.in_step(self.name, ("command",), str(error))
        if environment is not None:
            self._check_environment(environment, ("environment",))
        timeout = None
        if model.limits is not None:
            timeout = self._setting(("limits", "timeout"), model.limits.timeout, Timeout)
        return CommandStep(
            **self._common(),
            command=command,
            code=self._local_code(code, ("code",)) if code is not None else None,
            environment_variables=self._environment_variables(model.environment_variables),
            environment=_environment(environment),
            timeout=timeout,
        )

    def _common(self) -> dict[str, Any]:
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
        }

    def _compute(self) -> str | None:
        compute = self.model.compute or self.job.compute or self.job.settings.default_compute
        if compute is None:
            return None
        keys = ("compute",) if self.model.compute else ()
        if keys and whole(compute):
            compute = self._pipeline_literal(keys, compute)
        return compute.removeprefix("azureml:") if compute else None

    def _outputs(self) -> dict[str, OutputSpec]:
        given = self.model.outputs
        if self.component is None:
            return {name: self._output(name, value, None, None) for name, value in given.items()}
        declared = self.component.model.outputs
        for name in given:
            if name not in declared:
                self.findings.at(
                    ("jobs", self.name, "outputs", name),
                    "the component declares no such output",
                    allowed=", ".join(declared) or None,
                    hint=nearest(name, declared),
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
        bound: str | None = None
        if isinstance(value, str):
            expression = whole(value)
            assert expression is not None
            bound = expression.name
            if bound not in self.job.outputs:
                self.findings.at(
                    path,
                    f"{expression}: the pipeline has no output {bound}",
                    allowed=", ".join(self.job.outputs) or None,
                    hint=nearest(bound, self.job.outputs),
                )
            value = self.job.outputs.get(bound, Output())
        if value.path is not None:
            for expression in find(value.path):
                if expression.form not in ("${{name}}", "${{default_datastore}}"):
                    self.findings.at(
                        (*path, "path"),
                        f"{expression} cannot stand here",
                        allowed="${{name}} and ${{default_datastore}}",
                    )
        mode = value.mode or lent_mode
        return OutputSpec(
            of_type or value.type or "uri_folder",
            DEFAULT_OUTPUT_MODE if mode in (None, "mount") else mode,
            self._output_path(value.path),
            bound,
        )

    def _output_path(self, path: str | None) -> str | None:
        store = self.job.settings.default_datastore
        if path is None or store is None:
            return path
        return fill(path, {"default_datastore": store.removeprefix("azureml:")})

    def _setting(self, keys: tuple[Key, ...], value: Any, kind: Any) -> Any:
        """A setting's value: as it is, or the pipeline input that it is bound to."""
        if not isinstance(value, str) or whole(value) is None:
            return value
        text = self._pipeline_literal(keys, value)
        if text is None:
            return None
        try:
            return TypeAdapter(kind).validate_python(text)
        except ValidationError as error:
            context = error.errors()[0].get("ctx", {})
            self.findings.in_step(
                self.name,
                keys,
                f"{whole(value)}: {context.get('found')}",
                allowed=context.get("allowed"),
            )
            return None

    def _pipeline_literal(self, keys: tuple[Key, ...], text: str) -> str | None:
        expression = whole(text)
        assert expression is not None
        if expression.form != "${{parent.inputs.NAME}}":
            self.findings.in_step(
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
        self.findings.in_step(
            self.name,
            keys,
            f"{expression}: the pipeline {found} {expression.name}",
            allowed="a literal input of the pipeline",
            hint=nearest(expression.name, self.pipeline_inputs),
        )
        return None

    def _environment_variables(self, written: Mapping[str, Any]) -> dict[str, str]:
        variables: dict[str, str] = {}
        for name, value in written.items():
            keys = ("environment_variables", name)
            if not name or "=" in name or "\0" in name:
                self.findings.in_step(self.name, keys, f"{name!r} is no name for a variable")
            text = self._pipeline_literal(keys, value) if whole(value) else str(value)
            if text is not None:
                variables[name] = text
        return variables

    def _check_keys(self, settings: InForce) -> tuple[str, ...]:
        keys = settings.partition_keys or []
        if len(set(keys)) < len(keys) or "" in keys:
            self.findings.in_step(
                self.name,
                ("partition_keys",),
                "an empty or repeated key",
                allowed="names of columns",
            )
        return tuple(keys)

    def _count_keys(self) -> tuple[Key, ...]:
        at_step = getattr(self.model, "instance_count", None) is not None
        return ("instance_count",) if at_step else ("resources", "instance_count")

    def _input_name(self, settings: InForce) -> str | None:
        text = settings.input_data
        expression = whole(text)
        allowed = ", ".join(f"${{{{inputs.{name}}}}}" for name in self.inputs) or None
        if text is None:
            self.findings.in_step(self.name, ("input_data",), "the key is missing", allowed=allowed)
            return None
        if expression is None or expression.form != "${{inputs.NAME}}":
            hint = f"write ${{{{inputs.{text}}}}}" if text in self.inputs else None
            self.findings.in_step(
                self.name, ("input_data",), f"found {text!r}", allowed=allowed, hint=hint
            )
            return None
        name = expression.name
        value = self.inputs.get(name)
        if value is None:
            self.findings.in_step(
                self.name,
                ("input_data",),
                f"{expression}: the step has no input {name}",
                allowed=allowed,
                hint=nearest(name, self.inputs),
            )
            return None
        if isinstance(value, (Data, OutputOf)) and value.type in MAJOR_INPUT_TYPES:
            return name
        if isinstance(value, Missing) and not self._is_left_out(name):
            return None
        found = value.type if isinstance(value, (Data, OutputOf)) else "no data"
        self.findings.in_step(
            self.name,
            ("input_data",),
            f"{expression} is {'not given' if isinstance(value, Missing) else found}",
            allowed=f"data of type {', '.join(MAJOR_INPUT_TYPES)}",
        )
        return None

    def _is_left_out(self, name: str) -> bool:
        """Whether it is an optional input that is not given; else its mistake is known already."""
        if self.component is None or name in self.model.inputs:
            return False
        return self.component.model.inputs[name].optional

    def _append_row_to(self, task: Task) -> AppendRowTo | None:
        text = task.append_row_to
        if text is None:
            return None
        keys = ("task", "append_row_to")
        allowed = "${{outputs.NAME}}, or a file below it: ${{outputs.NAME}}/rows.csv"
        found = find(text)
        if len(found) != 1 or found[0].form != "${{outputs.NAME}}" or text.strip()[0] != "$":
            self.findings.in_step(self.name, keys, f"found {text!r}", allowed=allowed)
            return None
        name = found[0].name
        output = self.outputs.get(name)
        if output is None:
            self.findings.in_step(
                self.name,
                keys,
                f"{found[0]}: the step has no output {name}",
                allowed=", ".join(f"${{{{outputs.{name}}}}}" for name in self.outputs) or None,
                hint=nearest(name, self.outputs),
            )
            return None
        rest = text[found[0].end :].rstrip()
        subpath = rest.removeprefix("/")
        if not rest:
            return AppendRowTo(name)
        parts = PurePosixPath(subpath).parts
        if not rest.startswith("/") or not parts or ".." in parts or subpath.startswith("/"):
            self.findings.in_step(self.name, keys, f"found {text!r}", allowed=allowed)
        elif output.type == "uri_file":
            self.findings.in_step(
                self.name,
                keys,
                f"{found[0]} is one file (uri_file), and {subpath} lies below it",
                hint="make the output a uri_folder",
            )
        return AppendRowTo(name, subpath)

    def _predefined(self, template: str) -> tuple[PredefinedArguments, set[str]]:
        keys = ("task", "program_arguments")
        self._check_text(keys, template)
        missing = set(missing_keys(self.inputs))
        try:
            words = split_arguments(keep_given(template, missing))
        except ValueError as error:
            self.findings.in_step(
                self.name, keys, f"cannot be cut into words: {str(error).lower()}"
            )
            return PredefinedArguments(), set()

        def wrong(problem: WrongArgument) -> None:
            self.findings.in_step(self.name, keys, str(problem), allowed=problem.allowed)

        return parse_predefined(words, literal_values(self.inputs), wrong)

    def _check_text(self, keys: tuple[Key, ...], text: str) -> None:
        """See that each expression of arguments or a command names something of the step."""
        if broken := malformed(text):
            self.findings.in_step(self.name, keys, f"an expression is not closed: {broken}")
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
                self.findings.in_step(
                    self.name,
                    keys,
                    f"{expression} cannot stand here",
                    allowed="${{inputs.NAME}} and ${{outputs.NAME}}",
                    hint=hint,
                )
                continue
            if expression.name not in known:
                side = expression.words[0].removesuffix("s")
                self.findings.in_step(
                    self.name,
                    keys,
                    f"{expression}: the step has no {side} {expression.name}",
                    allowed=", ".join(known) or None,
                    hint=nearest(expression.name, known),
                )
        for expression in find(given):
            missing = isinstance(self.inputs.get(expression.name), Missing)
            if expression.words[0] == "inputs" and missing and self._is_left_out(expression.name):
                self.findings.in_step(
                    self.name,
                    keys,
                    f"{expression} is optional, and not given",
                    hint=f"put what goes away with it in brackets: $[[ ... {expression} ]]",
                )

    def _folder(self, key: str) -> Path:
        if self.component is None or self.findings.is_own(self.name, (key,)):
            return self.job.folder
        return self.component.document.folder

    def _code_and_script(self, task: Task) -> tuple[Path | None, str | None]:
        if task.type == "model":
            self.findings.in_step(
                self.name, ("task", "type"), "found 'model'", allowed="run_function"
            )
            return None, None
        script = task.entry_script
        if script is None:
            self.findings.in_step(self.name, ("task", "entry_script"), "the key is missing")
        if task.code is None:
            self.findings.in_step(self.name, ("task", "code"), "the key is missing")
            return None, script
        own = self.findings.is_own(self.name, ("task",))
        top = self.component is not None and not own and self.component.model.code is not None
        keys = ("code",) if top else ("task", "code")
        code = self._local_code(task.code, keys, self._folder("task"))
        if code is None or script is None:
            return code, script
        file = code if code.is_file() else code / script
        inside = os.path.normpath(script)
        if inside.startswith((os.pardir, os.sep)):
            self.findings.in_step(
                self.name,
                ("task", "entry_script"),
                f"{script} lies outside the code folder",
                allowed=f"a file below {code}",
            )
        elif code.is_file() and inside != code.name:
            self.findings.in_step(
                self.name, ("task", "entry_script"), f"the code is the one file {code.name}"
            )
        elif not file.is_file():
            names = sorted(str(path.relative_to(code)) for path in code.rglob("*.py"))
            self.findings.in_step(
                self.name,
                ("task", "entry_script"),
                f"there is no {script} in {code}",
                allowed=", ".join(names[:8]) or None,
                hint=nearest(script, names),
            )
        else:
            self.findings.script(file)
        return code, script

    def _local_code(
        self, code: str, keys: tuple[Key, ...], folder: Path | None = None
    ) -> Path | None:
        if code.startswith(("git+", "azureml:")) or "://" in code:
            self.findings.in_step(
                self.name,
                keys,
                f"the code is elsewhere: {code}",
                allowed="a local folder",
                hint="fetch it, and name the folder it is in",
            )
            return None
        location = Path(location_of(code, folder or self._folder(str(keys[0]))))
        if location.exists():
            return location
        self.findings.in_step(self.name, keys, f"there is no {location}")
        return None

    def _check_environment(self, environment: Environment | str, keys: tuple[Key, ...]) -> None:
        if not isinstance(environment, Environment):
            return
        folder = self._folder(str(keys[0]))
        wanted: list[tuple[str, Any]] = [("conda_file", environment.conda_file)]
        if environment.build:
            wanted.append(("build", environment.build.path))
        for key, path in wanted:
            if isinstance(path, str) and "://" not in path and not (folder / path).exists():
                more = (key, "path") if key == "build" else (key,)
                self.findings.in_step(self.name, (*keys, *more), f"there is no {folder / path}")


def _with_threshold(predefined: PredefinedArguments, threshold: int) -> PredefinedArguments:
    from dataclasses import replace

    return replace(predefined, error_threshold=threshold)


def _environment(environment: Environment | str | None) -> str | dict[str, Any] | None:
    if isinstance(environment, Environment):
        return environment.model_dump(exclude_unset=True)
    return environment.removeprefix("azureml:") if environment else None
