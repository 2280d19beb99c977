"""The earlier runs whose results a run reuses."""

from __future__ import annotations

from dataclasses import dataclass

from prefect_parallel.flow.run_directories.runs import Runs, runs_in
from prefect_parallel.layout import RunDirectory, UnusableRunDirectory


@dataclass(frozen=True)
class EarlierRuns:
    """Runs in the same output directory; of one on remote storage, those that this machine has.

    Attributes:
        runs: The newest first. The order decides only where a result is looked for first.
    """

    runs: tuple[RunDirectory, ...]

    @classmethod
    def of(cls, runs: Runs, name: str | None = None, *, but: str | None = None) -> EarlierRuns:
        """The run of a name, which may be downloaded, or all runs but one.

        Raises:
            UnusableRunDirectory: There is no run of that name, or it cannot be downloaded.
        """
        if name is not None:
            if not runs.has(name):
                place = runs.remote.path if runs.remote else runs.folder
                raise UnusableRunDirectory(
                    f"cannot reuse {place}/{name}: there is no such run",
                    hint=RunDirectory(runs.folder / name).similar(),
                )
            return cls((runs.handle(name, resumes=True).directory,))
        return cls(tuple(run for run in runs_in(runs.folder) if run.root.name != but))
