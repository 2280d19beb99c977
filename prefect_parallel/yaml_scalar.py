"""Scalars of YAML 1.1."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import yaml
from yaml.constructor import SafeConstructor
from yaml.resolver import Resolver

from prefect_parallel.document import Date

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
TAG_PREFIX = "tag:yaml.org,2002:"
SCALAR_TAGS = {TAG_PREFIX + name for name in ("null", "bool", "int", "float", "str", "timestamp")}

_RESOLVER = Resolver()


def parse_scalar(text: str) -> Any:
    """Parses a scalar of YAML 1.1; mappings, lists, dates and invalid YAML are returned as text."""
    try:
        node = yaml.compose(str(text), Loader=LOADER)
        if not isinstance(node, yaml.ScalarNode) or node.tag not in SCALAR_TAGS:
            return text
        if node.style in ("|", ">"):
            return text
        value = scalar_of(node.tag, node.value)
    except (yaml.YAMLError, RecursionError, ValueError, KeyError):
        return text
    return str(value) if isinstance(value, Date) else value


@lru_cache(maxsize=10_000)
def tag_of(value: str) -> str:
    """The tag that YAML 1.1 resolves for a plain scalar."""
    return str(_RESOLVER.resolve(yaml.ScalarNode, value, (True, False)))  # type: ignore[no-untyped-call]


def scalar_of(tag: str, value: str) -> Any:
    """The value of a scalar with a tag.

    Raises:
        ValueError: The text is not a value of the tag; also KeyError and ConstructorError.
    """
    kind = tag.removeprefix(TAG_PREFIX)
    if kind == "str":
        return value
    if kind == "timestamp":
        return Date(value)
    return SafeConstructor().construct_object(yaml.ScalarNode(tag, value))
