"""Sorted entries of a folder, in memory that does not grow with the folder."""

from __future__ import annotations

import heapq
import itertools
import os
import tempfile
from collections.abc import Iterator
from typing import IO

# Names sorted in memory at a time; each such run of a larger folder is kept in a file.
_RUN = 100_000
_BLOCK = 64 * 1024

# The name as bytes, which is the sort key, and whether it is a folder.
Entry = tuple[bytes, bool]


def sorted_entries(folder: str, at_a_time: int = _RUN) -> Iterator[Entry]:
    """Sorts the names in a folder as bytes; a link to a folder counts as a folder.

    At most `at_a_time` names are in memory.
    """
    runs: list[Iterator[Entry]] = []
    with os.scandir(folder) as entries:
        while run := sorted(map(_entry, itertools.islice(entries, at_a_time))):
            runs.append(_spilled(run) if len(run) == at_a_time else iter(run))
    return heapq.merge(*runs)


def _entry(entry: os.DirEntry[str]) -> Entry:
    try:
        return os.fsencode(entry.name), entry.is_dir()
    except OSError:  # A link to itself.
        return os.fsencode(entry.name), False


def _spilled(run: list[Entry]) -> Iterator[Entry]:
    """Writes a run to a temporary file, and reads it back."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - closed once it has been read
    file.writelines(b"%s/%d\0" % (name, is_folder) for name, is_folder in run)
    return _read_back(file)


def _read_back(file: IO[bytes]) -> Iterator[Entry]:
    with file:
        file.seek(0)
        rest = b""
        while block := file.read(_BLOCK):
            *whole, rest = (rest + block).split(b"\0")
            for item in whole:
                yield item[:-2], item.endswith(b"1")
