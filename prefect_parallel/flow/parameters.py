"""A pipeline's inputs as the typed parameters of its flow, so that the Prefect UI shows a form."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from prefect_parallel.job import Parameter

TYPES: dict[str, type] = {"string": str, "integer": int, "number": float, "boolean": bool}
"""Types of literal inputs; data is given as text, its path or URL."""


def give_parameters(
    function: Callable[..., Any], description: str | None, parameters: Sequence[Parameter]
) -> None:
    """Give a function of any keywords the signature and the docstring of a pipeline's inputs.

    Prefect reads types and defaults from the signature, descriptions from the docstring.
    """
    function.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [_parameter(parameter) for parameter in parameters]
    )
    function.__annotations__ = {each.name: _type(each) for each in parameters}
    lines = [f"    {each.name}: {_describe(each)}" for each in parameters]
    function.__doc__ = "\n".join([description or "", "", "Args:", *lines]) if lines else description


def _parameter(parameter: Parameter) -> inspect.Parameter:
    required = parameter.default is None
    return inspect.Parameter(
        parameter.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if required else parameter.default,
        annotation=_type(parameter),
    )


def _type(parameter: Parameter) -> type:
    return TYPES.get(parameter.type, str)


def _describe(parameter: Parameter) -> str:
    kind = "" if parameter.type in TYPES else f"Path or URL of data of type {parameter.type}."
    return " ".join(part for part in (parameter.description, kind) if part) or parameter.type
