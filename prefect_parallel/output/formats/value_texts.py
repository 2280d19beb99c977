"""The texts of Python values, the same in every process."""

from __future__ import annotations

import copy
import datetime
import decimal
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Collection, Iterable
from operator import is_
from typing import Any

from prefect_parallel.output.formats.output_format import UnencodableReturn

_PLAIN = frozenset({
    type(None), bool, int, float, complex, str, bytes, decimal.Decimal, datetime.date,
    datetime.datetime, datetime.time, datetime.timedelta,
})  # fmt: skip
"""Types whose texts depend on the value alone."""

_DICTS = (dict, defaultdict, OrderedDict, Counter)
_CONTAINERS = (*_DICTS, list, tuple, set, frozenset)
_ADDRESS = " at 0x"


def text_of(value: Any) -> str:
    """`str` of a value, with the elements of sets in order, at any depth of lists and dicts.

    Raises:
        UnencodableReturn: The text contains an address in memory.
    """
    return value if type(value) is str else _text(value, str)


def repr_of(value: Any) -> str:
    """As `text_of`, but `repr`: the text of a value inside of another one."""
    return _text(value, repr)


def in_order(values: Collection[Any]) -> list[Any]:
    """The elements of a set in order: integers by value, others by their text.

    Raises:
        UnencodableReturn: The text of an element contains an address in memory.
    """
    return sorted(values, key=None if {int}.issuperset(map(type, values)) else repr_of)


def are_plain(values: Iterable[Any]) -> bool:
    """Whether all values are of types whose texts depend on the value alone."""
    return _PLAIN.issuperset(map(type, values))


def _text(value: Any, shown: Callable[[Any], str]) -> str:
    text = shown(value)
    # A set with elements has braces.
    if _ADDRESS not in text and text.count("{") <= isinstance(value, dict):
        return text
    settled = _settled(value)
    if settled is not value:
        return shown(settled)
    # A method's address is that of its object.
    if f"{id(value):x}" in text.lower() or (callable(value) and _ADDRESS in text):
        raise UnencodableReturn(
            f"returned a value of type {type(value).__qualname__}: its only text is its memory"
            " address",
            hint="return list(value)"
            if hasattr(value, "__next__")
            else "return text, numbers, or lists and dicts of them, or define its __str__",
        )
    return text


class _Text:
    """Stands for a set in the text of what contains it."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def _settled(value: Any) -> Any:
    """The value, or one in its place whose text is the same but for the order of sets."""
    kind = type(value)
    if kind in _DICTS:
        return _settled_dict(value)
    if kind in (list, tuple):
        inner = list(map(_inner, value))
        return value if all(map(is_, inner, value)) else kind(inner)
    if kind in (set, frozenset) and value:
        elements = f"{{{', '.join(map(repr_of, in_order(value)))}}}"
        return _Text(elements if kind is set else f"frozenset({elements})")
    return value


def _settled_dict(value: dict[Any, Any]) -> dict[Any, Any]:
    if isinstance(value, defaultdict):
        repr_of(value.default_factory)
    if are_plain(value) and are_plain(value.values()):
        return value
    settled = copy.copy(value)
    settled.clear()
    settled.update({_inner(key): _inner(each) for key, each in value.items()})
    return settled


def _inner(value: Any) -> Any:
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind not in _CONTAINERS:
        # Refuse what has no text.
        repr_of(value)
    return _settled(value)
