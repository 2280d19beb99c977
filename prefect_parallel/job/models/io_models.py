"""Inputs and outputs, as steps give them and as components declare them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Any, ClassVar

from prefect_parallel.document import KeyPath
from prefect_parallel.job.format.model import Model, ignored, key, optional
from prefect_parallel.job.format.types import (
    DATA_TYPES,
    INPUT_MODES,
    LITERAL_TYPES,
    MLTABLE_MODES,
    OUTPUT_MODES,
    AssetName,
    Boolean,
    DataType,
    LooseText,
    Scalar,
    Text,
    literal_type,
)
from prefect_parallel.job.format.validators import (
    ChoiceValidator,
    LiteralValidator,
    Schema,
    TextValidator,
    Validator,
)
from prefect_parallel.job.syntax.expressions import whole
from prefect_parallel.yaml_schema import Diagnostics, Either, Refused

DEFAULT_DATA_TYPE = "uri_folder"
DEFAULT_INPUT_MODE = "ro_mount"
DEFAULT_OUTPUT_MODE = "rw_mount"

InputMode = Annotated[str, ChoiceValidator(MLTABLE_MODES, any_case=True)]
OutputMode = Annotated[str, ChoiceValidator(OUTPUT_MODES, any_case=True)]
DeclaredType = Annotated[str, ChoiceValidator((*LITERAL_TYPES, *DATA_TYPES))]


def _check_mode(model: DataInput | DeclaredInput, refuse: Callable[[str, Refused], None]) -> None:
    modes = MLTABLE_MODES if model.type == "mltable" else INPUT_MODES
    if model.mode is not None and model.mode not in modes:
        found = f"found {model.mode!r} for a {model.type}"
        refuse("mode", Refused(found, allowed=", ".join(modes)))


class DataInput(Model):
    """Data for a step. Its path may be an expression."""

    type: DataType = key(
        "A file, a folder, a table or list of files, or a model.", default=DEFAULT_DATA_TYPE
    )
    path: Text | None = optional(
        "A local path, a URL, or an expression.",
        examples=[
            "./rows",
            "s3://bucket/rows",
            "azureml://datastores/sales/paths/rows",
            "azureml:rows:1",
            "${{parent.inputs.rows}}",
        ],
    )
    mode: InputMode | None = optional(
        "How the script gets it: as a local path (`ro_mount`, `download`); as the URI itself"
        " (`direct`); an mltable also as the files that it evaluates to (`eval_mount`,"
        " `eval_download`).",
        default=DEFAULT_INPUT_MODE,
    )
    datastore: Text | None = ignored()

    def check(self, refuse: Callable[[str, Refused], None]) -> None:
        _check_mode(self, refuse)


class DescribedInput(DataInput):
    """Data for a pipeline."""

    description: Text | None = optional(
        "Of an input of the pipeline: shown in the form for its runs."
    )


class Output(Model):
    """Where a step or the pipeline writes something."""

    type: DataType | None = optional("What it is.", default=DEFAULT_DATA_TYPE)
    mode: OutputMode | None = optional(
        "How Azure ML writes it; here, steps write into the run directory.",
        default=DEFAULT_OUTPUT_MODE,
    )
    path: Text | None = optional(
        "Where it is copied when the step has succeeded: a local path, a URL, or"
        " `azureml://datastores/NAME/paths/PATH`. It is also in the run directory.",
        examples=["azureml://datastores/sales/paths/${{name}}/rows.csv"],
    )
    name: AssetName | None = optional(
        "When the step has succeeded, a `DataAsset` block of this name is saved, which later"
        " pipelines read as `azureml:NAME:VERSION` or `azureml:NAME@latest`."
    )
    version: LooseText | None = optional(
        "Version of that block; by default the number after the highest. One that has another path"
        " is an error."
    )

    def check(self, refuse: Callable[[str, Refused], None]) -> None:
        if self.version is not None and self.name is None and "name" not in self.broken:
            hint = "give it a name, too: name: NAME"
            refuse("version", Refused("found a version without a name", hint=hint))


class NamedOutput(Output):
    """An output; nothing after its name means a folder."""

    nullable: ClassVar[bool] = True


class _BindingValidator(Validator):
    """A step's output as text: a binding to an output of the pipeline."""

    allowed = "a mapping with `type`, `mode` and `path`, or ${{parent.outputs.NAME}}"
    json: ClassVar[Schema] = {
        "type": "string",
        "pattern": r"^\s*\$\{\{\s*parent\.outputs\..*\}\}\s*$",
    }

    def check(self, value: Any) -> str:
        expression = whole(value)
        if expression is None or expression.form != "${{parent.outputs.NAME}}":
            raise self.refused(value)
        return str(value)


class _DataOrLiteral(Either):
    """Data, or a literal; `{value: X}` is a literal, too."""

    def read(self, value: Any, path: KeyPath, diagnostics: Diagnostics) -> Any:
        if isinstance(value, dict) and set(value) == {"value"}:
            return self.other.read(value, path, diagnostics)
        return super().read(value, path, diagnostics)


class _OutputOrText(Either):
    """An output, or text; nothing (null) is an output."""

    def read(self, value: Any, path: KeyPath, diagnostics: Diagnostics) -> Any:
        if value is None:
            return self.mapping.read(value, path, diagnostics)
        return super().read(value, path, diagnostics)


InputValue = Annotated[
    DataInput | str | int | float | bool, _DataOrLiteral(DataInput, LiteralValidator())
]
"""A literal, data, or a binding as text."""

PipelineInputValue = Annotated[
    DescribedInput | str | int | float | bool, _DataOrLiteral(DescribedInput, LiteralValidator())
]
"""A literal, or data."""

OutputValue = Annotated[NamedOutput | str, _OutputOrText(NamedOutput, _BindingValidator())]
"""An output of a step: its own, or a binding to one of the pipeline."""

CommandOutputValue = Annotated[NamedOutput | str, _OutputOrText(NamedOutput, TextValidator())]
"""An output of a command step; text that is not a binding is its path."""


class DeclaredInput(Model):
    """An input of a component."""

    type: DeclaredType = key("A kind of value, or of data.")
    default: Scalar | None = key("The value if a step gives none.", default=None)
    optional: Boolean = key(
        "Whether a step may leave it out; `$[[...]]` around it is then removed.", default=False
    )
    description: Text | None = key("Informational.", default=None)
    min: Scalar | None = key("The smallest number allowed.", default=None)
    max: Scalar | None = key("The largest number allowed.", default=None)
    enum: list[Text] | None = key("All values allowed.", default=None)
    mode: InputMode | None = key("How the script gets data; a step can override it.", default=None)

    def check(self, refuse: Callable[[str, Refused], None]) -> None:
        if self.type is None:  # It is broken.
            return
        known = ["mode"] if self.type in DATA_TYPES else ["default", "enum"]
        if self.type in ("integer", "number"):
            known += ["min", "max"]
        for name in ("default", "min", "max", "enum", "mode"):
            value = getattr(self, name)
            if value is None:
                continue
            if name not in known:
                allowed = ", ".join(("type", "description", "optional", *known))
                refuse(name, Refused(f"not a key of an input of type {self.type}", allowed=allowed))
                continue
            try:
                if name == "enum":
                    for item in value:
                        as_type(item, self.type)
                elif name != "mode":
                    setattr(self, name, as_type(value, self.type))
            except Refused as refused:
                refuse(name, refused)
        if "mode" in known:
            _check_mode(self, refuse)


class DeclaredOutput(Model):
    """An output of a component."""

    type: DataType = key("What it is.")
    mode: OutputMode | None = optional("As for a step's output.", default=DEFAULT_OUTPUT_MODE)
    description: Text | None = optional("Informational.")


def limit_of(value: Any, declared: Any) -> str | None:
    """What a literal of the declared type must be, if it is outside the limits; else None."""
    enum, low, high = declared.enum, declared.min, declared.max
    if enum is not None and value not in [as_type(item, declared.type) for item in enum]:
        return ", ".join(map(str, enum))
    if isinstance(value, (int, float)):
        if isinstance(low, (int, float)) and value < low:
            return f"at least {low}"
        if isinstance(high, (int, float)) and value > high:
            return f"at most {high}"
    return None


def as_type(value: Any, of_type: str) -> Any:
    """A literal as the declared type.

    Raises:
        Refused: It cannot be read as one.
    """
    found = literal_type(value) if isinstance(value, (str, bool, int, float)) else "mapping"
    if of_type == "string":
        if found != "mapping":
            return value if isinstance(value, str) else str(value)
    elif of_type == "boolean":
        if found == "boolean":
            return value
        if str(value).lower() in ("true", "false"):
            return str(value).lower() == "true"
    elif of_type in ("integer", "number") and found not in ("boolean", "mapping"):
        try:
            number = float(value)
            if of_type == "number" and math.isfinite(number):
                return number if found == "string" else value
            if of_type == "integer" and number.is_integer():
                return int(value)
        except (ValueError, OverflowError):
            pass
    shown_value = repr(value) if found != "mapping" else "a mapping"
    raise Refused(f"found {shown_value}", allowed=f"a value of type {of_type}")
