"""A file's content, with the line and column of everything in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from prefect_parallel.errors import Problem

Key: TypeAlias = str | int
KeyPath: TypeAlias = tuple[Key, ...]
Place: TypeAlias = tuple[int, int]
"""1-based line and column."""


class Section(dict[str, Any]):
    """A mapping of the file.

    Attributes:
        path: Keys that lead to it.
        key_places: Where each key stands; a key without one was not read from a file.
        value_places: Where each value stands.
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
    """A list of the file."""

    def __init__(self, path: KeyPath = ()) -> None:
        super().__init__()
        self.path = path
        self.places: list[Place] = []


class Typed(str):
    """A value from the command line, which has no quotes: whatever its key wants it to be."""

    __slots__ = ()


class Date(str):
    """A date as it was written. YAML 1.1 tells it from text, and so do most keys."""

    __slots__ = ()


@dataclass
class Document:
    """One YAML file, or what stands for one.

    Attributes:
        file: As the user typed it; what messages begin with. None if there is no file.
        data: Its content.
        folder: What relative local paths in it count from.
        prefix: Keys put before a path in messages: a component file tells of its step.
        origins: What was set from elsewhere: path -> from where, as messages begin with it.
    """

    file: str | None
    data: Section
    folder: Path = Path()
    prefix: KeyPath = ()
    origins: dict[KeyPath, str] = field(default_factory=dict)

    def place(self, path: KeyPath, *, of_key: bool = False) -> Place | None:
        """Where the value at the path stands, or the nearest thing above it that is there."""
        place: Place | None = None
        node: Any = self.data
        for number, key in enumerate(path):
            last = number == len(path) - 1
            if isinstance(node, Section) and key in node:
                places = node.key_places if of_key and last else node.value_places
                place = places.get(str(key), place)
                # A block's content stands where its first key does: name the key above it.
                if isinstance(node[str(key)], (Section, Items)):
                    place = node.key_places.get(str(key), place)
                node = node[str(key)]
            elif isinstance(node, Items) and isinstance(key, int) and key < len(node):
                place = node.places[key] if key < len(node.places) else place
                node = node[key]
            else:
                break
        return place

    def problem(
        self,
        path: KeyPath,
        message: str,
        *,
        allowed: str | None = None,
        hint: str | None = None,
        of_key: bool = False,
    ) -> Problem:
        """A mistake at the path."""
        key = dotted(self.prefix + path) or None
        for set_path, origin in self.origins.items():
            if path[: len(set_path)] == set_path:
                return Problem(message, origin, key=key, allowed=allowed, hint=hint)
        # What is missing from the top of a file is missing from its first line on.
        nowhere = (1, 1) if self.file else (None, None)
        line, column = self.place(path, of_key=of_key) or nowhere
        return Problem(message, self.file, line, column, key, allowed, hint)


def dotted(path: Sequence[Key]) -> str:
    """`("jobs", "a", 0)` as `jobs.a.0`."""
    return ".".join(str(key) for key in path)


def plain(value: Any) -> Any:
    """The same without its places."""
    if isinstance(value, Section):
        return {key: plain(child) for key, child in value.items()}
    if isinstance(value, Items):
        return [plain(child) for child in value]
    return value


def shown(value: Any) -> str:
    """A value as a message names it."""
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
    """A document of values that come from Python."""
    return Document(None, _section_of(data, ()), folder)


def _section_of(data: Any, path: KeyPath) -> Any:
    if isinstance(data, dict):
        section = Section(path)
        for key, value in data.items():
            section[key] = _section_of(value, (*path, key))
        return section
    if isinstance(data, (list, tuple)):
        items = Items(path)
        items.extend(_section_of(value, (*path, number)) for number, value in enumerate(data))
        return items
    return data
