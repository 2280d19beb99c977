"""Local copies of remote files, for scripts that want a path: made once, used by all."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from prefect_parallel.data.locations.listing import find_files
from prefect_parallel.data.locations.location import Location
from prefect_parallel.data.mini_batch import File
from prefect_parallel.errors import InvalidInput, UnreadableMiniBatch

# How many files of a folder are fetched at a time: most are small.
_AT_A_TIME = 8

_FILES = "files"
_LOCKS = ".locks"


class FileCache:
    """A folder of copies. Which path a copy has is known before it is there.

    A copy appears whole. Of processes that want it at a time one fetches, the others wait for it.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def path_of_file(self, url: str) -> Path:
        """Where the copy of one file of many goes: in folders of the names that the URL has."""
        return self._root.joinpath(_FILES, *map(_safe, url.replace("://", "/", 1).split("/")))

    def path_of_input(self, location: Location) -> Path:
        """Where the copy of an input goes, a file or a folder, under its own name."""
        return self._root / _digest(location.path) / _safe(location.name)

    def file(self, location: Location, planned: File) -> str:
        """The path of a file's copy, which is made if need be.

        Raises:
            UnreadableMiniBatch: It cannot be fetched, or has another size than was planned.
        """
        path = self.path_of_file(location.path)

        def fetch(temporary: Path) -> None:
            location.fetch(temporary)
            size = temporary.stat().st_size
            if planned.size not in (None, size):
                raise OSError(0, f"received {size} bytes instead of {planned.size}")

        try:
            self._once(path, fetch)
        except OSError as error:
            raise UnreadableMiniBatch(
                f"{location.path}: cannot be fetched: {error.strerror}"
            ) from error
        return str(path)

    def input(self, location: Location) -> str:
        """The path of an input's copy, which is made if need be.

        Raises:
            InvalidInput: It cannot be fetched.
        """
        path = self.path_of_input(location)
        try:
            self._once(path, lambda temporary: copy_all(location, temporary))
        except OSError as error:
            raise InvalidInput(f"{location.path}: cannot be fetched: {error.strerror}") from error
        return str(path)

    def _once(self, path: Path, fetch: Callable[[Path], None]) -> None:
        if path.exists():
            return
        with self._locked(path):
            if path.exists():
                return
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".{_digest(path.name)}.{os.getpid()}")
            try:
                fetch(temporary)
                temporary.replace(path)
            finally:
                if temporary.is_dir():
                    shutil.rmtree(temporary)
                else:
                    temporary.unlink(missing_ok=True)

    @contextmanager
    def _locked(self, path: Path) -> Iterator[None]:
        lock = self._root / _LOCKS / _digest(str(path))
        lock.parent.mkdir(parents=True, exist_ok=True)
        with lock.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def copy_all(location: Location, target: Path) -> None:
    """Copies a remote file, or a folder with all that is below it.

    Raises:
        OSError: It cannot be read, or the copy not written.
    """
    if location.remote_path().kind() == "file":
        location.fetch(target)
        return
    files = list(find_files(location))
    if not files:
        raise FileNotFoundError(0, "no such file or folder")
    root = location.path.rstrip("/")

    def fetch(file: File) -> None:
        path = target.joinpath(*map(_safe, file.path[len(root) + 1 :].split("/")))
        path.parent.mkdir(parents=True, exist_ok=True)
        Location(file.path, location.datastores).fetch(path)

    target.mkdir()
    with ThreadPoolExecutor(_AT_A_TIME) as threads:
        for _ in threads.map(fetch, files):
            pass


def _safe(name: str) -> str:
    """A part of a URL as a file's name: no name leads out of its folder."""
    if name in ("", ".", ".."):
        return "%" + name.replace(".", "2E")
    return name.replace("\0", "%00")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:16]
