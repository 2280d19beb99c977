"""Local copies of remote files, fetched once and shared by all processes of a node."""

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
from prefect_parallel.errors import InvalidInput, UnreadableMiniBatch, without_secrets

# Files of a folder fetched in parallel: most are small.
_AT_A_TIME = 8

_FILES = "files"
_FILE_AND_FOLDER = "a file and a folder have the same name: use `mode: direct`"
_LOCKS = ".locks"


class FileCache:
    """A folder of local copies, whose paths are known before they exist.

    Copies appear atomically. If several processes need one, one fetches it and the others wait.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def path_of_file(self, url: str) -> Path:
        """Path of the copy of a file, in folders named like those of its URL.

        The query and the password of a URL are a digest.
        """
        plain = without_secrets(url)
        secret = () if plain == url else (_digest(url),)
        names = map(_safe, plain.replace("://", "/", 1).split("/"))
        return self._root.joinpath(_FILES, *secret, *names)

    def path_of_input(self, location: Location) -> Path:
        """Path of the copy of an input, a file or folder, under its own name."""
        return self._root / _digest(location.path) / _safe(location.name)

    def file(self, location: Location, planned: File) -> str:
        """Fetches a file if necessary, and returns the path of its copy.

        Raises:
            UnreadableMiniBatch: It cannot be fetched, or its size is not the planned one.
        """
        path = self.path_of_file(location.path)

        def fetch(temporary: Path) -> None:
            location.fetch(temporary)
            size = temporary.stat().st_size
            if planned.size not in (None, size):
                raise OSError(0, f"received {size} bytes instead of {planned.size}")

        try:
            self._once(path, fetch)
            if path.is_dir():
                raise IsADirectoryError(0, _FILE_AND_FOLDER)
        except (FileExistsError, NotADirectoryError) as error:
            raise UnreadableMiniBatch(
                f"{location.path}: cannot be fetched: {_FILE_AND_FOLDER}"
            ) from error
        except OSError as error:
            raise UnreadableMiniBatch(
                f"{location.path}: cannot be fetched: {error.strerror}"
            ) from error
        return str(path)

    def input(self, location: Location) -> str:
        """Fetches an input if necessary, and returns the path of its copy.

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
    """Copies a remote file, or a folder with everything below it."""
    if location.remote_path().kind() == "file":
        location.fetch(target)
        return
    files = list(find_files(location))
    if not files:
        raise FileNotFoundError(0, "no such file or folder")
    root = location.path.rstrip("/")
    paths = {file.path for file in files}
    for file in files:
        above = file.path
        while len(above := above.rpartition("/")[0]) > len(root):
            if above in paths:
                raise FileExistsError(0, f"{above}: {_FILE_AND_FOLDER}")

    def fetch(file: File) -> None:
        path = target.joinpath(*map(_safe, file.path[len(root) + 1 :].split("/")))
        path.parent.mkdir(parents=True, exist_ok=True)
        Location(file.path, location.datastores).fetch(path)

    target.mkdir()
    with ThreadPoolExecutor(_AT_A_TIME) as threads:
        for _ in threads.map(fetch, files):
            pass


def _safe(name: str) -> str:
    """A segment of a URL as a file name that cannot lead out of its folder."""
    if name in ("", ".", ".."):
        return "%" + name.replace(".", "2E")
    return name.replace("\0", "%00")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:16]
