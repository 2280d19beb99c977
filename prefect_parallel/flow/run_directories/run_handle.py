"""One run as its driver has it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from prefect_parallel.flow.run_directories.lock import refuse_held
from prefect_parallel.flow.run_directories.run_mirror import RunMirror
from prefect_parallel.layout import RunDirectory


@dataclass(frozen=True)
class RunHandle:
    """A run directory that a run is about to write to.

    Attributes:
        resumes: Whether it was begun by an earlier run.
        mirror: Its copy on remote storage; None: it stays on this machine.
        made: Folders that were made for it, the innermost first.
    """

    directory: RunDirectory
    resumes: bool
    mirror: RunMirror | None
    made: tuple[Path, ...] = ()

    def refuse_unusable(self) -> None:
        """Check, without creating anything, that the run can start.

        Raises:
            UnusableRunDirectory: The directory exists, or with `resumes` does not; it cannot be
                written to; or another process runs it.
        """
        self.directory.refuse_unusable(resumes=self.resumes)
        if self.resumes:
            refuse_held(self.directory)

    @contextmanager
    def discarded_if_empty(self) -> Iterator[None]:
        """Remove the directory in the end, and the folders around it, if they are empty."""
        try:
            yield
        finally:
            with suppress(OSError):
                for folder in (self.directory.root, *self.made):
                    folder.rmdir()

    def place_of(self, path: Path) -> Path | str:
        """Where users find something in the directory: on this machine, or its copy's URL."""
        return path if self.mirror is None else self.mirror.url_of(path)
