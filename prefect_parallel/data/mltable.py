"""The MLTable file: which files, and what to do with them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import yaml

from prefect_parallel.data.listing import EVERY_FILE, find_files, has_wildcards
from prefect_parallel.data.location import MLTABLE, Location
from prefect_parallel.data.mini_batch import File
from prefect_parallel.data.shapes import (
    TEXT,
    Anything,
    Fields,
    Plain,
    Report,
    Told,
    compose,
    found,
    join,
    one_of,
    unknown,
)
from prefect_parallel.data.transformations import READ_TRANSFORMATIONS, TRANSFORMATIONS
from prefect_parallel.errors import InvalidInput, InvalidMLTable, Problem

# A transformation's name and its options.
Written: TypeAlias = tuple[str, Any]


@dataclass(frozen=True)
class Entry:
    """One entry of `paths`."""

    kind: str
    text: str
    line: int


@dataclass(frozen=True)
class Transformation:
    """One transformation."""

    name: str
    options: Any
    line: int

    @property
    def written(self) -> Written:
        """Without its place."""
        return self.name, self.options


@dataclass(frozen=True)
class MLTable:
    """An MLTable file that was read and found right.

    Attributes:
        location: Of the file itself.
        entries: `paths`.
        transformations: In their order.
    """

    location: Location
    entries: tuple[Entry, ...]
    transformations: tuple[Transformation, ...]

    @classmethod
    def load(cls, location: Location) -> MLTable:
        """Reads the MLTable file of a folder.

        Args:
            location: The folder, or the file itself.

        Raises:
            InvalidInput: There is none.
            InvalidMLTable: It has mistakes.
        """
        given = location.path
        if location.name != MLTABLE if location.is_remote else location.is_folder():
            location = location.join(MLTABLE)
        try:
            with location.open() as file:
                text = file.read().decode("utf-8-sig")
        except OSError as error:
            raise InvalidInput(
                f"{given}: no MLTable file can be read there: {error.strerror}"
            ) from error
        except UnicodeDecodeError as error:
            problem = Problem(f"is not UTF-8 text: {error.reason}", location.path)
            raise InvalidMLTable([problem]) from error
        return _Parser(location).parse(text)

    @property
    def path(self) -> str:
        return self.location.path

    @property
    def read_transformation(self) -> Transformation | None:
        """The transformation that makes a table of the files; None: it is a list of files."""
        reading = (each for each in self.transformations if each.name in READ_TRANSFORMATIONS)
        return next(reading, None)

    @property
    def file_transformations(self) -> tuple[Transformation, ...]:
        """What works on the list of files."""
        every, read = self.transformations, self.read_transformation
        return every[: every.index(read)] if read else every

    @property
    def row_transformations(self) -> tuple[Transformation, ...]:
        """What works on the rows of the table."""
        every, read = self.transformations, self.read_transformation
        return every[every.index(read) + 1 :] if read else ()

    def problem(self, at: Transformation, message: str) -> InvalidMLTable:
        """An error that points at a transformation."""
        return InvalidMLTable([Problem(message, self.path, at.line, key=at.name)])

    def files(self) -> Iterator[File]:
        """All files that `paths` names, in its order.

        Raises:
            InvalidMLTable: An entry is not of its kind, or a pattern matches nothing.
        """
        for entry in self.entries:
            yield from self._files_of(entry)

    def entry_location(self, entry: Entry) -> Location:
        return Location.parse(entry.text, self.location.parent)

    def _files_of(self, entry: Entry) -> Iterator[File]:
        if entry.kind == "pattern":
            return self._matches(entry)
        location = self.entry_location(entry)
        if entry.kind == "file":
            file = location.file()
            if (file.size is None or not location.is_remote) and location.is_folder():
                raise self._wrong(entry, "is a folder", "write `folder:` instead of `file:`")
            if file.size is None and self.read_transformation:
                raise self._wrong(entry, "does not exist or cannot be looked at")
            return iter([file])
        if not location.is_folder():
            what = "is a file" if location.exists() else "does not exist"
            raise self._wrong(entry, f"{what}, not a folder")
        return find_files(location, EVERY_FILE)

    def _matches(self, entry: Entry) -> Iterator[File]:
        parts = entry.text.split("/")
        plain = next((at for at, part in enumerate(parts) if has_wildcards(part)), len(parts) - 1)
        base = self.entry_location(replace(entry, text="/".join(parts[:plain]) or "."))
        if entry.text.startswith("/") and plain == 1:
            base = Location("/", base.datastores)
        files = iter(()) if not base.is_folder() else find_files(base, parts[plain:])
        first = next(files, None)
        if first is None:
            raise self._wrong(entry, "matches no file")
        yield first
        yield from files

    def _wrong(self, entry: Entry, what: str, hint: str | None = None) -> InvalidMLTable:
        message = f"{entry.text!r} {what}"
        key = f"paths.{entry.kind}"
        return InvalidMLTable([Problem(message, self.path, entry.line, None, key, None, hint)])


KEYS = Fields(
    {
        "$schema": Told("Where editors find a schema.", TEXT),
        "type": Told("The kind of file.", one_of("mltable")),
        "paths": Told("A list of files, folders and patterns.", Anything()),
        "transformations": Told("A list of what is done with them, in this order.", Anything()),
        "metadata": Told("No meaning here.", Plain()),
        "traits": Told("No meaning here.", Plain()),
    },
    frozenset(["paths"]),
)
PATHS = Fields(
    {
        "file": Told("A file.", TEXT),
        "folder": Told("All files in a folder, and in its folders.", TEXT),
        "pattern": Told("All files that match: `*`, `?`, and `**` for any folders.", TEXT),
    }
)


class _Parser:
    """Reads the text of an MLTable file."""

    def __init__(self, location: Location) -> None:
        self.location = location
        self.report = Report(location.path)

    def parse(self, text: str) -> MLTable:
        root = compose(text, self.location.path)
        if isinstance(root, Problem):
            raise InvalidMLTable([root])
        KEYS.read(root, "", self.report)
        nodes = (
            {name.value: child for name, child in root.value if isinstance(name, yaml.ScalarNode)}
            if isinstance(root, yaml.MappingNode)
            else {}
        )
        entries = tuple(self._entries(nodes.get("paths")))
        transformations = tuple(self._transformations(nodes.get("transformations")))
        if self.report.problems:
            raise InvalidMLTable(self.report.problems)
        return MLTable(self.location, entries, transformations)

    def _entries(self, node: yaml.Node | None) -> Iterator[Entry]:
        if node is None:
            return
        if not isinstance(node, yaml.SequenceNode):
            self.report.add(node, "paths", found(node), "a list of file:, folder: and pattern:")
            return
        for position, child in enumerate(node.value):
            key = f"paths[{position}]"
            before = len(self.report.problems)
            value = PATHS.read(child, key, self.report)
            if len(self.report.problems) > before:
                continue
            if len(value) != 1:
                self.report.add(
                    child, key, f"has {len(value)} keys", "one of file, folder, pattern"
                )
                continue
            ((kind, text),) = value.items()
            self._check_path(child, f"{key}.{kind}", kind, text)
            yield Entry(kind, text, child.start_mark.line + 1)

    def _check_path(self, node: yaml.Node, key: str, kind: str, text: str) -> None:
        if kind != "pattern":
            if any(mark in text for mark in "*?"):
                self.report.add(node, key, f"{text!r} has wildcards", hint="write `pattern:`")
        elif any("**" in part and part != "**" for part in text.split("/")):
            self.report.add(node, key, f"in {text!r} ** is not a whole part of the path")

    def _transformations(self, node: yaml.Node | None) -> Iterator[Transformation]:
        if node is None:
            return
        key = "transformations"
        if not isinstance(node, yaml.SequenceNode):
            self.report.add(node, key, found(node), "a list of transformations")
            return
        reads = 0
        for position, child in enumerate(node.value):
            transformation = self._transformation(child, f"{key}[{position}]")
            if transformation is None:
                continue
            reads += transformation.name in READ_TRANSFORMATIONS
            if reads == 2:
                self.report.add(child, f"{key}[{position}]", "a second transformation that reads")
                reads = 0
            yield transformation

    def _transformation(self, node: yaml.Node, key: str) -> Transformation | None:
        line = node.start_mark.line + 1
        if isinstance(node, yaml.ScalarNode):
            if node.value in READ_TRANSFORMATIONS:
                return Transformation(node.value, {}, line)
            if node.value in TRANSFORMATIONS:
                allowed = TRANSFORMATIONS[node.value].allowed
                self.report.add(node, join(key, node.value), "its options are missing", allowed)
            else:
                unknown(node, key, node.value, TRANSFORMATIONS, self.report)
            return None
        if not isinstance(node, yaml.MappingNode) or len(node.value) != 1:
            self.report.add(node, key, found(node), "a mapping with one transformation")
            return None
        ((name_node, options),) = node.value
        name = name_node.value if isinstance(name_node, yaml.ScalarNode) else None
        if not isinstance(name, str) or name not in TRANSFORMATIONS:
            unknown(name_node, key, name, TRANSFORMATIONS, self.report)
            return None
        value = TRANSFORMATIONS[name].read(options, join(key, name), self.report)
        return Transformation(name, value, line)
