"""Tables of the keys of YAML schemas."""

from __future__ import annotations

from prefect_parallel.yaml_schema import Described, Fields, ValueSchema
from tools.reference.markdown import code, table


def options_table(schema: ValueSchema) -> str:
    """The keys of a mapping."""
    assert isinstance(schema, Fields)
    rows = [row(each, must=each[0] in schema.required) for each in schema.fields.items()]
    return table(("key", "value", ""), rows)


def row(option: tuple[str, ValueSchema], must: bool = False) -> tuple[str, str, str]:
    name, schema = option
    assert isinstance(schema, Described)
    return code(name), schema.allowed, schema.description + (" **Required.**" if must else "")
