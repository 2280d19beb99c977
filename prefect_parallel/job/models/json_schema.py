"""A JSON schema of pipeline files, for editors; made from the models that read them."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from prefect_parallel.job.models.pipeline import PipelineJob


def json_schema() -> dict[str, Any]:
    """The schema of a pipeline job."""
    schema = PipelineJob.model_json_schema(by_alias=True, schema_generator=_Generator)
    return {
        "$schema": GenerateJsonSchema.schema_dialect,
        "title": "A pipeline of parallel and command steps",
        **_tidied(schema),
    }


class _Generator(GenerateJsonSchema):
    """`None` in a model means "not given"; in a file a null is a mistake."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])


def _tidied(schema: Any) -> Any:
    """Without generated titles, and with names of mappings held to their patterns.

    One of several models may fit better than pydantic's `oneOf` says: a step that only names a
    component fits both kinds of step.
    """
    if isinstance(schema, list):
        return [_tidied(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    tidied = {
        "anyOf" if key == "oneOf" else key: _tidied(part)
        for key, part in schema.items()
        if not (key == "title" and isinstance(part, str))
    }
    if "patternProperties" in tidied:
        tidied.setdefault("additionalProperties", False)
    return tidied
