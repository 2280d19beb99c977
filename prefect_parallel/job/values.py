"""The kinds of values that keys of a pipeline take."""

from __future__ import annotations

from typing import Annotated, Any

from prefect_parallel.job.name_rules import AssetNameRule, AssetRule, NameRule, StepNameRule
from prefect_parallel.job.rules import (
    AnythingRule,
    ChoiceRule,
    CondaFileRule,
    FlagRule,
    LiteralRule,
    LooseTextRule,
    ScalarRule,
    SizeRule,
    TextRule,
    TextsRule,
    WholeRule,
)

MAX_TIMEOUT = 259_200  # 3 days, in seconds.

INPUT_MODES = ("ro_mount", "download", "direct")
MLTABLE_MODES = (*INPUT_MODES, "eval_mount", "eval_download")
OUTPUT_MODES = ("rw_mount", "upload", "direct", "mount")
DATA_TYPES = (
    "uri_file",
    "uri_folder",
    "mltable",
    "custom_model",
    "mlflow_model",
    "triton_model",
)
LITERAL_TYPES = ("string", "integer", "number", "boolean")
LOGGING_LEVELS = ("INFO", "WARNING", "DEBUG")


Text = Annotated[str, TextRule()]
TextOrNull = Annotated[str | None, TextRule(nullable=True)]
Texts = Annotated[str | list[str], TextsRule()]
LooseText = Annotated[str, LooseTextRule()]
Flag = Annotated[bool, FlagRule()]
Anything = Annotated[Any, AnythingRule()]
CondaFile = Annotated[Any, CondaFileRule()]
Scalar = Annotated[str | int | float | bool, ScalarRule()]
LiteralValue = Annotated[str | int | float | bool, LiteralRule()]
Size = Annotated[int | str, SizeRule()]
Count = Annotated[int | str, WholeRule(1)]
FixedCount = Annotated[int, WholeRule(1, bindable=False)]
Threshold = Annotated[int | str, WholeRule(-1)]
Retries = Annotated[int | str, WholeRule(0)]
Timeout = Annotated[int | str, WholeRule(1, MAX_TIMEOUT, "seconds")]
FixedTimeout = Annotated[int, WholeRule(1, MAX_TIMEOUT, "seconds", bindable=False)]
Level = Annotated[str, ChoiceRule(LOGGING_LEVELS, bindable=True)]
DataType = Annotated[str, ChoiceRule(DATA_TYPES, any_case=True)]
StepName = Annotated[str, StepNameRule()]
Name = Annotated[str, NameRule()]
AssetName = Annotated[str, AssetNameRule()]
EnvironmentName = Annotated[str, AssetRule("NAME, azureml:NAME:VERSION or a mapping")]
ComputeName = Annotated[str, AssetRule("NAME", ("serverless",))]
DatastoreName = Annotated[str, AssetRule("NAME")]


def literal_type(value: str | int | float | bool) -> str:
    """What the format calls the type of a literal."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    return "number" if isinstance(value, float) else "string"
