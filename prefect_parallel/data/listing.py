"""Files of a folder or pattern, in an order that is the same everywhere.

Names are compared byte by byte, path part by path part, the files and sub-folders of a folder
together: the order of the reference for patterns, and ours for folders, where it has none.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence

from prefect_parallel.data.entries import sorted_entries
from prefect_parallel.data.mini_batch import File
from prefect_parallel.errors import InvalidInput

_ANY_FOLDERS = "**"
EVERY_FILE = (_ANY_FOLDERS, "*")


def has_wildcards(text: str) -> bool:
    return any(mark in text for mark in "*?[")


def find_files(folder: str, parts: Sequence[str] = EVERY_FILE) -> Iterator[File]:
    """Files below `folder` whose path matches `parts`.

    `*`, `?`, `[ab]`, `[a-c]` and `[!ab]` stand for characters of one part, a part `**` for zero or
    more folders. Links are followed; one that leads back to a folder above it is passed over.

    Raises:
        InvalidInput: A folder cannot be listed.
    """
    matchers = [None if part == _ANY_FOLDERS else _matcher(part) for part in parts]
    yield from _walk(folder, matchers, frozenset([0]), ())


def _matcher(part: str) -> re.Pattern[str]:
    """The pattern of one path part as a regular expression; an unclosed `[` is literal."""
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
    return re.compile(text, re.DOTALL)


def _walk(
    folder: str,
    matchers: Sequence[re.Pattern[str] | None],
    states: frozenset[int],
    above: tuple[tuple[int, int], ...],
) -> Iterator[File]:
    """Walks one folder.

    Args:
        folder: The folder.
        matchers: One for each part of the pattern; None for `**`.
        states: The parts that a name in this folder may match.
        above: Identities of the folders on the way here, against loops of links.
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
        matched = {at for at in states if (of := matchers[at]) and of.fullmatch(name)}
        if is_folder:
            inside = {at for at in states if matchers[at] is None}
            inside |= {at + 1 for at in matched if at + 1 < len(matchers)}
            if inside:
                yield from _walk(path, matchers, frozenset(inside), (*above, identity))
        elif len(matchers) - 1 in matched:
            yield File.at(path)


def _closure(matchers: Sequence[re.Pattern[str] | None], states: frozenset[int]) -> frozenset[int]:
    """`states`, and those behind a `**` that stands for no folder at all."""
    more = {at + 1 for at in states if matchers[at] is None and at + 1 < len(matchers)}
    return states if more <= states else _closure(matchers, states | more)
