"""Schemas of YAML files: keys with descriptions, and values that are checked.

Reading collects all problems of a document instead of stopping at the first:

    KEYS = Fields({"host": Described("Host to connect to.", TEXT)}, required=frozenset(["host"]))

    diagnostics = Diagnostics(document)
    values = KEYS.read(document.data, (), diagnostics)
    if diagnostics.problems:
        raise InvalidFile(diagnostics.problems)

Messages, and the tables of the reference, are made from the same schemas.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from prefect_parallel.document import Document, Items, KeyPath, Section, plain, shown
from prefect_parallel.errors import Problem, advice_for

UNKNOWN_KEY = "unknown key"


class Refused(Exception):
    """Why a value is not allowed: what was found, what is allowed, and what to do."""

    def __init__(self, found: str, *, allowed: str | None = None, hint: str | None = None) -> None:
        super().__init__(found)
        self.found = found
        self.allowed = allowed
        self.hint = hint


class Diagnostics:
    """Collects the problems of one document.

    Attributes:
        broken: Paths of values that could not be read.
        ignored: Paths of valid keys that have no effect.
    """

    def __init__(self, document: Document) -> None:
        self.document = document
        self.problems: list[Problem] = []
        self.broken: set[KeyPath] = set()
        self.ignored: list[KeyPath] = []

    def add(
        self,
        path: KeyPath,
        message: str,
        allowed: str | None = None,
        hint: str | None = None,
        *,
        of_key: bool = False,
    ) -> None:
        """Reports a problem at a path, unless it is hidden there."""
        if not self.hides(path):
            self.problems.append(
                self.document.problem(path, message, allowed=allowed, hint=hint, of_key=of_key)
            )

    def hides(self, path: KeyPath) -> bool:
        """Whether problems at a path follow from others, and are left out."""
        return False

    def refuse(self, path: KeyPath, refused: Refused, *, of_key: bool = False) -> None:
        """Reports that the value at a path cannot be used."""
        self.broken.add(path)
        self.add(path, refused.found, refused.allowed, refused.hint, of_key=of_key)

    def wrong_value(self, value: Any, path: KeyPath, allowed: str) -> None:
        """Reports a value that is not allowed."""
        self.refuse(path, Refused(f"found {shown(value)}", allowed=allowed))

    def unknown_name(
        self, name: str, path: KeyPath, known: Collection[str], hint: str | None = None
    ) -> None:
        """Reports a key that is not known; the default hint is the most similar known one."""
        advice = advice_for(name, known)
        advice["hint"] = hint or advice["hint"]
        self.add((*path, name), UNKNOWN_KEY, **advice, of_key=True)


class LenientDiagnostics(Diagnostics):
    """Collects the problems of one document; unknown keys are none, and go to `unknown`."""

    def __init__(self, document: Document, unknown: list[Problem]) -> None:
        super().__init__(document)
        self._unknown = unknown

    def unknown_name(
        self, name: str, path: KeyPath, known: Collection[str], hint: str | None = None
    ) -> None:
        at, hint = (*path, name), hint or advice_for(name, known)["hint"]
        message = f"{UNKNOWN_KEY}, ignored"
        self._unknown.append(self.document.problem(at, message, hint=hint, of_key=True))


class ValueSchema(Protocol):
    """A schema. `read` returns the value, or reports a problem and returns None."""

    @property
    def allowed(self) -> str: ...

    def read(self, value: Any, path: KeyPath, diagnostics: Diagnostics) -> Any: ...


class NameSchema(Protocol):
    """A schema of names. `check` raises `Refused` if a name is not allowed."""

    def check(self, name: str, /) -> Any: ...


@dataclass(frozen=True)
class Scalar:
    """A scalar.

    Attributes:
        types: Exact types of allowed values: a bool is not an int, a date is not text.
        fits: Whether a value of such a type is allowed.
    """

    allowed: str
    types: tuple[type, ...]
    fits: Callable[[Any], bool] = lambda _: True

    def read(self, value: Any, path: KeyPath, diagnostics: Diagnostics) -> Any:
        if type(value) in self.types and self.fits(value):
            return value
        diagnostics.wrong_value(value, path, self.allowed)
        return None


TEXT = Scalar("text", (str,))
BOOLEAN = Scalar("true or false", (bool,))


def one_of(*values: str) -> Scalar:
    return Scalar("one of " + ", ".join(values), (str,), values.__contains__)


@dataclass(frozen=True)
class Described:
    """A schema with a description, which the reference shows."""

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
        return f"a list, each item {self.item.allowed}"

    def read(self, value: Any, path: KeyPath, diagnostics: Diagnostics) -> Any:
        if not isinstance(value, Items):
            diagnostics.wrong_value(value, path, self.allowed)
            return None
        items = [
            self.item.read(child, (*path, position), diagnostics)
            for position, child in enumerate(value)
        ]
        return None if None in items else items


@dataclass(frozen=True)
class OneOrMore:
    """A value or a list of values; always read as a list."""

    item: ValueSchema

    @property
    def allowed(self) -> str:
        return f"{self.item.allowed}, or a list"

    def read(self, value: Any, path: KeyPath, diagnostics: Diagnostics) -> Any:
        if isinstance(value, Items):
            return ListOf(self.item).read(value, path, diagnostics)
        return [self.item.read(value, path, diagnostics)]


@dataclass(frozen=True)
class Fields:
    """A mapping with known keys, some of them required."""

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
    """A schema for mappings, and another one for all other values."""

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
    """A mapping, whose names a schema may check. The value of a name that is broken is None."""

    item: ValueSchema
    name: NameSchema | None = None

    @property
    def allowed(self) -> str:
        return "a mapping"

    def read(self, value: Any, path: KeyPath, diagnostics: Diagnostics) -> Any:
        if not isinstance(value, Section):
            diagnostics.wrong_value(value, path, self.allowed)
            return None
        return {
            name: self._item(name, child, (*path, name), diagnostics)
            for name, child in value.items()
        }

    def _item(self, name: str, value: Any, path: KeyPath, diagnostics: Diagnostics) -> Any:
        item = self.item.read(value, path, diagnostics)
        try:
            if self.name is not None:
                self.name.check(name)
        except Refused as refused:
            diagnostics.refuse(path, refused, of_key=True)
            return None
        return item


class PlainMapping:
    """A mapping that is not checked further."""

    allowed = "a mapping"

    def read(self, value: Any, path: KeyPath, diagnostics: Diagnostics) -> Any:
        if not isinstance(value, Section):
            diagnostics.wrong_value(value, path, self.allowed)
            return None
        return plain(value)
