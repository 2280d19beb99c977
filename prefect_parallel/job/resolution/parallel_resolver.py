"""A parallel step, from written to run."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path, PurePosixPath

from prefect_parallel.document import KeyPath
from prefect_parallel.errors import did_you_mean
from prefect_parallel.job.files.locations import kind_of
from prefect_parallel.job.format.types import Count, Level, Retries, Size, Threshold, Timeout
from prefect_parallel.job.models.step_parts import (
    DEFAULT_INSTANCE_COUNT,
    DEFAULT_MAX_RETRIES,
    DEFAULT_TIMEOUT,
    RetrySettings,
    Task,
)
from prefect_parallel.job.models.steps import DEFAULT_LOGGING_LEVEL, DEFAULT_THRESHOLD
from prefect_parallel.job.resolution.effective_settings import InForce
from prefect_parallel.job.resolution.origins import origins
from prefect_parallel.job.resolution.resolved import (
    AppendRowTo,
    Data,
    Missing,
    OutputOf,
    ParallelStep,
    literal_values,
    missing_keys,
)
from prefect_parallel.job.resolution.step_resolver import StepResolver
from prefect_parallel.job.settings.program_arguments import (
    PredefinedArguments,
    WrongArgument,
    parse_predefined,
    split_arguments,
)
from prefect_parallel.job.syntax.expressions import find, keep_given, whole

MAJOR_INPUT_TYPES = ("uri_file", "uri_folder", "mltable")


class ParallelResolver(StepResolver):
    """Makes a parallel step; what is wrong with it goes to the diagnostics."""

    def resolve(self) -> ParallelStep | None:
        """The step; None if it has mistakes that leave nothing to make."""
        settings = self.job.settings_of(self.name)
        retry = settings.retry_settings or RetrySettings()
        task = settings.task
        assert task is not None
        common = self.common(task.environment, ("task", "environment"))
        keys = self._check_keys(settings)
        code, script = self._code_and_script(task)
        arguments = task.program_arguments or ""
        predefined, given = self._predefined(arguments)
        threshold = self.setting(("error_threshold",), settings.error_threshold, Threshold)
        if "error_threshold" not in given and isinstance(threshold, int):
            predefined = replace(predefined, error_threshold=threshold)
        input_name = self._input_name(settings)
        append = self._append_row_to(task)
        retries = self.setting(("retry_settings", "max_retries"), retry.max_retries, Retries)
        timeout = self.setting(("retry_settings", "timeout"), retry.timeout, Timeout)
        nodes = self.setting(self._count_keys(), settings.instance_count, Count)
        size = self.setting(("mini_batch_size",), settings.mini_batch_size, Size)
        slots = self.setting(
            ("max_concurrency_per_instance",), settings.max_concurrency_per_instance, Count
        )
        failed = self.setting(
            ("mini_batch_error_threshold",), settings.mini_batch_error_threshold, Threshold
        )
        level = self.setting(("logging_level",), settings.logging_level, Level)
        if code is None or script is None or input_name is None:
            return None
        return ParallelStep(
            **common,
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
            code=code,
            entry_script=script,
            program_arguments=arguments,
            predefined=predefined,
            append_row_to=append,
            origins=origins(self.job, self.name, given),
        )

    def _check_keys(self, settings: InForce) -> tuple[str, ...]:
        keys = settings.partition_keys or []
        if len(set(keys)) < len(keys) or "" in keys:
            self.diagnostics.in_step(
                self.name,
                ("partition_keys",),
                "an empty or repeated key",
                allowed="names of columns",
            )
        return tuple(keys)

    def _count_keys(self) -> KeyPath:
        at_step = getattr(self.model, "instance_count", None) is not None
        return ("instance_count",) if at_step else ("resources", "instance_count")

    def _input_name(self, settings: InForce) -> str | None:
        text = settings.input_data
        expression = whole(text)
        allowed = ", ".join(f"${{{{inputs.{name}}}}}" for name in self.inputs) or None
        if text is None:
            self.diagnostics.in_step(
                self.name, ("input_data",), "the key is missing", allowed=allowed
            )
            return None
        if expression is None or expression.form != "${{inputs.NAME}}":
            hint = f"write ${{{{inputs.{text}}}}}" if text in self.inputs else None
            self.diagnostics.in_step(
                self.name, ("input_data",), f"found {text!r}", allowed=allowed, hint=hint
            )
            return None
        name = expression.name
        value = self.inputs.get(name)
        if value is None:
            self.diagnostics.in_step(
                self.name,
                ("input_data",),
                f"{expression}: the step has no input {name}",
                allowed=allowed,
                hint=did_you_mean(name, self.inputs),
            )
            return None
        if isinstance(value, (Data, OutputOf)) and value.type in MAJOR_INPUT_TYPES:
            return name
        if isinstance(value, Missing) and not self.is_left_out(name):
            return None
        found = value.type if isinstance(value, (Data, OutputOf)) else "no data"
        self.diagnostics.in_step(
            self.name,
            ("input_data",),
            f"{expression} is {'not given' if isinstance(value, Missing) else found}",
            allowed=f"data of type {', '.join(MAJOR_INPUT_TYPES)}",
        )
        return None

    def _append_row_to(self, task: Task) -> AppendRowTo | None:
        text = task.append_row_to
        if text is None:
            return None
        keys = ("task", "append_row_to")
        allowed = "${{outputs.NAME}}, or a file below it: ${{outputs.NAME}}/rows.csv"
        found = find(text)
        if len(found) != 1 or found[0].form != "${{outputs.NAME}}" or text.strip()[0] != "$":
            self.diagnostics.in_step(self.name, keys, f"found {text!r}", allowed=allowed)
            return None
        name = found[0].name
        output = self.outputs.get(name)
        if output is None:
            self.diagnostics.in_step(
                self.name,
                keys,
                f"{found[0]}: the step has no output {name}",
                allowed=", ".join(f"${{{{outputs.{name}}}}}" for name in self.outputs) or None,
                hint=did_you_mean(name, self.outputs),
            )
            return None
        rest = text[found[0].end :].rstrip()
        subpath = rest.removeprefix("/")
        if not rest:
            return AppendRowTo(name)
        parts = PurePosixPath(subpath).parts
        if not rest.startswith("/") or not parts or ".." in parts or subpath.startswith("/"):
            self.diagnostics.in_step(self.name, keys, f"found {text!r}", allowed=allowed)
        elif output.type == "uri_file":
            self.diagnostics.in_step(
                self.name,
                keys,
                f"{found[0]} is one file (uri_file), and {subpath} lies below it",
                hint="make the output a uri_folder",
            )
        return AppendRowTo(name, subpath)

    def _predefined(self, template: str) -> tuple[PredefinedArguments, set[str]]:
        keys = ("task", "program_arguments")
        self.check_text(keys, template)
        missing = set(missing_keys(self.inputs))
        try:
            words = split_arguments(keep_given(template, missing))
        except ValueError as error:
            self.diagnostics.in_step(
                self.name, keys, f"cannot be cut into words: {str(error).lower()}"
            )
            return PredefinedArguments(), set()

        def wrong(problem: WrongArgument) -> None:
            self.diagnostics.in_step(self.name, keys, str(problem), allowed=problem.allowed)

        return parse_predefined(words, literal_values(self.inputs), wrong)

    def _code_and_script(self, task: Task) -> tuple[Path | None, str | None]:
        if task.type == "model":
            self.diagnostics.in_step(
                self.name, ("task", "type"), "found 'model'", allowed="run_function"
            )
            return None, None
        script = task.entry_script
        if script is None:
            self.diagnostics.in_step(self.name, ("task", "entry_script"), "the key is missing")
        if task.code is None:
            self.diagnostics.in_step(self.name, ("task", "code"), "the key is missing")
            return None, script
        own = self.diagnostics.is_own(self.name, ("task",))
        top = self.component is not None and not own and self.component.model.code is not None
        keys = ("code",) if top else ("task", "code")
        code = self.local_code(task.code, keys, self.folder("task"))
        if code is None or script is None:
            return code, script
        is_file = kind_of(code) == "file"
        file = code if is_file else code / script
        inside = os.path.normpath(script)
        if inside.startswith((os.pardir, os.sep)):
            self.diagnostics.in_step(
                self.name,
                ("task", "entry_script"),
                f"{script} lies outside the code folder",
                allowed=f"a file below {code}",
            )
        elif is_file and inside != code.name:
            self.diagnostics.in_step(
                self.name, ("task", "entry_script"), f"the code is the one file {code.name}"
            )
        elif kind_of(file) != "file":
            names = sorted(str(path.relative_to(code)) for path in code.rglob("*.py"))
            self.diagnostics.in_step(
                self.name,
                ("task", "entry_script"),
                f"there is no {script} in {code}",
                allowed=", ".join(names[:8]) or None,
                hint=did_you_mean(script, names),
            )
        else:
            self.diagnostics.script(file)
        return code, script
