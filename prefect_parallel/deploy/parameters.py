"""Values of a deployment's parameters from the command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prefect_parallel.errors import InvalidPipeline, Problem, did_you_mean
from prefect_parallel.job import PipelineJob
from prefect_parallel.job.files.locations import location_of
from prefect_parallel.job.format.types import DATA_TYPES
from prefect_parallel.yaml_scalar import parse_scalar


def read_parameters(job: PipelineJob, arguments: Sequence[str]) -> dict[str, Any]:
    """The values of a pipeline's inputs in `NAME=VALUE` arguments; not checked against their types.

    Raises:
        InvalidPipeline: An argument is not `NAME=VALUE`, or names no input.
    """
    types = {parameter.name: parameter.type for parameter in job.parameters}
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for argument in arguments:
        name, separator, text = argument.partition("=")
        where = f"--param {argument}"
        if not separator:
            problems.append(Problem("no value given", where, allowed="--param NAME=VALUE"))
        elif name not in types:
            allowed = ", ".join(types) or "none: the pipeline has no inputs"
            hint = did_you_mean(name, types)
            problems.append(
                Problem("the pipeline has no such input", where, allowed=allowed, hint=hint)
            )
        else:
            is_literal = types[name] in ("integer", "number", "boolean")
            if types[name] in DATA_TYPES and text:
                # Runs read the pipeline from another folder.
                text = location_of(text, job.folder)
            values[name] = parse_scalar(text) if is_literal else text
    if problems:
        raise InvalidPipeline(problems)
    return values
