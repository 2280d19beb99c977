"""A folder whose files are kept on remote storage, too: by the driver, and by nodes elsewhere."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from stat import S_ISREG
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
    def of(cls, state: os.stat_result) -> FileStamp:
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

    def changes(self, files: Iterable[Path]) -> tuple[dict[str, FileStamp], list[str]]:
        """Those of some local files that are new or have changed, and those that are gone."""
        changed, gone = {}, []
        for file in files:
            path = self.path_of(file)
            try:
                state = file.stat()
            except (FileNotFoundError, NotADirectoryError):
                # E.g. a script's temporary file.
                gone.append(path)
                continue
            if S_ISREG(state.st_mode) and self.stamps.get(path) != FileStamp.of(state):
                changed[path] = FileStamp.of(state)
        return changed, gone

    def update(
        self, files: Iterable[Path], is_unfinished: Callable[[Path], bool] = lambda _: False
    ) -> list[Path]:
        """Put those of some files that are new or have changed, and remove those that are gone.

        Args:
            files: All that may have changed.
            is_unfinished: Tells which of the changed ones are not to be put yet.

        Returns:
            The changed files that were not put.

        Raises:
            OSError: A file cannot be put or removed.
        """
        changed, gone = self.changes(files)
        unfinished = [path for path in changed if is_unfinished(self.folder / path)]
        for path in unfinished:
            del changed[path]
        with ThreadPoolExecutor(AT_A_TIME) as threads:
            puts = threads.map(self._put, changed)
            for (path, stamp), is_put in zip(changed.items(), puts, strict=True):
                if is_put:
                    self.stamps[path] = stamp
        for path in gone:
            if path in self.stamps:
                self.remote.join(path).remove()
                del self.stamps[path]
        return [self.folder / path for path in unfinished]

    def known_below(self, folder: Path) -> list[Path]:
        """The files in a folder and below it that the remote copy has."""
        start = f"{self.path_of(folder)}/".removeprefix("./")
        return [self.folder / path for path in self.stamps if path.startswith(start)]

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
            self.stamps[path] = FileStamp.of(target.stat())

        with ThreadPoolExecutor(AT_A_TIME) as threads:
            list(threads.map(fetch, paths))
