"""Inputs and outputs, as steps give them and as components declare them."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import (
    Discriminator,
    GetJsonSchemaHandler,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import CoreSchema

from prefect_parallel.job.expressions import whole
from prefect_parallel.job.model import Model, tag
from prefect_parallel.job.values import (
    DATA_TYPES,
    INPUT_MODES,
    LITERAL_TYPES,
    MLTABLE_MODES,
    OUTPUT_MODES,
    Anything,
    ChoiceRule,
    DataType,
    Flag,
    LiteralValue,
    LooseText,
    Rule,
    Text,
    literal_type,
    wrong,
)

InputMode = Annotated[str, ChoiceRule(MLTABLE_MODES, any_case=True)]
OutputMode = Annotated[str, ChoiceRule(OUTPUT_MODES, any_case=True)]
DeclaredType = Annotated[str, ChoiceRule((*LITERAL_TYPES, *DATA_TYPES))]


def _check_mode(mode: str | None, info: ValidationInfo) -> str | None:
    of_type = info.data.get("type") or "uri_folder"
    modes = MLTABLE_MODES if of_type == "mltable" else INPUT_MODES
    if mode is not None and mode not in modes:
        raise wrong(f"found {mode!r} for a {of_type}", allowed=", ".join(modes))
    return mode


class DataInput(Model):
    """Data for a step. Its path may be an expression."""

    type: DataType = "uri_folder"
    path: Text | None = None
    mode: InputMode | None = None
    datastore: Text | None = None
    description: Text | None = None

    check_mode = field_validator("mode")(_check_mode)


class Output(Model):
    """Where a step or the pipeline puts something."""

    no_meaning: ClassVar[frozenset[str]] = frozenset({"name", "version"})

    type: DataType | None = None
    mode: OutputMode | None = None
    path: Text | None = None
    name: Text | None = None
    version: LooseText | None = None
    description: Text | None = None


def _input_kind(value: Any) -> str:
    data = isinstance(value, DataInput) or (isinstance(value, dict) and set(value) != {"value"})
    return tag("data") if data else tag("literal")


InputValue = Annotated[
    Annotated[DataInput, Tag(tag("data"))] | Annotated[LiteralValue, Tag(tag("literal"))],
    Discriminator(_input_kind),
]
"""A literal, data, or a binding as text."""


class _BindingRule(Rule):
    """A step's output as text: where a pipeline output stands."""

    def check(self, value: Any) -> str:
        expression = whole(value)
        if expression is None or expression.form != "${{parent.outputs.NAME}}":
            raise wrong(
                f"found {value!r}",
                allowed="a mapping with `type`, `mode` and `path`, or ${{parent.outputs.NAME}}",
            )
        return str(value)

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
    | Annotated[str, _BindingRule(), Tag(tag("binding"))],
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

    type: DeclaredType
    default: Anything = None
    optional: Flag = False
    description: Text | None = None
    min: Anything = None
    max: Anything = None
    enum: list[Anything] | None = None
    mode: InputMode | None = None

    check_mode = field_validator("mode")(_check_mode)

    @field_validator("default")
    @classmethod
    def _check_default(cls, default: Any, info: ValidationInfo) -> Any:
        of_type = info.data.get("type")
        if default is None or of_type is None:
            return default
        return as_type(default, of_type)


class DeclaredOutput(Model):
    """An output of a component."""

    type: DataType
    mode: OutputMode | None = None
    description: Text | None = None


def as_type(value: Any, of_type: str) -> Any:
    """A literal as the declared type.

    Raises:
        PydanticCustomError: It cannot be read as one.
    """
    found = literal_type(value) if isinstance(value, (str, bool, int, float)) else "mapping"
    if of_type == "string" or of_type in DATA_TYPES:
        if found != "mapping":
            return value if isinstance(value, str) else str(value)
    elif of_type == "boolean":
        if found == "boolean":
            return value
        if str(value).lower() in ("true", "false"):
            return str(value).lower() == "true"
    elif found != "boolean" and found != "mapping":
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
