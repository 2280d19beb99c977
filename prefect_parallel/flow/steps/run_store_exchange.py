"""What a step's driver has to do with nodes that may not see the run directory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prefect_parallel.flow.nodes.node_folder import RunAccess
from prefect_parallel.flow.run.run import Run
from prefect_parallel.flow.run_directories.archive import pack
from prefect_parallel.job import ParallelStep


class RunStoreExchange:
    """The run store between the driver of a step and its nodes; nothing, where there is none."""

    def __init__(self, step: ParallelStep, run: Run) -> None:
        self._run = run
        self._data = run.data_of(step)
        self._directory = self._data.directory
        self._store = self._data.store

    def resume(self) -> None:
        """Bring here what nodes stored for a driver that was not there any more.

        Raises:
            DownloadFailed: The store cannot be read.
        """
        if self._store is not None and self._run.resumes:
            self._run.runs.collect(self._directory)

    @contextmanager
    def offered(self) -> Iterator[RunAccess]:
        """Let nodes have what they need, once the code is there; in the end, take what they stored.

        Gives the way to it.

        Raises:
            UploadFailed: The store cannot be written to.
            DownloadFailed: It cannot be read.
        """
        if self._store is None:
            yield self._access(None)
            return
        runs = self._run.runs
        pack(self._directory.code, self._directory.code_archive)
        # Takes away the parts that do not hold any more, too.
        runs.upload(self._run.directory, self._data.step.name)
        known = runs.listing(self._directory)
        root = self._directory.root.relative_to(self._run.directory.root)
        try:
            yield self._access(self._store.join(root.as_posix()).path)
        finally:
            runs.collect(self._directory, known)

    def _access(self, store: str | None) -> RunAccess:
        return RunAccess(
            token_file=str(self._run.directory.token_file),
            token=self._run.directory.token_file.read_text(),
            store=store,
            inputs=tuple(self._data.local_inputs()),
            folders=tuple(
                path.relative_to(self._directory.root).as_posix()
                for path in self._data.output_folders()
            ),
        )
