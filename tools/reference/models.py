"""Tables of the keys of models: pipelines, components, schedules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any

import yaml

from prefect_parallel.job.format.model import Key, Model
from prefect_parallel.job.format.validators import ChoiceValidator, Validator
from prefect_parallel.job.models.steps import StepSchema
from prefect_parallel.yaml_schema import Either, ListOf, MappingOf, ValueSchema
from tools.reference.markdown import code, link, table

Headings = Mapping[type[Model], str]
"""The models that have a table of their own, and the heading above it."""

_HEAD = ("key", "value", "default", "")


def keys_table(model: type[Model], headings: Headings, but: Iterable[str] = ()) -> str:
    """The keys of a model, and a line about those that have no effect.

    Args:
        model: The model.
        headings: For links.
        but: Keys that are described elsewhere.
    """
    keys = [each for each in model.all_keys().values() if each.name not in but]
    rows = _merged(
        (code(each.name), _words(each.schema, headings), _default(each), _about(each))
        for each in keys
        if not each.ignored
    )
    unused = ", ".join(code(each.name) for each in keys if each.ignored)
    return "\n\n".join(
        filter(None, [table(_HEAD, rows) if rows else "", unused and f"No effect here: {unused}."])
    )


def _merged(rows: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Consecutive keys with the same description, in one row."""
    groups = groupby(rows, lambda row: row[1:])
    return [(", ".join(row[0] for row in group), *rest) for rest, group in groups]


def _about(each: Key) -> str:
    about = each.description
    if each.examples:
        about += f" E.g. {', '.join(code(_written(example)) for example in each.examples)}."
    return about + (" **Required.**" if each.required else "")


def _written(example: Any) -> str:
    """On one line, as YAML has it."""
    text = yaml.safe_dump(example, default_flow_style=True, sort_keys=False, width=1000)
    return text.removesuffix("...\n").strip()


def _default(each: Key) -> str:
    return "" if each.effective is None else code(_written(each.effective))


def _words(schema: ValueSchema, headings: Headings) -> str:
    """What a value may be."""
    if isinstance(schema, Validator):
        return _allowed(schema)
    if isinstance(schema, MappingOf):
        return f"mapping: name to {_words(schema.item, headings)}"
    if isinstance(schema, ListOf):
        return f"list: {_words(schema.item, headings)}"
    if isinstance(schema, Either):
        # The words for other values also mention mappings; their keys are linked.
        mapping = _words(schema.mapping, headings)
        other = _words(schema.other, headings)
        return f"{other} ({mapping})"
    if isinstance(schema, StepSchema):
        models = schema.choices.values()
        return " or ".join(dict.fromkeys(_linked(model, headings) for model in models))
    assert isinstance(schema, type)
    return _linked(schema, headings)


def _linked(model: type[Any], headings: Headings) -> str:
    heading = next(headings[kind] for kind in model.__mro__ if kind in headings)
    return link(heading[0].lower() + heading[1:], heading)


def _allowed(validator: Validator) -> str:
    words = validator.allowed
    if isinstance(validator, ChoiceValidator):
        words = ", ".join(map(code, validator.names))
    return words + (", or an expression" if validator.bindable else "")
