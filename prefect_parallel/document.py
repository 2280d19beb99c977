"""Content of YAML files, with the line and column of every key and value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from prefect_parallel.errors import Problem

Key: TypeAlias = str | int
KeyPath: TypeAlias = tuple[Key, ...]
Place: TypeAlias = tuple[int, int]
"""1-based line and column."""


class Section(dict[str, Any]):
    """A mapping, and the keys that lead to it.

    Keys that were not read from a file have no places.
    """

    def __init__(self, path: KeyPath = ()) -> None:
        super().__init__()
        self.path = path
        self.key_places: dict[str, Place] = {}
        self.value_places: dict[str, Place] = {}

    def put(self, key: str, value: Any, places: tuple[Place, Place] | None = None) -> None:
        self[key] = value
        self.key_places.pop(key, None)
        self.value_places.pop(key, None)
        if places:
            self.key_places[key], self.value_places[key] = places


class Items(list[Any]):
    """A list."""

    def __init__(self, path: KeyPath = ()) -> None:
        super().__init__()
        self.path = path
        self.places: list[Place] = []


class Typed(str):
    """A value from the command line, read as whatever type its key needs."""

    __slots__ = ()


class Date(str):
    """A date as written. YAML 1.1 distinguishes dates from text, and so do most keys."""

    __slots__ = ()


@dataclass
class Document:
    """The content of a YAML file, or an equivalent made in Python.

    Attributes:
        file: Path as the user typed it, for messages; None if there is no file.
        folder: Folder that relative local paths start from.
        prefix: Keys prepended to paths in messages, such as those of the step of a component file.
        origins: Paths of values that were set elsewhere, and where, for messages.
    """

    file: str | None
    data: Section
    folder: Path = Path()
    prefix: KeyPath = ()
    origins: dict[KeyPath, str] = field(default_factory=dict)

    def place(self, path: KeyPath, *, of_key: bool = False) -> Place | None:
        """Line and column of the value at the path, or of its nearest ancestor that exists."""
        place: Place | None = None
        node: Any = self.data
        for number, key in enumerate(path):
            last = number == len(path) - 1
            if isinstance(node, Section) and key in node:
                places = node.key_places if of_key and last else node.value_places
                place = places.get(str(key), place)
                # A block starts at its first key or item: point to the key above it.
                if isinstance(node[str(key)], (Section, Items)):
                    place = node.key_places.get(str(key), place)
                node = node[str(key)]
            elif isinstance(node, Items) and isinstance(key, int) and key < len(node):
                place = node.places[key] if key < len(node.places) else place
                node = node[key]
            else:
                break
        return place

    def is_overridden(self, path: KeyPath) -> bool:
        """Whether the value at the path, or a value above or below it, was set from elsewhere."""
        return any(path[: len(other)] == other[: len(path)] for other in self.origins)

    def as_written(self, path: KeyPath) -> KeyPath:
        """The path at which the user gives, or could give, the value at a path."""
        return path

    def origin(self, path: KeyPath) -> str:
        """Where the value at the path was given: elsewhere, else `FILE:LINE`."""
        for set_path, origin in self.origins.items():
            if path[: len(set_path)] == set_path:
                return origin
        line, _ = self.place(path) or (None, None)
        return f"{self.file}:{line}"

    def problem(
        self,
        path: KeyPath,
        message: str,
        *,
        allowed: str | None = None,
        hint: str | None = None,
        of_key: bool = False,
    ) -> Problem:
        """A problem located at the path."""
        key = dotted(self.prefix + path) or None
        for set_path, origin in self.origins.items():
            if path[: len(set_path)] == set_path:
                return Problem(message, origin, key=key, allowed=allowed, hint=hint)
        # A key missing at the top level is reported on the first line.
        nowhere = (1, 1) if self.file else (None, None)
        line, column = self.place(path, of_key=of_key) or nowhere
        return Problem(message, self.file, line, column, key, allowed, hint)


@dataclass
class Rearranged(Document):
    """A document made from another one, to which messages refer.

    Attributes:
        source: The other one.
        moved: Paths of values here -> there, the values below them included.
    """

    source: Document = field(kw_only=True)
    moved: Mapping[KeyPath, KeyPath] = field(kw_only=True)

    def as_written(self, path: KeyPath) -> KeyPath:
        return self._in_source(path) or path

    def _in_source(self, path: KeyPath) -> KeyPath | None:
        """The path of a value in the source; None if it is only here."""
        for end in range(len(path), 0, -1):
            if (there := self.moved.get(path[:end])) is not None:
                return there + path[end:]
        return None

    def is_overridden(self, path: KeyPath) -> bool:
        there = self._in_source(path)
        below = [at for here, at in self.moved.items() if here[: len(path)] == path]
        asked = below if there is None else [there]
        return super().is_overridden(path) or any(map(self.source.is_overridden, asked))

    def place(self, path: KeyPath, *, of_key: bool = False) -> Place | None:
        there = self._in_source(path)
        return None if there is None else self.source.place(there, of_key=of_key)

    def origin(self, path: KeyPath) -> str:
        there = self._in_source(path)
        return super().origin(path) if there is None else self.source.origin(there)

    def problem(
        self,
        path: KeyPath,
        message: str,
        *,
        allowed: str | None = None,
        hint: str | None = None,
        of_key: bool = False,
    ) -> Problem:
        there = None if super().is_overridden(path) else self._in_source(path)
        options: Any = {"allowed": allowed, "hint": hint, "of_key": of_key}
        if there is None:
            return super().problem(path, message, **options)
        return self.source.problem(there, message, **options)


def dotted(path: Sequence[Key]) -> str:
    """`("jobs", "a", 0)` as `jobs.a.0`."""
    return ".".join(str(key) for key in path)


def plain(value: Any) -> Any:
    """Converts sections and items to plain dicts and lists."""
    if isinstance(value, Section):
        return {key: plain(child) for key, child in value.items()}
    if isinstance(value, Items):
        return [plain(child) for child in value]
    return str(value) if isinstance(value, (Date, Typed)) else value


def shown(value: Any) -> str:
    """Describes a value in messages."""
    if value is None:
        return "nothing (null)"
    if isinstance(value, bool):
        return f"the boolean {str(value).lower()}"
    if isinstance(value, (int, float)):
        return f"the number {value}"
    if isinstance(value, Date):
        return f"the date {value}"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    text = repr(str(value))
    return text if len(text) <= 60 else text[:57] + "...'"


def document_of(data: dict[str, Any], folder: Path) -> Document:
    """Makes a document of Python values."""
    return Document(None, section_of(data, ()), folder)


def section_of(data: Any, path: KeyPath) -> Any:
    """Python values as sections and items at a path."""
    if isinstance(data, dict):
        section = Section(path)
        for key, value in data.items():
            section[key] = section_of(value, (*path, key))
        return section
    if isinstance(data, (list, tuple)):
        items = Items(path)
        items.extend(section_of(value, (*path, number)) for number, value in enumerate(data))
        return items
    return data
