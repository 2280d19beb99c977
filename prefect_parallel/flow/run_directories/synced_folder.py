"""A folder whose files are kept on remote storage, too: by the driver, and by nodes elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from prefect_parallel.data import Location

AT_A_TIME = 8
"""How many files are transferred at a time: most are small."""


class FileStamp(NamedTuple):
    """What tells that a file has changed."""

    size: int
    modified_ns: int

    @classmethod
    def of(cls, file: Path) -> FileStamp:
        state = file.stat()
        return cls(state.st_size, state.st_mtime_ns)


class SyncedFolder:
    """A local folder and its copy on remote storage.

    Attributes:
        stamps: The files that are the same on both sides, by their paths from the folder.
    """

    def __init__(
        self, folder: Path, remote: Location, stamps: Mapping[str, FileStamp] | None = None
    ) -> None:
        self.folder = folder
        self.remote = remote
        self.stamps = dict(stamps or {})

    def path_of(self, file: Path) -> str:
        """The path of a file or folder from this folder, the same on both sides."""
        return file.relative_to(self.folder).as_posix()

    def remote_of(self, file: Path) -> Location:
        return self.remote.join(self.path_of(file))

    def changed(self, files: Iterable[Path]) -> dict[str, FileStamp]:
        """Those of some local files that are new or have changed."""
        found = {}
        for file in files:
            # A script's temporary file may be gone by now.
            with suppress(FileNotFoundError):
                stamp, path = FileStamp.of(file), self.path_of(file)
                if self.stamps.get(path) != stamp:
                    found[path] = stamp
        return found

    def push(self, files: Iterable[Path], folders: Sequence[Path]) -> None:
        """Bring the remote copy of some folders up to date.

        Args:
            files: All that is to be there; new and changed ones are put.
            folders: The folders that hold these files; other files below them, if they were put
                before, are removed.

        Raises:
            OSError: A file cannot be put or removed.
        """
        files = list(files)
        changed = self.changed(files)
        with ThreadPoolExecutor(AT_A_TIME) as threads:
            puts = threads.map(self._put, changed)
            for (path, stamp), is_put in zip(changed.items(), puts, strict=True):
                if is_put:
                    self.stamps[path] = stamp
        there = {self.path_of(file) for file in files}
        below = tuple(f"{self.path_of(folder)}/".removeprefix("./") for folder in folders)
        for path in [each for each in self.stamps if each.startswith(below) and each not in there]:
            self.remote.join(path).remove()
            del self.stamps[path]

    def _put(self, path: str) -> bool:
        """Put a file; whether it was there."""
        file = self.folder / path
        try:
            self.remote.join(path).put(file)
        except FileNotFoundError:
            if file.exists():
                raise
            return False
        return True

    def pull(self, paths: Iterable[str]) -> None:
        """Fetch files; each is complete as soon as it is there."""

        def fetch(path: str) -> None:
            target = self.folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary = target.with_name(f".{target.name}.{uuid4().hex}")
            try:
                self.remote.join(path).fetch(temporary)
                temporary.replace(target)
            finally:
                temporary.unlink(missing_ok=True)
            self.stamps[path] = FileStamp.of(target)

        with ThreadPoolExecutor(AT_A_TIME) as threads:
            list(threads.map(fetch, paths))
