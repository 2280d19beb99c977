"""A JSON schema of pipeline files, for editors."""

from __future__ import annotations

from typing import Any

from prefect_parallel.job.format.json_schema import json_schema_of
from prefect_parallel.job.models.pipeline import PipelineJob


def json_schema() -> dict[str, Any]:
    """The schema of a pipeline job."""
    definitions: dict[str, Any] = {}
    json_schema_of(PipelineJob, definitions)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A pipeline of parallel and command steps",
        **definitions.pop(PipelineJob.__name__),
        "$defs": definitions,
    }
