"""The MLTable file: files, and the transformations of their rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from prefect_parallel.data.locations.listing import (
    EVERY_FILE,
    compile_pattern,
    find_files,
    has_wildcards,
)
from prefect_parallel.data.locations.location import MLTABLE, Location
from prefect_parallel.data.mini_batch import File
from prefect_parallel.data.mltable.transformation_schemas import (
    READ_TRANSFORMATIONS,
    TRANSFORMATIONS,
)
from prefect_parallel.document import Document, Items, KeyPath, Section
from prefect_parallel.errors import InvalidInput, InvalidMLTable, Problem
from prefect_parallel.yaml_file import parse_document
from prefect_parallel.yaml_schema import (
    TEXT,
    Anything,
    Described,
    Diagnostics,
    Fields,
    PlainMapping,
    one_of,
)

# The name of a transformation, and its options.
TransformationSpec: TypeAlias = tuple[str, Any]


@dataclass(frozen=True)
class PathEntry:
    """One entry of `paths`."""

    kind: str
    text: str
    line: int


@dataclass(frozen=True)
class Transformation:
    """A transformation, and the line it is defined on."""

    name: str
    options: Any
    line: int

    @property
    def spec(self) -> TransformationSpec:
        """Its name and options."""
        return self.name, self.options


@dataclass(frozen=True)
class MLTable:
    """A valid MLTable file.

    Attributes:
        location: Location of the file itself.
        entries: The entries of `paths`.
        transformations: All transformations, in order.
    """

    location: Location
    entries: tuple[PathEntry, ...]
    transformations: tuple[Transformation, ...]

    @classmethod
    def load(cls, location: Location) -> MLTable:
        """Reads the MLTable file of a folder.

        Args:
            location: The folder, or the file itself.

        Raises:
            InvalidInput: The file does not exist, or cannot be read.
            InvalidMLTable: The file has errors.
        """
        given = location.path
        if location.name != MLTABLE if location.is_remote else location.is_folder():
            location = location.join(MLTABLE)
        try:
            with location.open() as file:
                content = file.read()
        except OSError as error:
            raise InvalidInput(
                f"{given}: cannot read its MLTable file: {error.strerror}"
            ) from error
        document = parse_document(content, location.path, InvalidMLTable, number_keys=True)
        return _Reader(document).table(location)

    @property
    def path(self) -> str:
        return self.location.path

    @property
    def read_transformation(self) -> Transformation | None:
        """The transformation that reads the files as a table; None for a list of files."""
        reading = (each for each in self.transformations if each.name in READ_TRANSFORMATIONS)
        return next(reading, None)

    @property
    def file_transformations(self) -> tuple[Transformation, ...]:
        """Transformations of the list of files."""
        every, read = self.transformations, self.read_transformation
        return every[: every.index(read)] if read else every

    @property
    def row_transformations(self) -> tuple[Transformation, ...]:
        """Transformations of the rows of the table."""
        every, read = self.transformations, self.read_transformation
        return every[every.index(read) + 1 :] if read else ()

    def problem(self, at: Transformation, message: str) -> InvalidMLTable:
        """An error located at a transformation."""
        return InvalidMLTable([Problem(message, self.path, at.line, key=at.name)])

    def files(self) -> Iterator[File]:
        """All files of `paths`, in order.

        Raises:
            InvalidMLTable: An entry is not what its key says, or a pattern matches no file.
        """
        for entry in self.entries:
            yield from self._files_of(entry)

    def entry_location(self, entry: PathEntry) -> Location:
        return Location.parse(entry.text, self.location.parent)

    def _files_of(self, entry: PathEntry) -> Iterator[File]:
        if entry.kind == "pattern":
            return self._matches(entry)
        location = self.entry_location(entry)
        if entry.kind == "file":
            file = location.file()
            if (file.size is None or not location.is_remote) and location.is_folder():
                raise self._wrong(entry, "is a folder", "use `folder:` instead of `file:`")
            if file.size is None and self.read_transformation:
                raise self._wrong(entry, "does not exist or cannot be accessed")
            return iter([file])
        if not location.is_folder():
            what = "is a file" if location.exists() else "does not exist"
            raise self._wrong(entry, f"{what}, not a folder")
        return find_files(location, EVERY_FILE)

    def _matches(self, entry: PathEntry) -> Iterator[File]:
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

    def _wrong(self, entry: PathEntry, what: str, hint: str | None = None) -> InvalidMLTable:
        message = f"{entry.text!r} {what}"
        key = f"paths.{entry.kind}"
        return InvalidMLTable([Problem(message, self.path, entry.line, None, key, None, hint)])


KEYS = Fields(
    {
        "$schema": Described("URL of a JSON schema, for editors.", TEXT),
        "type": Described("Type of the file.", one_of("mltable")),
        "paths": Described("List of files, folders and patterns.", Anything()),
        "transformations": Described("List of transformations, applied in order.", Anything()),
        "metadata": Described("Ignored.", PlainMapping()),
        "traits": Described("Ignored.", PlainMapping()),
    },
    frozenset(["paths"]),
)
PATHS = Fields(
    {
        "file": Described("A file.", TEXT),
        "folder": Described("All files in a folder and its subfolders.", TEXT),
        "pattern": Described(
            "All files that match; `*`, `?` and `[ab]` match in one segment, `**` any folders.",
            TEXT,
        ),
    }
)


class _Reader:
    """Reads the content of an MLTable file."""

    def __init__(self, document: Document) -> None:
        self.data = document.data
        self.document = document
        self.diagnostics = Diagnostics(document)

    def table(self, location: Location) -> MLTable:
        KEYS.read(self.data, (), self.diagnostics)
        entries = tuple(self._entries())
        transformations = tuple(self._transformations())
        if self.diagnostics.problems:
            raise InvalidMLTable(self.diagnostics.problems)
        return MLTable(location, entries, transformations)

    def _items(self, key: str, allowed: str) -> Iterator[tuple[KeyPath, Any]]:
        value = self.data.get(key, Items())
        if isinstance(value, Items):
            yield from (((key, number), item) for number, item in enumerate(value))
        else:
            self.diagnostics.wrong_value(value, (key,), allowed)

    def _line(self, path: KeyPath) -> int:
        place = self.document.place(path)
        assert place is not None
        return place[0]

    def _entries(self) -> Iterator[PathEntry]:
        for path, item in self._items("paths", "a list of file:, folder: and pattern:"):
            before = len(self.diagnostics.problems)
            read = PATHS.read(item, path, self.diagnostics)
            if len(self.diagnostics.problems) > before:
                continue
            if len(read) != 1:
                message = f"expected one key, found {len(read)}"
                self.diagnostics.add(path, message, "one of file, folder, pattern")
                continue
            ((kind, text),) = read.items()
            self._check_path(kind, text, (*path, kind))
            yield PathEntry(kind, text, self._line(path))

    def _check_path(self, kind: str, text: str, path: KeyPath) -> None:
        if kind != "pattern":
            if any(mark in text for mark in "*?"):
                self.diagnostics.add(path, f"{text!r} contains wildcards", hint="use `pattern:`")
        elif any("**" in part and part != "**" for part in text.split("/")):
            self.diagnostics.add(path, f"{text!r}: ** must be a whole path segment")
        else:
            try:
                compile_pattern(text.split("/"))
            except ValueError as error:
                self.diagnostics.add(path, str(error))

    def _transformations(self) -> Iterator[Transformation]:
        reads = 0
        for path, item in self._items("transformations", "a list of transformations"):
            transformation = self._transformation(item, path)
            if transformation is None:
                continue
            reads += transformation.name in READ_TRANSFORMATIONS
            if reads == 2:
                self.diagnostics.add(path, "only one read_* transformation is allowed")
                reads = 0
            yield transformation

    def _transformation(self, item: Any, path: KeyPath) -> Transformation | None:
        name, line = item, self._line(path)
        if isinstance(item, Section) and len(item) == 1:
            ((name, written),) = item.items()
            if name in TRANSFORMATIONS:
                options = TRANSFORMATIONS[name].read(written, (*path, name), self.diagnostics)
                return Transformation(name, options, line)
        elif not isinstance(item, str):
            self.diagnostics.wrong_value(item, path, "a mapping with one transformation")
            return None
        elif item in READ_TRANSFORMATIONS:
            return Transformation(item, {}, line)
        elif item in TRANSFORMATIONS:
            allowed = TRANSFORMATIONS[item].allowed
            self.diagnostics.add((*path, item), "options are missing", allowed)
            return None
        self.diagnostics.unknown_name(name, path, TRANSFORMATIONS)
        return None
