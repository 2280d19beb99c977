"""Annotated types of the values of keys."""

from __future__ import annotations

from typing import Annotated, Any

from prefect_parallel.job.format.name_validators import (
    AssetNameValidator,
    AssetValidator,
    NameValidator,
    StepNameValidator,
)
from prefect_parallel.job.format.validators import (
    AnythingValidator,
    BooleanValidator,
    ChoiceValidator,
    CondaFileValidator,
    IntegerValidator,
    LooseTextValidator,
    ScalarValidator,
    TextsValidator,
    TextValidator,
)

MAX_TIMEOUT = 259_200  # 3 days, in seconds.
TIMEOUT = IntegerValidator(1, MAX_TIMEOUT, "seconds")

INPUT_MODES = ("ro_mount", "download", "direct")
MLTABLE_MODES = (*INPUT_MODES, "eval_mount", "eval_download")
OUTPUT_MODES = ("rw_mount", "upload", "direct", "mount")
MODEL_TYPES = ("custom_model", "mlflow_model", "triton_model")
DATA_TYPES = ("uri_file", "uri_folder", "mltable", *MODEL_TYPES)
LITERAL_TYPES = ("string", "integer", "number", "boolean")
LOGGING_LEVELS = ("INFO", "WARNING", "DEBUG")


Text = Annotated[str, TextValidator()]
TextOrNull = Annotated[str | None, TextValidator(nullable=True)]
Texts = Annotated[str | list[str], TextsValidator()]
LooseText = Annotated[str, LooseTextValidator()]
Boolean = Annotated[bool, BooleanValidator()]
Anything = Annotated[Any, AnythingValidator()]
CondaFile = Annotated[Any, CondaFileValidator()]
Scalar = Annotated[str | int | float | bool, ScalarValidator()]
Count = Annotated[int | str, IntegerValidator(1)]
FixedCount = Annotated[int, IntegerValidator(1, bindable=False)]
Timeout = Annotated[int | str, TIMEOUT]
FixedTimeout = Annotated[int, IntegerValidator(1, MAX_TIMEOUT, "seconds", bindable=False)]
DataType = Annotated[str, ChoiceValidator(DATA_TYPES, any_case=True)]
StepName = Annotated[str, StepNameValidator()]
Name = Annotated[str, NameValidator()]
AssetName = Annotated[str, AssetNameValidator()]
ComputeName = Annotated[str, AssetValidator("NAME", ("serverless",))]
DatastoreName = Annotated[str, AssetValidator("NAME")]


def literal_type(value: str | int | float | bool) -> str:
    """The format's name for the type of a literal."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    return "number" if isinstance(value, float) else "string"
