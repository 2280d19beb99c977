"""What a step's driver has to do with nodes that may not see the run directory."""

from __future__ import annotations

from prefect_parallel.flow.archive import pack
from prefect_parallel.flow.node_folder import RunPlace
from prefect_parallel.flow.run import Run
from prefect_parallel.flow.runs import Listing
from prefect_parallel.job import ParallelStep


class Elsewhere:
    """The run store between the driver of a step and its nodes; nothing, where there is none."""

    def __init__(self, step: ParallelStep, run: Run) -> None:
        self._step = step
        self._run = run
        self._directory = run.directory.step(step.name)
        on_cluster = not run.computes.place_of(step).is_this_machine
        self._store = run.runs.store(run.directory) if on_cluster else None
        self._known: Listing | None = None

    def resume(self) -> None:
        """Bring here what nodes stored for a driver that was not there any more.

        Raises:
            DownloadFailed: The store cannot be read.
        """
        if self._store is not None and self._run.resumes:
            self._run.runs.collect(self._directory)

    def prepare(self) -> RunPlace:
        """Let nodes have what they need, once the code is there; gives the way to it.

        Raises:
            UploadFailed: The store cannot be written to.
        """
        root = self._directory.root.relative_to(self._run.directory.root)
        place = RunPlace(
            token_file=str(self._run.directory.token_file),
            token=self._run.directory.token_file.read_text(),
            store=None if self._store is None else self._store.join(root.as_posix()).path,
            inputs=tuple(self._run.local_inputs(self._step)),
            folders=tuple(
                path.relative_to(self._directory.root).as_posix()
                for path in self._run.output_folders(self._step)
            ),
        )
        if self._store is not None:
            pack(self._directory.code, self._directory.code_archive)
            # Takes away the parts that do not hold any more, too.
            self._run.runs.upload(self._run.directory, self._step.name)
            self._known = self._run.runs.listing(self._directory)
        return place

    def collect(self) -> None:
        """Bring here what nodes stored since, if they were to.

        Raises:
            DownloadFailed: The store cannot be read.
        """
        if self._known is not None:
            self._run.runs.collect(self._directory, self._known)
