"""Files that go from a folder to remote storage, by the driver and by nodes elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias

from prefect_parallel.data import Location

AT_A_TIME = 8
"""How many files are transferred at a time: most are small."""

FileStamp: TypeAlias = "list[int]"
"""Size and modification time of a file."""


def stamp_of(path: Path) -> FileStamp:
    state = path.stat()
    return [state.st_size, state.st_mtime_ns]


def push(
    folder: Path, remote: Location, there: Mapping[str, FileStamp], pushed: dict[str, FileStamp]
) -> None:
    """Put what is new or has changed.

    Args:
        folder: Here.
        remote: There.
        there: The files, by their paths from the folder.
        pushed: Those that were put before; brought up to date.

    Raises:
        OSError: A file cannot be put.
    """
    changed = [path for path, state in there.items() if pushed.get(path) != state]
    with ThreadPoolExecutor(AT_A_TIME) as threads:
        puts = threads.map(lambda path: remote.join(path).put(folder / path), changed)
        for path, _ in zip(changed, puts, strict=True):
            pushed[path] = there[path]


def remove(remote: Location, gone: Iterable[str], pushed: dict[str, FileStamp]) -> None:
    """Remove files that were put before."""
    for path in gone:
        remote.join(path).remove()
        del pushed[path]
