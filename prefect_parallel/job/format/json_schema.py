"""JSON schemas, for editors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from prefect_parallel.job.format.model import Key, Model
from prefect_parallel.job.format.validators import Validator
from prefect_parallel.yaml_schema import Either, ListOf, MappingOf, ValueSchema


def json_schema(model: type[Model], title: str) -> dict[str, Any]:
    """The JSON schema of files with the keys of a model."""
    definitions: dict[str, Any] = {}
    json_schema_of(model, definitions)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        **definitions.pop(model.__name__),
        "$defs": definitions,
    }


def json_schema_of(schema: ValueSchema, definitions: dict[str, Any]) -> dict[str, Any]:
    """The JSON schema of a value; those of models are added to the definitions, by name."""
    if isinstance(schema, Validator):
        about = (type(schema).__doc__ or "").partition("\n")[0]
        return {"description": about, **schema.json_schema()}
    if isinstance(schema, ListOf):
        return {"type": "array", "items": json_schema_of(schema.item, definitions)}
    if isinstance(schema, MappingOf):
        return _mapping(schema, definitions)
    if isinstance(schema, type) and issubclass(schema, Model):
        return _model(schema, definitions)
    return _any_of(_choices(schema), definitions)


def _choices(schema: Any) -> Iterable[ValueSchema]:
    if isinstance(schema, Either):
        return schema.mapping, schema.other
    choices: dict[Any, ValueSchema] = schema.choices
    return choices.values()


def _any_of(schemas: Iterable[ValueSchema], definitions: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [json_schema_of(each, definitions) for each in schemas]}


def _mapping(schema: MappingOf, definitions: dict[str, Any]) -> dict[str, Any]:
    value = json_schema_of(schema.item, definitions)
    if not isinstance(schema.name, Validator):
        return {"type": "object", "additionalProperties": value}
    pattern = schema.name.json_schema()["pattern"]
    return {"type": "object", "patternProperties": {pattern: value}, "additionalProperties": False}


def _model(model: type[Model], definitions: dict[str, Any]) -> dict[str, Any]:
    if model.__name__ not in definitions:
        keys = model.all_keys().values()
        definitions[model.__name__] = schema = {
            "type": "object",
            "description": (model.__doc__ or "").partition("\n")[0],
            "additionalProperties": False,
            "required": [each.name for each in keys if each.required],
        }
        schema["properties"] = {each.name: _key(each, definitions) for each in keys}
    reference = {"$ref": f"#/$defs/{model.__name__}"}
    return {"anyOf": [reference, {"type": "null"}]} if model.nullable else reference


def _key(key: Key, definitions: dict[str, Any]) -> dict[str, Any]:
    schema = json_schema_of(key.schema, definitions)
    if key.description:
        schema["description"] = key.description
    if key.effective is not None:
        schema["default"] = key.effective
    if key.examples:
        schema["examples"] = list(key.examples)
    return schema
