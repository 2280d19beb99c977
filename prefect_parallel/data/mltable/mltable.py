"""The MLTable file: files, and the transformations of their rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from prefect_parallel.data.locations.listing import (
    EVERY_FILE,
    HIDDEN_IN_TABLES,
    compile_pattern,
    find_files,
    has_wildcards,
    visible_files,
)
from prefect_parallel.data.locations.location import MLTABLE, Location
from prefect_parallel.data.mini_batch import File
from prefect_parallel.data.mltable.input_formats import INPUT_FORMATS
from prefect_parallel.data.mltable.transformation_schemas import (
    READ_TRANSFORMATIONS,
    TRANSFORMATIONS,
)
from prefect_parallel.document import KeyPath, Section
from prefect_parallel.errors import InvalidInput, InvalidMLTable, Problem
from prefect_parallel.yaml_file import parse_document
from prefect_parallel.yaml_schema import (
    TEXT,
    Described,
    Diagnostics,
    Fields,
    ListOf,
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
    """A valid MLTable file, with the entries of `paths` and all transformations, in order."""

    location: Location
    entries: tuple[PathEntry, ...]
    transformations: tuple[Transformation, ...]

    @classmethod
    def load(cls, location: Location) -> MLTable:
        """Reads the MLTable file of a folder; the location may also be that of the file itself.

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
        diagnostics = Diagnostics(document)
        read = KEYS.read(document.data, (), diagnostics)
        transformations = tuple(read.get("transformations") or ())
        reading = [at for at, t in enumerate(transformations) if t.name in READ_TRANSFORMATIONS]
        for at in reading[1:]:
            diagnostics.add(("transformations", at), "only one read_* transformation is allowed")
        if diagnostics.problems:
            raise InvalidMLTable(diagnostics.problems)
        return cls(location, tuple(read["paths"]), transformations)

    @classmethod
    def of_format(cls, location: Location, name: str) -> MLTable:
        """The table of a file or folder without an MLTable file.

        Args:
            location: The file, or the folder; names in it that start with `.` or `_` are left out,
                except in a Delta table.
            name: One of `INPUT_FORMATS`, but not `ITEMS`.
        """
        read = INPUT_FORMATS[name]
        assert read is not None
        kind = "file" if not location.is_folder() else "folder" if name == "delta" else "visible"
        transformation = Transformation(read[0], dict(read[1]), 0)
        return cls(location, (PathEntry(kind, location.path, 0),), (transformation,))

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
        if entry.kind == "visible":
            return visible_files(location, HIDDEN_IN_TABLES)
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


class _PathSchema:
    """An entry of `paths`."""

    allowed = "a mapping with one of " + ", ".join(PATHS.fields)

    def read(self, value: Any, path: KeyPath, diagnostics: Diagnostics) -> PathEntry | None:
        before = len(diagnostics.problems)
        read = PATHS.read(value, path, diagnostics)
        if len(diagnostics.problems) > before:
            return None
        if len(read) != 1:
            diagnostics.add(path, f"expected one key, found {len(read)}", self.allowed)
            return None
        ((kind, text),) = read.items()
        try:
            _check_path(kind, text)
        except ValueError as error:
            hint = "use `pattern:`" if kind != "pattern" else None
            diagnostics.add((*path, kind), str(error), hint=hint)
        return PathEntry(kind, text, _line(path, diagnostics))


def _check_path(kind: str, text: str) -> None:
    if kind == "pattern":
        compile_pattern(text.split("/"))
    elif any(mark in text for mark in "*?"):
        raise ValueError(f"{text!r} contains wildcards")


class _TransformationSchema:
    """An entry of `transformations`: its name, or a mapping from its name to its options."""

    allowed = "a mapping with one transformation"

    def read(self, value: Any, path: KeyPath, diagnostics: Diagnostics) -> Transformation | None:
        name, line = value, _line(path, diagnostics)
        if isinstance(value, Section) and len(value) == 1:
            ((name, written),) = value.items()
            if name in TRANSFORMATIONS:
                options = TRANSFORMATIONS[name].read(written, (*path, name), diagnostics)
                return Transformation(name, options, line)
        elif not isinstance(value, str):
            diagnostics.wrong_value(value, path, self.allowed)
            return None
        elif value in READ_TRANSFORMATIONS:
            return Transformation(value, {}, line)
        elif value in TRANSFORMATIONS:
            allowed = TRANSFORMATIONS[value].allowed
            diagnostics.add((*path, value), "options are missing", allowed)
            return None
        diagnostics.unknown_name(name, path, TRANSFORMATIONS)
        return None


KEYS = Fields(
    {
        "$schema": Described("URL of a JSON schema, for editors.", TEXT),
        "type": Described("Type of the file.", one_of("mltable")),
        "paths": Described("Files, folders and patterns.", ListOf(_PathSchema())),
        "transformations": Described("Applied in order.", ListOf(_TransformationSchema())),
        "metadata": Described("Ignored.", PlainMapping()),
        "traits": Described("Ignored.", PlainMapping()),
    },
    frozenset(["paths"]),
)


def _line(path: KeyPath, diagnostics: Diagnostics) -> int:
    line, _ = diagnostics.document.place(path) or (1, 1)
    return line
