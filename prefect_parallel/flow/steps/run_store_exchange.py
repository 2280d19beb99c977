"""What a step's driver and nodes that may not see the run directory exchange."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prefect_parallel.flow.nodes.node_folder import RunAccess
from prefect_parallel.flow.run.run import Run
from prefect_parallel.flow.run.step_data import StepData
from prefect_parallel.flow.run_directories.archive import pack
from prefect_parallel.job import ParallelStep


def collect_earlier_results(step: ParallelStep, run: Run) -> None:
    """Download what nodes stored for a driver that was gone by then.

    Raises:
        DownloadFailed: The run store cannot be read.
    """
    if run.mirror is not None and run.store_of(step) is not None:
        run.mirror.collect(run.directory.step(step.name))


@contextmanager
def run_store_exchange(step: ParallelStep, run: Run) -> Iterator[RunAccess]:
    """Put what nodes need, the code included, into the run store; in the end, fetch their results.

    Yields:
        What nodes need to know to find the run.

    Raises:
        UploadFailed: The store cannot be written to.
        DownloadFailed: It cannot be read.
    """
    data = run.data_of(step)
    directory, mirror = data.directory, run.mirror
    if mirror is None or data.store is None:
        yield _access(data, None)
        return
    pack(directory.code, directory.code_archive)
    # This also removes parts that no longer hold.
    mirror.upload(step.name)
    known = mirror.listing(directory)
    try:
        yield _access(data, mirror.url_of(directory.root))
    finally:
        mirror.collect(directory, known)


def _access(data: StepData, store: str | None) -> RunAccess:
    return RunAccess(
        token_file=str(data.run.token_file),
        token=data.run.token_file.read_text(),
        store=store,
        inputs=tuple(data.local_inputs()),
        folders=tuple(
            path.relative_to(data.directory.root).as_posix() for path in data.output_folders()
        ),
    )
