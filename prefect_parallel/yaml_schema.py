"""What may stand in an MLTable file, and how that is checked."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from prefect_parallel.document import Date, Document, Items, KeyPath, Section, plain, shown
from prefect_parallel.errors import Problem, advice_for


class Report:
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

    def wrong(self, value: Any, path: KeyPath, allowed: str) -> None:
        """Another value than this one must stand there."""
        self.add(path, f"found {shown(value)}", allowed)

    def unknown(self, name: str, path: KeyPath, known: Collection[str]) -> None:
        """Nothing is known by a name."""
        self.add((*path, name), f"unknown name {name!r}", **advice_for(name, known), of_key=True)


class Shape(Protocol):
    """A kind of value. `read` returns it, or reports a problem and returns None."""

    @property
    def allowed(self) -> str: ...

    def read(self, value: Any, path: KeyPath, report: Report) -> Any: ...


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

    def read(self, value: Any, path: KeyPath, report: Report) -> Any:
        if type(value) in self.types and self.fits(value):
            return value
        report.wrong(value, path, self.allowed)
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
class Told:
    """A shape, and what stands there is for.

    Attributes:
        about: For the reference.
        shape: What may stand there.
    """

    about: str
    shape: Shape

    @property
    def allowed(self) -> str:
        return self.shape.allowed

    def read(self, value: Any, path: KeyPath, report: Report) -> Any:
        return self.shape.read(value, path, report)


@dataclass(frozen=True)
class ListOf:
    """A list."""

    item: Shape

    @property
    def allowed(self) -> str:
        return f"a list, each of it {self.item.allowed}"

    def read(self, value: Any, path: KeyPath, report: Report) -> Any:
        if not isinstance(value, Items):
            report.wrong(value, path, self.allowed)
            return None
        return [
            self.item.read(child, (*path, position), report) for position, child in enumerate(value)
        ]


@dataclass(frozen=True)
class OneOrMore:
    """A value, or a list of such: always read as a list."""

    item: Shape

    @property
    def allowed(self) -> str:
        return f"{self.item.allowed}, or a list of such"

    def read(self, value: Any, path: KeyPath, report: Report) -> Any:
        if isinstance(value, Items):
            return ListOf(self.item).read(value, path, report)
        return [self.item.read(value, path, report)]


@dataclass(frozen=True)
class Fields:
    """A mapping with known keys.

    Attributes:
        fields: What may stand in it.
        required: Keys that must.
    """

    fields: Mapping[str, Shape]
    required: frozenset[str] = field(default_factory=frozenset)

    @property
    def allowed(self) -> str:
        return "a mapping with " + ", ".join(self.fields)

    def read(self, value: Any, path: KeyPath, report: Report) -> Any:
        if not isinstance(value, Section):
            report.wrong(value, path, self.allowed)
            return None
        read: dict[str, Any] = {}
        for name, child in value.items():
            if name in self.fields:
                read[name] = self.fields[name].read(child, (*path, name), report)
            else:
                report.unknown(name, path, self.fields)
        for name in sorted(self.required - value.keys()):
            report.add((*path, name), "the key is missing")
        return read


@dataclass(frozen=True)
class Either:
    """One shape for mappings, another one for all else."""

    mapping: Shape
    other: Shape

    @property
    def allowed(self) -> str:
        return f"{self.other.allowed}, or {self.mapping.allowed}"

    def read(self, value: Any, path: KeyPath, report: Report) -> Any:
        if isinstance(value, Section):
            return self.mapping.read(value, path, report)
        if isinstance(self.other, Scalar) and isinstance(value, Items):
            report.wrong(value, path, self.allowed)
            return None
        return self.other.read(value, path, report)


@dataclass(frozen=True)
class Named:
    """A mapping whose keys are names."""

    item: Shape

    @property
    def allowed(self) -> str:
        return "a mapping from names"

    def read(self, value: Any, path: KeyPath, report: Report) -> Any:
        if not isinstance(value, Section):
            report.wrong(value, path, self.allowed)
            return None
        return {name: self.item.read(child, (*path, name), report) for name, child in value.items()}


class Plain:
    """A mapping of plain values, of which only the reader of the value knows more."""

    allowed = "a mapping"

    def read(self, value: Any, path: KeyPath, report: Report) -> Any:
        if not isinstance(value, Section):
            report.wrong(value, path, self.allowed)
            return None
        return plain(value)


class Anything:
    """Whatever stands there; it has no meaning for the data."""

    allowed = "anything"

    def read(self, value: Any, path: KeyPath, report: Report) -> Any:
        return None
