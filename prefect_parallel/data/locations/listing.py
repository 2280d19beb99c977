"""Lists the files of a folder or pattern in the same order on every machine.

Names are compared as bytes, one path segment after the other, with files and subfolders mixed. This
is the order of Azure's mltable 1.7 for patterns; for folders it defines none.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence

from prefect_parallel.data.locations.folder_entries import sorted_entries
from prefect_parallel.data.locations.location import MLTABLE, Location
from prefect_parallel.data.mini_batch import File
from prefect_parallel.errors import InvalidInput

# One for each segment of a pattern; None for `**`.
Matchers = Sequence["re.Pattern[str] | None"]

_ANY_FOLDERS = "**"
EVERY_FILE = (_ANY_FOLDERS, "*")

HIDDEN_IN_TABLES = (".", "_")
"""How names start that are left out of a folder that is a table."""


def has_wildcards(text: str) -> bool:
    return any(mark in text for mark in "*?[")


def find_files(folder: Location, parts: Sequence[str] = EVERY_FILE) -> Iterator[File]:
    """Finds the files below `folder` whose path matches `parts`.

    `*`, `?`, `[ab]`, `[a-c]` and `[!ab]` match within one segment, `**` matches zero or more
    folders. Links are followed, except those that lead back to a folder above.

    Raises:
        InvalidInput: A folder cannot be listed.
    """
    matchers = compile_pattern(parts)
    if folder.is_remote:
        yield from _remote(folder, matchers)
    else:
        yield from _walk(folder.path, matchers, frozenset([0]), ())


def visible_files(folder: Location, hidden: tuple[str, ...] = (".",)) -> Iterator[File]:
    """Finds all files of a folder, except its MLTable file and hidden ones.

    Args:
        folder: The folder.
        hidden: How the names of hidden files and folders start.
    """
    for file in find_files(folder):
        inside = file.path[len(folder.path) :].lstrip("/")
        if inside != MLTABLE and not any(part.startswith(hidden) for part in inside.split("/")):
            yield file


def compile_pattern(parts: Sequence[str]) -> Matchers:
    """Compiles the segments of a pattern, or raises a ValueError if one is invalid."""
    for part in parts:
        if _ANY_FOLDERS in part and part != _ANY_FOLDERS:
            raise ValueError(f"invalid pattern {part!r}: ** must be a whole path segment")
    return [None if part == _ANY_FOLDERS else _matcher(part) for part in parts]


def files_at(location: Location) -> list[File]:
    """A remote file, or all files below a remote folder.

    Raises:
        InvalidInput: Nothing exists there, or it cannot be accessed.
    """
    if location.is_folder():
        return list(find_files(location))
    if not location.exists():
        raise InvalidInput(f"{location.path}: no such file or folder")
    return [location.file()]


def _remote(folder: Location, matchers: Matchers) -> Iterator[File]:
    """Lists a remote folder with a single request for all that is below it."""
    try:
        found = [
            (path.encode(errors="surrogateescape").split(b"/"), path, size, version)
            for path, size, version in folder.remote_path().files()
            if _matches(matchers, path.split("/"))
        ]
    except FileNotFoundError:
        return
    except OSError as error:
        raise InvalidInput(f"{folder.path}: cannot be listed: {error.strerror}") from error
    for _, path, size, version in sorted(found):
        yield File(f"{folder.path.rstrip('/')}/{path}", size, version)


def _matcher(part: str) -> re.Pattern[str]:
    """Compiles one segment of a pattern; an unclosed `[` is literal."""
    text = ""
    position = 0
    while position < len(part):
        rest = part[position:]
        group = re.match(r"\[(!?)(\]?[^\]]*)\]", rest)
        if group:
            inside = re.sub(r"([\\\[\]^&~|])", r"\\\1", group[2])
            text += f"[{'^' if group[1] else ''}{inside}]"
            position += group.end()
            continue
        text += {"*": ".*", "?": "."}.get(rest[0], re.escape(rest[0]))
        position += 1
    try:
        return re.compile(text, re.DOTALL)
    except re.error as error:
        raise ValueError(f"invalid pattern {part!r}: {error.msg}") from error


def _walk(
    folder: str,
    matchers: Matchers,
    states: frozenset[int],
    above: tuple[tuple[int, int], ...],
) -> Iterator[File]:
    """Walks one folder.

    Args:
        matchers: One for each segment of the pattern; None for `**`.
        states: Indices of the segments that a name in this folder may match.
        above: Device and inode of each folder above, to detect loops of links.
    """
    states = _closure(matchers, states)
    try:
        found = sorted_entries(folder)
        state = os.stat(folder)  # noqa: PTH116
    except OSError as error:
        raise InvalidInput(f"{folder}: the folder cannot be listed: {error.strerror}") from error
    identity = (state.st_dev, state.st_ino)
    if identity in above:
        return
    for raw_name, is_folder in found:
        name = os.fsdecode(raw_name)
        path = os.path.join(folder, name)  # noqa: PTH118
        if is_folder:
            inside = _inside(matchers, states, name)
            if inside:
                yield from _walk(path, matchers, inside, (*above, identity))
        elif _is_match(matchers, states, name):
            yield File.at(path)


def _matches(matchers: Matchers, path: Sequence[str]) -> bool:
    states = _closure(matchers, frozenset([0]))
    for name in path[:-1]:
        states = _closure(matchers, _inside(matchers, states, name))
    return _is_match(matchers, states, path[-1])


def _inside(matchers: Matchers, states: frozenset[int], name: str) -> frozenset[int]:
    """Indices of the segments that a name inside the folder `name` may match."""
    stay = {at for at in states if matchers[at] is None}
    matched = {at + 1 for at in states if (of := matchers[at]) and of.fullmatch(name)}
    return frozenset(stay | {at for at in matched if at < len(matchers)})


def _is_match(matchers: Matchers, states: frozenset[int], name: str) -> bool:
    last = matchers[-1]
    return len(matchers) - 1 in states and last is not None and bool(last.fullmatch(name))


def _closure(matchers: Matchers, states: frozenset[int]) -> frozenset[int]:
    """`states`, and those after a `**` that matches no folder."""
    more = {at + 1 for at in states if matchers[at] is None and at + 1 < len(matchers)}
    return states if more <= states else _closure(matchers, states | more)
