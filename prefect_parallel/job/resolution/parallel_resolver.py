"""Resolving a parallel step."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import Any

from prefect_parallel.data.mltable.input_formats import INPUT_FORMATS
from prefect_parallel.document import shown
from prefect_parallel.errors import advice_for, did_you_mean
from prefect_parallel.job.files.locations import kind_of
from prefect_parallel.job.resolution.effective_settings import Effective, effective_settings
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
from prefect_parallel.job.settings.parallel_settings import SETTINGS, Inherit
from prefect_parallel.job.settings.program_arguments import (
    old_arguments,
    parse_predefined,
    split_arguments,
)
from prefect_parallel.job.syntax.expressions import find, keep_given, whole
from prefect_parallel.layout import FUNCTION_SUFFIX

MAJOR_INPUT_TYPES = ("uri_file", "uri_folder", "mltable")


class ParallelResolver(StepResolver):
    """Resolves a parallel step; problems go to the diagnostics."""

    def resolve(self) -> ParallelStep | None:
        """The step; None if it has problems that leave nothing to run."""
        task = self.keys.effective("task")
        common = self.common(task.below("environment"))
        code, script = self.keys.effective("task", "code", at_top=True), task.below("entry_script")
        folder = self._code(task, code, script)
        template = task.below("program_arguments")
        arguments = self._predefined(template)
        settings = effective_settings(self.keys, arguments)
        self._check_overruled(arguments)
        input_name = self._input_name()
        input_format = self._input_format(input_name)
        append_row_to = task.below("append_row_to")
        append = self._append_row_to(append_row_to)
        values = self._values(settings)
        if folder is None or script.value is None or input_name is None:
            return None
        shown = {
            "code": code,
            "entry_script": script,
            "append_row_to": append_row_to,
            "input_format": input_format,
        }
        return ParallelStep(
            **common,
            **values,
            input_name=input_name,
            code=folder,
            entry_script=script.value,
            program_arguments=template.value or "",
            append_row_to=append,
            input_format=input_format.value,
            origins={name: each.origin for name, each in (settings | shown).items()},
        )

    def _values(self, settings: dict[str, Effective]) -> dict[str, Any]:
        """The values of the settings, with inputs of the pipeline put in."""
        values: dict[str, Any] = {}
        for name, effective in settings.items():
            schema = SETTINGS[name].key
            value = effective.value if schema is None else self.bound(effective, schema)
            if value is not None:
                values[name] = value
        keys = values.get("partition_keys", ())
        if len(set(keys)) < len(keys) or "" in keys:
            message = "found an empty or repeated key"
            self.add(settings["partition_keys"], message, "names of columns")
        if keys and values.get("isolate_failed_items"):
            message = "found True with partition_keys: a mini-batch of a key is not split"
            self.add(settings["isolate_failed_items"], message, "False")
        if values.get("mini_batch_size") == 0:
            del values["mini_batch_size"]
        return values

    def _check_overruled(self, arguments: dict[str, Any]) -> None:
        """Check the keys whose values do not apply because program arguments win over them."""
        written = effective_settings(self.keys)
        for name in arguments:
            schema = SETTINGS[name].key
            if schema is not None:
                self.bound(written[name], schema)

    def _input_name(self) -> str | None:
        at = self.keys.effective("input_data", inherit=Inherit.IF_EMPTY)
        allowed = ", ".join(f"${{{{inputs.{name}}}}}" for name in self.inputs) or None
        expression = whole(at.value)
        if at.value is None:
            self.add(at, "the key is missing", allowed)
            return None
        if expression is None or expression.form != "${{inputs.NAME}}":
            hint = f"write ${{{{inputs.{at.value}}}}}" if at.value in self.inputs else None
            self.add(at, f"found {at.value!r}", allowed, hint)
            return None
        name = expression.name
        value = self.inputs.get(name)
        if value is None:
            message = f"{expression}: the step has no input {name}"
            self.add(at, message, allowed, did_you_mean(name, self.inputs))
            return None
        if isinstance(value, (Data, OutputOf)) and value.type in MAJOR_INPUT_TYPES:
            return name
        if isinstance(value, Missing) and not self.is_left_out(name):
            return None
        found = value.type if isinstance(value, (Data, OutputOf)) else "not data"
        self.add(
            at,
            f"{expression} is {'not given' if isinstance(value, Missing) else found}",
            f"data of type {', '.join(MAJOR_INPUT_TYPES)}",
        )
        return None

    def _input_format(self, input_name: str | None) -> Effective:
        """The format of the major input, checked."""
        properties = self.keys.effective("properties")
        value = (properties.value or {}).get("input_format")
        origin = properties.origin if value is not None else "default"
        at = Effective(value, origin, properties.document, (*properties.path, "input_format"))
        if value is None or input_name is None:
            return at
        source = self.inputs[input_name]
        assert isinstance(source, (Data, OutputOf)), "checked by _input_name"
        if not isinstance(value, str):
            # A component's properties may be anything; those of a step are text.
            self.add(at, f"found {shown(value)}", ", ".join(INPUT_FORMATS))
        elif value not in INPUT_FORMATS:
            self.add(at, f"found {value!r}", **advice_for(value, INPUT_FORMATS))
        elif source.type == "mltable":
            hint = "leave it out, since the MLTable file says how to read the files"
            self.add(at, f"the input {input_name} is an mltable", "uri_file, uri_folder", hint)
        elif source.mode != "direct":
            message = f"the mode of the input {input_name} is {source.mode}"
            self.add(at, message, "direct", "files of a table are read where they are")
        return at

    def _append_row_to(self, at: Effective) -> AppendRowTo | None:
        text = at.value
        if text is None:
            return None
        allowed = "${{outputs.NAME}}, or a file below it: ${{outputs.NAME}}/rows.csv"
        found = find(text)
        if (
            len(found) != 1
            or found[0].form != "${{outputs.NAME}}"
            or text[: found[0].start].strip()
        ):
            self.add(at, f"found {text!r}", allowed)
            return None
        name = found[0].name
        output = self.outputs.get(name)
        if output is None:
            self.add(
                at,
                f"{found[0]}: the step has no output {name}",
                ", ".join(f"${{{{outputs.{name}}}}}" for name in self.outputs) or None,
                did_you_mean(name, self.outputs),
            )
            return None
        rest = text[found[0].end :].rstrip()
        subpath = rest.removeprefix("/")
        if not rest:
            return AppendRowTo(name)
        parts = PurePosixPath(subpath).parts
        if not rest.startswith("/") or not parts or ".." in parts or subpath.startswith("/"):
            self.add(at, f"found {text!r}", allowed)
        elif output.type == "uri_file":
            message = f"{found[0]} is a file (uri_file), so there can be no {subpath} below it"
            self.add(at, message, hint="make the output a uri_folder")
        return AppendRowTo(name, subpath)

    def _predefined(self, template: Effective) -> dict[str, Any]:
        """The predefined program arguments that are given, by name."""
        if template.value is None:
            return {}
        self.check_text(template)
        try:
            words = split_arguments(keep_given(template.value, set(missing_keys(self.inputs))))
        except ValueError as error:
            self.add(template, f"cannot be split into words: {error}")
            return {}
        for argument, key in old_arguments(words):
            message = f"{argument} has no effect here and is only passed to the script"
            hint = f"set the key {key}"
            warning = template.document.problem(template.path, message, hint=hint)
            self.diagnostics.warnings.append(warning)
        of_run = {} if self.level.run is None else {"name": self.level.run}
        return parse_predefined(
            words,
            literal_values(self.inputs) | of_run,
            lambda refused: self.add(template, refused.found, refused.allowed),
        )

    def _code(self, task: Effective, code: Effective, script: Effective) -> Path | None:
        """The folder or file of the code, whose entry script is checked."""
        if task.value is None:  # It is broken.
            return None
        if task.value.type == "model":
            self.add(task.below("type"), "found 'model'", "run_function")
            return None
        if script.value is None:
            self.add(script, "the key is missing")
        if code.value is None:
            self.add(code, "the key is missing")
            return None
        folder = self.local_code(code)
        if folder is not None and script.value is not None:
            self._check_script(folder, script)
        return folder

    def _check_script(self, code: Path, script: Effective) -> None:
        is_file = kind_of(code) == "file"
        file = code if is_file else code / script.value
        inside = os.path.normpath(script.value)
        if inside.startswith((os.pardir, os.sep)):
            message = f"{script.value} is outside the code folder"
            self.add(script, message, f"a file below {code}")
        elif is_file and inside != code.name:
            self.add(script, f"the code is the one file {code.name}")
        elif kind_of(file) != "file":
            names = sorted(str(path.relative_to(code)) for path in code.rglob("*.py"))
            self.add(
                script,
                f"there is no {script.value} in {code}",
                ", ".join(names[:8]) or None,
                did_you_mean(script.value, names),
            )
        elif file.suffix != FUNCTION_SUFFIX:
            self.diagnostics.check_script(file)
            if not is_file:
                self.diagnostics.check_modules(code)
