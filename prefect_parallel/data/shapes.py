"""What may stand in an MLTable file, and how it is read and checked, with lines and columns."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import yaml

from prefect_parallel.errors import Problem, nearest

_TAG = "tag:yaml.org,2002:"

# These files are written by hand; anchors can make a small one explode.
_MAX_NODES = 100_000


def compose(text: str, file: str) -> yaml.Node | Problem:
    """The nodes of a YAML text, or why it is none."""
    try:
        root = yaml.compose(text, yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = (mark.line + 1, mark.column + 1) if mark else (None, None)
        return Problem(f"is not valid YAML: {error.problem or error.context}", file, *place)
    except yaml.YAMLError as error:
        return Problem(f"is not valid YAML: {error}", file)
    except RecursionError:
        return Problem("is nested too deeply", file)
    if root is None:
        return Problem("is empty", file, allowed="a mapping")
    if _too_many(root, _MAX_NODES):
        return Problem("its anchors stand for too much", file)
    return root


def _too_many(node: yaml.Node, most: int) -> bool:
    """Whether more than `most` nodes hang below `node`, counting an alias each time it is used."""
    todo = [node]
    seen = 0
    while todo:
        seen += 1
        if seen > most:
            return True
        value = todo.pop().value
        if isinstance(value, list):
            for child in value:
                todo.extend(child if isinstance(child, tuple) else [child])
    return False


class Report:
    """Collects the mistakes of one file."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []

    def add(
        self,
        node: yaml.Node,
        key: str,
        message: str,
        allowed: str | None = None,
        hint: str | None = None,
    ) -> None:
        mark = node.start_mark
        self.problems.append(
            Problem(message, self.file, mark.line + 1, mark.column + 1, key, allowed, hint)
        )


class Shape(Protocol):
    """A kind of value. `read` returns it, or reports a problem and returns None."""

    @property
    def allowed(self) -> str: ...

    def read(self, node: yaml.Node, key: str, report: Report) -> Any: ...


@dataclass(frozen=True)
class Scalar:
    """One plain value.

    Attributes:
        allowed: For messages.
        tags: YAML's names of the types it may have (`str`, `int`, ...).
        make: From the text in the file to the value; raises ValueError on a wrong one.
    """

    allowed: str
    tags: tuple[str, ...]
    make: Callable[[str], Any]

    def read(self, node: yaml.Node, key: str, report: Report) -> Any:
        tag = node.tag.removeprefix(_TAG)
        if isinstance(node, yaml.ScalarNode) and tag in self.tags:
            try:
                return self.make(node.value)
            except ValueError:
                pass
        report.add(node, key, found(node), self.allowed)
        return None


def found(node: yaml.Node) -> str:
    if isinstance(node, yaml.MappingNode):
        return "found a mapping"
    if isinstance(node, yaml.SequenceNode):
        return "found a list"
    tag = node.tag.removeprefix(_TAG)
    return "found nothing" if tag == "null" else f"found {node.value!r} ({tag})"


def _at_least(low: int) -> Callable[[str], int]:
    def make(text: str) -> int:
        # YAML 1.1 also has 0x1f, 0b1, 017 and 1_000.
        value = yaml.safe_load(text)
        if not isinstance(value, int) or value < low:
            raise ValueError
        return value

    return make


def _probability(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise ValueError
    return value


def _regex(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError from error
    return text


def _length(low: int, high: int) -> Callable[[str], str]:
    def make(text: str) -> str:
        if not low <= len(text) <= high:
            raise ValueError
        return text

    return make


TEXT = Scalar("text", ("str",), str)
# An unquoted date is a text here, too.
TIME = Scalar("text, as 2024-01-31T00:00:00Z", ("str", "timestamp"), str)
BOOLEAN = Scalar("true or false", ("bool",), lambda text: bool(yaml.safe_load(text)))
COUNT = Scalar("an integer of at least 0", ("int",), _at_least(0))
POSITIVE = Scalar("an integer of at least 1", ("int",), _at_least(1))
PROBABILITY = Scalar("a number from 0.0 to 1.0, with a decimal point", ("float",), _probability)
REGEX = Scalar("a regular expression", ("str",), _regex)
DELIMITER = Scalar("one or two characters", ("str",), _length(1, 2))


def one_of(*values: str) -> Scalar:
    def make(text: str) -> str:
        if text not in values:
            raise ValueError
        return text

    return Scalar("one of " + ", ".join(values), ("str",), make)


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

    def read(self, node: yaml.Node, key: str, report: Report) -> Any:
        return self.shape.read(node, key, report)


@dataclass(frozen=True)
class ListOf:
    """A list."""

    item: Shape

    @property
    def allowed(self) -> str:
        return f"a list, each of it {self.item.allowed}"

    def read(self, node: yaml.Node, key: str, report: Report) -> Any:
        if not isinstance(node, yaml.SequenceNode):
            report.add(node, key, found(node), self.allowed)
            return None
        return [
            self.item.read(child, f"{key}[{position}]", report)
            for position, child in enumerate(node.value)
        ]


@dataclass(frozen=True)
class OneOrMore:
    """A value, or a list of such: always read as a list."""

    item: Shape

    @property
    def allowed(self) -> str:
        return f"{self.item.allowed}, or a list of such"

    def read(self, node: yaml.Node, key: str, report: Report) -> Any:
        if isinstance(node, yaml.SequenceNode):
            return ListOf(self.item).read(node, key, report)
        return [self.item.read(node, key, report)]


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

    def read(self, node: yaml.Node, key: str, report: Report) -> Any:
        if not isinstance(node, yaml.MappingNode):
            report.add(node, key, found(node), self.allowed)
            return None
        value: dict[str, Any] = {}
        for name_node, child in node.value:
            name = name_node.value if isinstance(name_node, yaml.ScalarNode) else None
            if not isinstance(name, str) or name not in self.fields:
                unknown(name_node, key, name, self.fields, report)
            elif name in value:
                report.add(name_node, join(key, name), "the key stands here twice")
            else:
                value[name] = self.fields[name].read(child, join(key, name), report)
        for name in sorted(self.required - value.keys()):
            report.add(node, join(key, name), "the key is missing")
        return value


@dataclass(frozen=True)
class Either:
    """One shape for mappings, another one for all else."""

    mapping: Shape
    other: Shape

    @property
    def allowed(self) -> str:
        return f"{self.other.allowed}, or {self.mapping.allowed}"

    def read(self, node: yaml.Node, key: str, report: Report) -> Any:
        if isinstance(node, yaml.MappingNode):
            return self.mapping.read(node, key, report)
        if isinstance(self.other, Scalar) and not isinstance(node, yaml.ScalarNode):
            report.add(node, key, found(node), self.allowed)
            return None
        return self.other.read(node, key, report)


@dataclass(frozen=True)
class Named:
    """A mapping whose keys are names; a number is one, too."""

    item: Shape

    @property
    def allowed(self) -> str:
        return "a mapping from names"

    def read(self, node: yaml.Node, key: str, report: Report) -> Any:
        if not isinstance(node, yaml.MappingNode):
            report.add(node, key, found(node), self.allowed)
            return None
        value: dict[str, Any] = {}
        for name_node, child in node.value:
            if not isinstance(name_node, yaml.ScalarNode):
                report.add(name_node, key, "a key must be a text")
            elif name_node.value in value:
                report.add(name_node, join(key, name_node.value), "the key stands here twice")
            else:
                name = name_node.value
                value[name] = self.item.read(child, join(key, name), report)
        return value


class Plain:
    """A mapping of plain YAML, of which only the reader of the value knows more."""

    allowed = "a mapping"

    def read(self, node: yaml.Node, key: str, report: Report) -> Any:
        if not isinstance(node, yaml.MappingNode):
            report.add(node, key, found(node), self.allowed)
            return None
        loader = yaml.SafeLoader("")
        try:
            return loader.construct_document(node)
        except yaml.constructor.ConstructorError as error:
            report.add(node, key, f"is not plain YAML: {error.problem}")
            return None


class Anything:
    """Whatever stands there; it has no meaning for the data."""

    allowed = "anything"

    def read(self, node: yaml.Node, key: str, report: Report) -> Any:
        return None


def join(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name


def unknown(
    node: yaml.Node,
    key: str,
    name: str | None,
    known: Mapping[str, Any] | Sequence[str],
    report: Report,
) -> None:
    """Reports a name that nothing is known by, with the nearest one that is."""
    report.add(
        node,
        join(key, name or "?"),
        f"unknown name {name!r}" if name is not None else "a key must be a text",
        "one of " + ", ".join(known),
        nearest(name or "", list(known)),
    )
