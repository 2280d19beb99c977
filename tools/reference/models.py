"""Tables of the keys of models: pipelines, components, schedules."""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Annotated, Any, Union, get_args, get_origin

import yaml
from pydantic.fields import FieldInfo

from prefect_parallel.job.format.model import Model
from prefect_parallel.job.format.validators import ChoiceValidator, Validator
from tools.reference.markdown import code, link, table

Headings = Mapping[type[Model], str]
"""The models that have a table of their own, and what stands above it."""

_HEAD = ("key", "value", "default", "")


def keys_table(model: type[Model], headings: Headings, but: Iterable[str] = ()) -> str:
    """The keys of a model, and a line about those that have no meaning.

    Args:
        model: The model.
        headings: For links.
        but: Keys that are told of elsewhere.
    """
    keys = {
        info.alias or name: info for name, info in model.model_fields.items() if name not in but
    }
    rows = _merged(
        (code(name), _value(info, headings), _default(info), _about(info))
        for name, info in keys.items()
        if name not in model.no_meaning
    )
    unused = ", ".join(code(name) for name in keys if name in model.no_meaning)
    return "\n\n".join(
        filter(None, [table(_HEAD, rows) if rows else "", unused and f"No meaning here: {unused}."])
    )


def _merged(rows: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Keys that follow each other and are told the same of, in one row."""
    groups = groupby(rows, lambda row: row[1:])
    return [(", ".join(row[0] for row in group), *rest) for rest, group in groups]


def _about(info: FieldInfo) -> str:
    about = info.description or ""
    if info.examples:
        about += f" E.g. {', '.join(code(_written(example)) for example in info.examples)}."
    return about + (" **Must be given.**" if info.is_required() else "")


def _written(example: Any) -> str:
    """On one line, as YAML has it."""
    text = yaml.safe_dump(example, default_flow_style=True, sort_keys=False, width=1000)
    return text.removesuffix("...\n").strip()


def _default(info: FieldInfo) -> str:
    """What counts in the end: said by `optional`, or the model's own."""
    said = info.json_schema_extra
    own = None if info.is_required() or info.default_factory else info.default
    default = said.get("default", own) if isinstance(said, dict) else own
    return "" if default in (None, ()) else code(_written(default))


def _value(info: FieldInfo, headings: Headings) -> str:
    rule = next((each for each in info.metadata if isinstance(each, Validator)), None)
    return _words(info.annotation, headings) if rule is None else _allowed(rule)


def _words(annotation: Any, headings: Headings) -> str:
    """What a value may be."""
    kind, parts = get_origin(annotation), get_args(annotation)
    if kind is Annotated:
        rule = next((each for each in parts[1:] if isinstance(each, Validator)), None)
        return _words(parts[0], headings) if rule is None else _allowed(rule)
    if kind is dict:
        return f"mapping: name to {_words(parts[1], headings)}"
    if kind is list:
        return f"list: {_words(parts[0], headings)}"
    if kind in (Union, types.UnionType):
        return _either([part for part in parts if part is not type(None)], headings)
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return _linked(annotation, headings)
    return "anything"


def _either(parts: list[Any], headings: Headings) -> str:
    """The rule for what is no mapping says of mappings, too, which keys they have is elsewhere."""
    models = [model for part in parts for model in _models_in(part)]
    rules = [_words(part, headings) for part in parts if not list(_models_in(part))]
    links = " or ".join(dict.fromkeys(_linked(model, headings) for model in models))
    if rules and links:
        return f"{' or '.join(rules)} ({links})"
    return links or " or ".join(rules)


def _models_in(annotation: Any) -> Iterator[type[Model]]:
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if isinstance(annotation, type) and issubclass(annotation, Model):
        yield annotation


def _linked(model: type[Model], headings: Headings) -> str:
    heading = next(headings[kind] for kind in model.__mro__ if kind in headings)
    return link(heading[0].lower() + heading[1:], heading)


def _allowed(rule: Validator) -> str:
    words = rule.allowed
    if isinstance(rule, ChoiceValidator):
        words = ", ".join(map(code, rule.names))
    return words + (", or an expression" if rule.bindable else "")
