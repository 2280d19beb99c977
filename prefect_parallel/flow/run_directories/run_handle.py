"""Where one run is."""

from __future__ import annotations

from dataclasses import dataclass

from prefect_parallel.flow.run_directories.lock import refuse_held
from prefect_parallel.flow.run_directories.runs import Runs
from prefect_parallel.layout import RunDirectory


@dataclass(frozen=True)
class RunHandle:
    """A run's directory, among those of other runs.

    Attributes:
        runs: Where it and the others are.
        directory: Its own, on this machine.
        resumes: Whether it is one that was begun before.
    """

    runs: Runs
    directory: RunDirectory
    resumes: bool

    def refuse_unusable(self) -> None:
        """Find out, without making anything, that no run can take place here.

        Raises:
            UnusableRunDirectory: So it is.
        """
        self.directory.refuse_unusable(resumes=self.resumes)
        if self.resumes:
            refuse_held(self.directory)
