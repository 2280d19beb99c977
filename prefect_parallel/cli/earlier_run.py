"""The directory of an earlier run."""

from __future__ import annotations

from pathlib import Path

from prefect_parallel.data import Datastores
from prefect_parallel.flow.run_directories.runs import Runs, place_of_run
from prefect_parallel.output.run_log import existing_run


def earlier_run(output_dir: str, name: str, datastores: Datastores) -> Path:
    """The local directory of a run. A run on remote storage is downloaded first.

    Args:
        name: Name of the run, or the path or URL of its directory.

    Raises:
        UnusableRunDirectory: Remote storage has no run of that name.
        NoSuchRun: This machine has none.
    """
    folder, own = place_of_run(output_dir, name)
    return existing_run(Runs.at(folder, datastores).handle(own, resumes=True).directory).root
