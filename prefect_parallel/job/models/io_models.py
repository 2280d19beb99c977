"""Inputs and outputs, as steps give them and as components declare them."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import (
    Discriminator,
    Field,
    GetJsonSchemaHandler,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import CoreSchema

from prefect_parallel.job.format.model import Model, optional, tag
from prefect_parallel.job.format.types import (
    DATA_TYPES,
    INPUT_MODES,
    LITERAL_TYPES,
    MLTABLE_MODES,
    OUTPUT_MODES,
    AssetName,
    DataType,
    Flag,
    LiteralValue,
    LooseText,
    Scalar,
    Text,
    literal_type,
)
from prefect_parallel.job.format.validators import ChoiceValidator, Validator, wrong
from prefect_parallel.job.syntax.expressions import whole

DEFAULT_DATA_TYPE = "uri_folder"
DEFAULT_INPUT_MODE = "ro_mount"
DEFAULT_OUTPUT_MODE = "rw_mount"

InputMode = Annotated[str, ChoiceValidator(MLTABLE_MODES, any_case=True)]
OutputMode = Annotated[str, ChoiceValidator(OUTPUT_MODES, any_case=True)]
DeclaredType = Annotated[str, ChoiceValidator((*LITERAL_TYPES, *DATA_TYPES))]


def _check_mode(mode: str | None, info: ValidationInfo) -> str | None:
    of_type = info.data.get("type") or DEFAULT_DATA_TYPE
    modes = MLTABLE_MODES if of_type == "mltable" else INPUT_MODES
    if mode is not None and mode not in modes:
        raise wrong(f"found {mode!r} for a {of_type}", allowed=", ".join(modes))
    return mode


class DataInput(Model):
    """Data for a step. Its path may be an expression."""

    no_meaning: ClassVar[frozenset[str]] = frozenset({"datastore"})

    type: DataType = Field(
        default=DEFAULT_DATA_TYPE,
        description="A file, a folder, a table or list of files, or a model.",
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
        "How the script gets it: as a local path (`ro_mount`, `download`); as the URI that it is"
        " (`direct`); an mltable also as the files that it stands for (`eval_mount`,"
        " `eval_download`).",
        default=DEFAULT_INPUT_MODE,
    )
    datastore: Text | None = None

    check_mode = field_validator("mode")(_check_mode)


class DescribedInput(DataInput):
    """Data for a pipeline."""

    description: Text | None = optional("Of an input of the pipeline: the form for a run shows it.")


class Output(Model):
    """Where a step or the pipeline puts something."""

    no_meaning: ClassVar[frozenset[str]] = frozenset({"name", "version"})

    type: DataType | None = optional("What it is.", default=DEFAULT_DATA_TYPE)
    mode: OutputMode | None = optional(
        "How Azure ML writes it; here, steps write into the run directory.",
        default=DEFAULT_OUTPUT_MODE,
    )
    path: Text | None = optional(
        "Where Azure ML puts it; here, it is in the run directory whatever stands here."
    )
    name: AssetName | None = None
    version: LooseText | None = None

    @field_validator("version")
    @classmethod
    def _check_version(cls, version: str | None, info: ValidationInfo) -> str | None:
        if version is not None and info.data.get("name", "") is None:
            raise wrong("found a version, and no name", hint="give it a name, too: name: NAME")
        return version


def _input_kind(value: Any) -> str:
    data = isinstance(value, DataInput) or (isinstance(value, dict) and set(value) != {"value"})
    return tag("data") if data else tag("literal")


InputValue = Annotated[
    Annotated[DataInput, Tag(tag("data"))] | Annotated[LiteralValue, Tag(tag("literal"))],
    Discriminator(_input_kind),
]
"""A literal, data, or a binding as text."""

PipelineInputValue = Annotated[
    Annotated[DescribedInput, Tag(tag("data"))] | Annotated[LiteralValue, Tag(tag("literal"))],
    Discriminator(_input_kind),
]
"""A literal, or data."""


class _BindingValidator(Validator):
    """A step's output as text: where a pipeline output stands."""

    def check(self, value: Any) -> str:
        expression = whole(value)
        if expression is None or expression.form != "${{parent.outputs.NAME}}":
            raise self.refused(value)
        return str(value)

    @property
    def allowed(self) -> str:
        return "a mapping with `type`, `mode` and `path`, or ${{parent.outputs.NAME}}"

    def json_schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": r"^\s*\$\{\{\s*parent\.outputs\..*\}\}\s*$"}


def _output_kind(value: Any) -> str:
    return tag("mapping") if value is None or isinstance(value, (dict, Output)) else tag("binding")


class NamedOutput(Output):
    """An output; nothing after its name means a folder."""

    @model_validator(mode="before")
    @classmethod
    def _nothing_is_empty(cls, value: Any) -> Any:
        return {} if value is None else value

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"anyOf": [handler(schema), {"type": "null"}]}


OutputValue = Annotated[
    Annotated[NamedOutput, Tag(tag("mapping"))]
    | Annotated[str, _BindingValidator(), Tag(tag("binding"))],
    Discriminator(_output_kind),
]
"""An output of a step: its own, or a binding to one of the pipeline."""

CommandOutputValue = Annotated[
    Annotated[NamedOutput, Tag(tag("mapping"))] | Annotated[Text, Tag(tag("binding"))],
    Discriminator(_output_kind),
]
"""The same of a command step, where other text is the output's path."""


class DeclaredInput(Model):
    """An input of a component."""

    type: DeclaredType = Field(description="A kind of value, or of data.")
    default: Scalar | None = Field(default=None, description="What counts if a step gives none.")
    optional: Flag = Field(
        default=False,
        description="Whether a step may leave it out; `$[[...]]` around it then goes away.",
    )
    description: Text | None = Field(default=None, description="For people.")
    min: Scalar | None = Field(default=None, description="The smallest number it may be.")
    max: Scalar | None = Field(default=None, description="The largest number it may be.")
    enum: list[Text] | None = Field(default=None, description="All that it may be.")
    mode: InputMode | None = Field(
        default=None, description="How the script gets data, unless the step says it."
    )

    check_mode = field_validator("mode")(_check_mode)

    @field_validator("default", "min", "max", "enum", "mode")
    @classmethod
    def _check_key(cls, value: Any, info: ValidationInfo) -> Any:
        of_type = info.data.get("type")
        if of_type is None:
            return value
        known = ["mode"] if of_type in DATA_TYPES else ["default", "enum"]
        if of_type in ("integer", "number"):
            known += ["min", "max"]
        if info.field_name not in known:
            allowed = ", ".join(("type", "description", "optional", *known))
            raise wrong(f"not a key of an input of type {of_type}", allowed=allowed)
        return value

    @field_validator("default", "min", "max")
    @classmethod
    def _check_value(cls, value: Any, info: ValidationInfo) -> Any:
        of_type = info.data.get("type")
        return value if of_type is None else as_type(value, of_type)

    @field_validator("enum")
    @classmethod
    def _check_enum(cls, enum: list[str], info: ValidationInfo) -> list[str]:
        if of_type := info.data.get("type"):
            for item in enum:
                as_type(item, of_type)
        return enum


class DeclaredOutput(Model):
    """An output of a component."""

    type: DataType = Field(description="What it is.")
    mode: OutputMode | None = optional("As of a step's output.", default=DEFAULT_OUTPUT_MODE)
    description: Text | None = optional("For people.")


def as_type(value: Any, of_type: str) -> Any:
    """A literal as the declared type.

    Raises:
        PydanticCustomError: It cannot be read as one.
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
            if of_type == "number":
                return float(value) if found == "string" else value
            if number.is_integer():
                return int(value)
        except (ValueError, OverflowError):
            pass
    shown_value = repr(value) if found != "mapping" else "a mapping"
    raise wrong(f"found {shown_value}", allowed=f"a value of type {of_type}")
