"""Copying an output to where its readers look for it."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from prefect_parallel.data.locations.location import Location

MARKER = ".published.json"
"""The file of a published folder that lists its files. It is missing while they are copied."""

UNFINISHED = ".publishing.json"
"""Lists all files that may be there while a folder is copied, or after that broke off."""

AT_A_TIME = 8
"""Number of files that are copied at a time."""


def publish(source: Path, target: Location, check: Callable[[], None] = lambda: None) -> None:
    """Copies a file, or the files of a folder, to a local or remote place.

    A file appears as a whole. A folder gets its files, loses those of an earlier publication that
    are not among them, and gets its marker last. Other files there stay.

    `check` is called again and again, and may raise a PrefectParallelError that ends it.

    Raises:
        OSError: A file cannot be read, written or removed.
        InvalidInput: There is no driver for the URL.
    """
    if source.is_file():
        target.put(source, check)
        return
    files = set(_files(source))
    marker, unfinished = target.join(MARKER), target.join(UNFINISHED)
    earlier = _listed(marker) | _listed(unfinished)
    _list(unfinished, files | earlier)
    marker.remove()
    with ThreadPoolExecutor(AT_A_TIME) as threads:
        list(threads.map(lambda name: target.join(name).put(source / name, check), sorted(files)))
    for name in earlier - files:
        target.join(name).remove()
    _list(marker, files)
    unfinished.remove()


def _files(folder: Path) -> Iterable[str]:
    for parent, _, names in os.walk(folder, followlinks=True):
        for name in names:
            yield Path(parent, name).relative_to(folder).as_posix()


def _list(place: Location, files: Iterable[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, place.name)
        file.write_text(json.dumps(sorted(files), indent=0))
        place.put(file)


def _listed(place: Location) -> set[str]:
    """The files that a marker lists; none outside of its folder."""
    try:
        with place.open() as file:
            listed = json.load(file)
    except FileNotFoundError:
        return set()
    paths = map(PurePosixPath, listed)
    return {str(path) for path in paths if not path.is_absolute() and ".." not in path.parts}
