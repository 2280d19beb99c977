"""Tables of what may stand in the files that tell of data."""

from __future__ import annotations

from prefect_parallel.yaml_schema import Fields, Shape, Told
from tools.reference.markdown import code, table


def options_table(shape: Shape) -> str:
    """The keys of a mapping."""
    assert isinstance(shape, Fields)
    rows = [row(each, must=each[0] in shape.required) for each in shape.fields.items()]
    return table(("key", "value", ""), rows)


def row(option: tuple[str, Shape], must: bool = False) -> tuple[str, str, str]:
    name, shape = option
    assert isinstance(shape, Told)
    return code(name), shape.allowed, shape.about + (" **Must be given.**" if must else "")
