"""Text that may be an input of the pipeline."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from prefect_parallel.errors import did_you_mean
from prefect_parallel.job.resolution.resolved import Input, Literal, Missing
from prefect_parallel.job.syntax.expressions import whole

Refuse = Callable[..., Any]
"""Takes a message, what is allowed, and a hint."""


def pipeline_literal(text: str, inputs: Mapping[str, Input], refuse: Refuse) -> str | None:
    """The text of the pipeline input that is the whole of a text; None if it has no value."""
    expression = whole(text)
    assert expression is not None
    if expression.form != "${{parent.inputs.NAME}}":
        refuse(f"{expression} is not allowed here", "${{parent.inputs.NAME}}")
        return None
    name = expression.name
    value = inputs.get(name)
    if isinstance(value, Literal):
        return value.text
    if not isinstance(value, Missing):
        found = f" has no input {name}" if value is None else f"'s input {name} is data"
        refuse(
            f"{expression}: the pipeline{found}",
            "a literal input of the pipeline",
            did_you_mean(name, inputs),
        )
    return None


def compute_of(text: str | None, inputs: Mapping[str, Input], refuse: Refuse) -> str | None:
    """The name of a compute, which an input of the pipeline may give."""
    if text and whole(text):
        text = pipeline_literal(text, inputs, refuse)
    if text and "${{" in text:
        refuse(f"found {text!r}", "azureml:NAME or ${{parent.inputs.NAME}}")
        return None
    return text.removeprefix("azureml:") if text else None
