"""Reading YAML 1.1 files as documents.

PyYAML's own loader drops the position of values, silently keeps the last of duplicate keys, and
expands aliases without limit. This one builds mappings and lists from the events of PyYAML's
parser, so that later messages can name file, line and column.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import yaml
from yaml.constructor import ConstructorError
from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceStartEvent,
)

from prefect_parallel.document import (
    Document,
    Items,
    KeyPath,
    Place,
    Section,
    dotted,
    shown,
)
from prefect_parallel.errors import InvalidFile, Problem
from prefect_parallel.yaml_scalar import LOADER, SCALAR_TAGS, TAG_PREFIX, scalar_of, tag_of

# Maximum number of values that aliases may add to a file. Real files share a step or two, a
# "billion laughs" attack exceeds this at once.
MAX_ALIASED_VALUES = 100_000
MAX_DEPTH = 100


def read_document(
    file: Path,
    error: type[InvalidFile],
    shown_as: str | None = None,
    prefix: KeyPath = (),
    *,
    number_keys: bool = False,
) -> Document:
    """Reads a YAML 1.1 file.

    Args:
        error: Class of the error to raise.
        shown_as: Name of the file in messages; None: its path.
        prefix: Keys prepended to paths in messages.
        number_keys: Whether keys may be numbers, booleans and null, which are read as text.

    Raises:
        InvalidFile: As `error`. The file cannot be read, is not a single YAML mapping, has
            duplicate keys or tags, or expands too much by aliases.
    """
    name = shown_as or str(file)
    try:
        content = file.read_bytes()
    except ValueError:
        raise error([Problem("is not a valid path", name, key=dotted(prefix) or None)]) from None
    except OSError as failure:
        raise error([_unreadable(name, file, failure, prefix)]) from None
    document = parse_document(content, name, error, prefix, number_keys=number_keys)
    document.folder = file.parent.absolute()
    return document


def parse_document(
    content: bytes | str,
    name: str,
    error: type[InvalidFile],
    prefix: KeyPath = (),
    *,
    number_keys: bool = False,
) -> Document:
    """Parses the content of a YAML 1.1 file; arguments and errors as for `read_document`."""
    text = content if isinstance(content, str) else _decoded(content, name, error)
    data = _Builder(text, name, error, prefix, number_keys).build()
    return Document(name, data, prefix=prefix)


def _decoded(content: bytes, name: str, error: type[InvalidFile]) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as failure:
        line = content.count(b"\n", 0, failure.start) + 1
        message = f"byte 0x{content[failure.start]:02x} is not UTF-8"
        raise error([Problem(message, name, line, hint="save it as UTF-8")]) from None


def _unreadable(name: str, file: Path, error: OSError, prefix: KeyPath) -> Problem:
    hint = None
    if isinstance(error, FileNotFoundError):
        there = sorted(path.name for path in file.parent.glob("*.y*ml"))[:5]
        hint = f"in that folder: {', '.join(there)}" if there else None
    what = error.strerror.lower() if error.strerror else "cannot be read"
    return Problem(what, name, key=dotted(prefix) or None, hint=hint)


class _Builder:
    """Builds sections and items from the events of the parser."""

    def __init__(
        self, text: str, name: str, error: type[InvalidFile], prefix: KeyPath, number_keys: bool
    ) -> None:
        self.text = text
        self.name = name
        self.error = error
        self.prefix = prefix
        self.number_keys = number_keys
        self.problems: list[Problem] = []
        self.anchors: dict[str, Any] = {}
        self.aliased = 0

    def build(self) -> Section:
        events = self._events()
        for event in events:
            if isinstance(event, NodeEvent):
                break
        else:
            self._fail(None, "the file is empty", allowed="`key: value` lines")
        place = _place(event)
        root = self._value(event, events, ())
        for event in events:
            if isinstance(event, DocumentStartEvent):
                self._fail(event, "a second YAML document starts here", allowed="one document")
        if not isinstance(root, Section):
            self._fail_at(place, "the file is not a mapping", allowed="`key: value` lines")
        if self.problems:
            raise self.error(self.problems)
        return root

    def _events(self) -> Iterator[Event]:
        try:
            yield from yaml.parse(self.text, Loader=LOADER)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            place = (mark.line + 1, mark.column + 1) if mark else None
            hint = _hint(_line(self.text, mark.line), mark.column) if mark else None
            about = ", ".join(part for part in (error.context, error.problem) if part)
            self._fail_at(place, f"invalid YAML: {about}", hint=hint)
        except yaml.reader.ReaderError as error:
            line = self.text.count("\n", 0, error.position) + 1
            self._fail_at((line, 1), f"invalid YAML: {error.reason} ({error.character!r})")

    def _value(self, event: Event, events: Iterator[Event], path: KeyPath) -> Any:
        if len(path) > MAX_DEPTH:
            self._fail(event, f"nested deeper than {MAX_DEPTH} levels")
        value: Any
        if isinstance(event, AliasEvent):
            return self._alias(event, path)
        if isinstance(event, ScalarEvent):
            value = self._scalar(event, path)
        elif isinstance(event, MappingStartEvent):
            self._check_tag(event, "map", path)
            value = self._mapping(events, path)
        else:
            assert isinstance(event, SequenceStartEvent)
            self._check_tag(event, "seq", path)
            value = self._sequence(events, path)
        if event.anchor is not None:
            self.anchors[event.anchor] = value
        return value

    def _scalar(self, event: ScalarEvent, path: KeyPath) -> Any:
        tag = event.tag
        if tag is None or tag == "!":
            # A quoted value is text; the patterns of YAML 1.1 resolve the type of a plain one.
            tag = tag_of(event.value) if event.implicit[0] else TAG_PREFIX + "str"
        if tag == TAG_PREFIX + "merge" or tag == TAG_PREFIX + "value":
            return event.value
        if tag not in SCALAR_TAGS:
            self._refuse_tag(event, tag, path)
            return event.value
        try:
            return scalar_of(tag, event.value)
        except (ValueError, KeyError, ConstructorError):
            kind = tag.removeprefix(TAG_PREFIX)
            self._add(_place(event), path, f"{event.value!r} is not a YAML {kind}")
            return event.value

    def _mapping(self, events: Iterator[Event], path: KeyPath) -> Section:
        section = Section(path)
        merged: list[tuple[Place, Any]] = []
        for event in events:
            if isinstance(event, CollectionEndEvent):
                break
            place = _place(event)
            key = self._key(event, events, path)
            value_event = next(events)
            value_place = _place(value_event)
            child: KeyPath = path if key is None else (*path, key)
            merges = isinstance(event, ScalarEvent) and event.value == "<<" and event.implicit[0]
            value = self._value(value_event, events, path if merges else child)
            if merges:
                merged.append((value_place, value))
            elif key is None:
                continue
            elif key in section:
                first = section.key_places[key][0]
                self._add(place, child, f"duplicate key, first defined on line {first}")
            else:
                section.put(key, value, (place, value_place))
        for merge_place, value in merged:
            self._merge(section, merge_place, value)
        return section

    def _key(self, event: Event, events: Iterator[Event], path: KeyPath) -> str | None:
        key = self._value(event, events, (*path, "?"))
        if isinstance(key, str):
            return key
        if self.number_keys and isinstance(event, ScalarEvent):
            return event.value
        self._add(_place(event), path, f"the key is {shown(key)}, not text", hint="quote it")
        return None

    def _merge(self, section: Section, place: Place, value: Any) -> None:
        # YAML 1.1's merge key: the mapping's own keys win, then those of earlier sources.
        for source in value if isinstance(value, Items) else [value]:
            if not isinstance(source, Section):
                self._add(place, section.path, "`<<` can only merge mappings")
                continue
            for key, child in source.items():
                if key not in section:
                    copy = self._copy(child, (*section.path, key), place)
                    section.put(key, copy, (source.key_places[key], source.value_places[key]))

    def _sequence(self, events: Iterator[Event], path: KeyPath) -> Items:
        items = Items(path)
        for event in events:
            if isinstance(event, CollectionEndEvent):
                break
            items.places.append(_place(event))
            items.append(self._value(event, events, (*path, len(items))))
        return items

    def _alias(self, event: AliasEvent, path: KeyPath) -> Any:
        if event.anchor not in self.anchors:
            self._fail(event, f"undefined alias *{event.anchor}")
        return self._copy(self.anchors[event.anchor], path, _place(event))

    def _copy(self, value: Any, path: KeyPath, place: Place) -> Any:
        self.aliased += 1
        if self.aliased > MAX_ALIASED_VALUES:
            self._fail_at(place, f"aliases expand to more than {MAX_ALIASED_VALUES:,} values")
        if len(path) > MAX_DEPTH:
            self._fail_at(place, f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(value, Section):
            section = Section(path)
            for key, child in value.items():
                places = value.key_places[key], value.value_places[key]
                section.put(key, self._copy(child, (*path, key), place), places)
            return section
        if isinstance(value, Items):
            items = Items(path)
            items.places = list(value.places)
            items.extend(
                self._copy(child, (*path, number), place) for number, child in enumerate(value)
            )
            return items
        return value

    def _check_tag(
        self, event: MappingStartEvent | SequenceStartEvent, kind: str, path: KeyPath
    ) -> None:
        if event.tag not in (None, "!", TAG_PREFIX + kind):
            self._refuse_tag(event, event.tag, path)

    def _refuse_tag(self, event: Event, tag: str, path: KeyPath) -> None:
        name = "!!" + tag.removeprefix(TAG_PREFIX) if tag.startswith(TAG_PREFIX) else tag
        message = f"the tag {name} is not allowed"
        self._add(_place(event), path, message, allowed="values without tags")

    def _add(
        self,
        place: Place,
        path: KeyPath,
        message: str,
        *,
        allowed: str | None = None,
        hint: str | None = None,
    ) -> None:
        key = dotted([key for key in self.prefix + path if key != "?"])
        self.problems.append(Problem(message, self.name, *place, key or None, allowed, hint))

    def _fail(self, event: Event | None, message: str, **more: str | None) -> NoReturn:
        self._fail_at(_place(event) if event else None, message, **more)

    def _fail_at(self, place: Place | None, message: str, **more: str | None) -> NoReturn:
        line, column = place or (None, None)
        problem = Problem(message, self.name, line, column, dotted(self.prefix) or None, **more)
        raise self.error([*self.problems, problem]) from None


def _place(event: Event) -> Place:
    mark = event.start_mark
    assert mark is not None
    return mark.line + 1, mark.column + 1


def _hint(line: str, column: int) -> str | None:
    """What is often meant by a line that is invalid YAML."""
    if "\t" in line[: column + 1]:
        return "indent with spaces: this line contains a tab"
    if "${{" in line and ("{" in line.partition("${{")[0] or "[" in line.partition("${{")[0]):
        return 'inside { } and [ ], an expression needs quotes: "${{...}}"'
    return None


def _line(text: str, number: int) -> str:
    lines = text.split("\n")
    return lines[number] if number < len(lines) else ""
