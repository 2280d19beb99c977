"""What may stand in an MLTable file, and how that is checked."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from prefect_parallel.document import Date, Document, Items, KeyPath, Section, plain, shown
from prefect_parallel.errors import Problem, advice_for


class Diagnostics:
    """Collects the mistakes of one file."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.problems: list[Problem] = []

    def add(
        self,
        path: KeyPath,
        message: str,
        allowed: str | None = None,
        hint: str | None = None,
        *,
        of_key: bool = False,
    ) -> None:
        self.problems.append(
            self.document.problem(path, message, allowed=allowed, hint=hint, of_key=of_key)
        )

    def wrong_value(self, value: Any, path: KeyPath, allowed: str) -> None:
        """Another value than this one must stand there."""
        self.add(path, f"found {shown(value)}", allowed)

    def unknown_name(self, name: str, path: KeyPath, known: Collection[str]) -> None:
        """Nothing is known by a name."""
        self.add((*path, name), "unknown key", **advice_for(name, known), of_key=True)


class ValueSchema(Protocol):
    """A kind of value. `read` returns it, or reports a problem and returns None."""

    @property
    def allowed(self) -> str: ...

    def read(self, value: Any, path: KeyPath, diagnostics: Diagnostics) -> Any: ...


@dataclass(frozen=True)
class Scalar:
    """One plain value.

    Attributes:
        allowed: For messages.
        types: Of which it may be; a bool is no int, and a date no text.
        fits: Whether one of such a type is right.
    """

    allowed: str
    types: tuple[type, ...]
    fits: Callable[[Any], bool] = lambda _: True

    def read(self, value: Any, path: KeyPath, diagnostics: Diagnostics) -> Any:
        if type(value) in self.types and self.fits(value):
            return value
        diagnostics.wrong_value(value, path, self.allowed)
        return None


def _is_regex(text: str) -> bool:
    try:
        re.compile(text)
    except re.error:
        return False
    return True


TEXT = Scalar("text", (str,))
# An unquoted date is a text here, too.
TIME = Scalar("text, as 2024-01-31T00:00:00Z", (str, Date))
BOOLEAN = Scalar("true or false", (bool,))
COUNT = Scalar("an integer of at least 0", (int,), lambda value: value >= 0)
POSITIVE = Scalar("an integer of at least 1", (int,), lambda value: value >= 1)
PROBABILITY = Scalar(
    "a number from 0.0 to 1.0, with a decimal point", (float,), lambda value: 0 <= value <= 1
)
REGEX = Scalar("a regular expression", (str,), _is_regex)
DELIMITER = Scalar("one or two characters", (str,), lambda text: len(text) in (1, 2))


def one_of(*values: str) -> Scalar:
    return Scalar("one of " + ", ".join(values), (str,), values.__contains__)


@dataclass(frozen=True)
class Described:
    """A schema, and what stands there is for.

    Attributes:
        description: For the reference.
        schema: What may stand there.
    """

    description: str
    schema: ValueSchema

    @property
    def allowed(self) -> str:
        return self.schema.allowed

    def read(self, value: Any, path: KeyPath, diagnostics: Diagnostics) -> Any:
        return self.schema.read(value, path, diagnostics)


@dataclass(frozen=True)
class ListOf:
    """A list."""

    item: ValueSchema

    @property
    def allowed(self) -> str:
        return f"a list, each of it {self.item.allowed}"

    def read(self, value: Any, path: KeyPath, diagnostics: Diagnostics) -> Any:
        if not isinstance(value, Items):
            diagnostics.wrong_value(value, path, self.allowed)
            return None
        return [
            self.item.read(child, (*path, position), diagnostics)
            for position, child in enumerate(value)
        ]


@dataclass(frozen=True)
class OneOrMore:
    """A value, or a list of such: always read as a list."""

    item: ValueSchema

    @property
    def allowed(self) -> str:
        return f"{self.item.allowed}, or a list of such"

    def read(self, value: Any, path: KeyPath, diagnostics: Diagnostics) -> Any:
        if isinstance(value, Items):
            return ListOf(self.item).read(value, path, diagnostics)
        return [self.item.read(value, path, diagnostics)]


@dataclass(frozen=True)
class Fields:
    """A mapping with known keys.

    Attributes:
        fields: What may stand in it.
        required: Keys that must.
    """

    fields: Mapping[str, ValueSchema]
    required: frozenset[str] = field(default_factory=frozenset)

    @property
    def allowed(self) -> str:
        return "a mapping with " + ", ".join(self.fields)

    def read(self, value: Any, path: KeyPath, diagnostics: Diagnostics) -> Any:
        if not isinstance(value, Section):
            diagnostics.wrong_value(value, path, self.allowed)
            return None
        read: dict[str, Any] = {}
        for name, child in value.items():
            if name in self.fields:
                read[name] = self.fields[name].read(child, (*path, name), diagnostics)
            else:
                diagnostics.unknown_name(name, path, self.fields)
        for name in sorted(self.required - value.keys()):
            diagnostics.add((*path, name), "the key is missing")
        return read


@dataclass(frozen=True)
class Either:
    """One shape for mappings, another one for all else."""

    mapping: ValueSchema
    other: ValueSchema

    @property
    def allowed(self) -> str:
        return f"{self.other.allowed}, or {self.mapping.allowed}"

    def read(self, value: Any, path: KeyPath, diagnostics: Diagnostics) -> Any:
        if isinstance(value, Section):
            return self.mapping.read(value, path, diagnostics)
        if isinstance(self.other, Scalar) and isinstance(value, Items):
            diagnostics.wrong_value(value, path, self.allowed)
            return None
        return self.other.read(value, path, diagnostics)


@dataclass(frozen=True)
class MappingOf:
    """A mapping whose keys are names."""

    item: ValueSchema

    @property
    def allowed(self) -> str:
        return "a mapping from names"

    def read(self, value: Any, path: KeyPath, diagnostics: Diagnostics) -> Any:
        if not isinstance(value, Section):
            diagnostics.wrong_value(value, path, self.allowed)
            return None
        return {
            name: self.item.read(child, (*path, name), diagnostics) for name, child in value.items()
        }


class PlainMapping:
    """A mapping of plain values, of which only the reader of the value knows more."""

    allowed = "a mapping"

    def read(self, value: Any, path: KeyPath, diagnostics: Diagnostics) -> Any:
        if not isinstance(value, Section):
            diagnostics.wrong_value(value, path, self.allowed)
            return None
        return plain(value)


class Anything:
    """Whatever stands there; it has no meaning for the data."""

    allowed = "anything"

    def read(self, value: Any, path: KeyPath, diagnostics: Diagnostics) -> Any:
        return None
