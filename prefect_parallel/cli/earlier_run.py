"""The directory of an earlier run."""

from __future__ import annotations

from pathlib import Path

from prefect_parallel.data import Datastores
from prefect_parallel.flow.run_directories.runs import Runs


def earlier_run(output_dir: str, name: str, datastores: Datastores) -> Path:
    """The local directory of a run. A run on remote storage is downloaded first.

    Raises:
        UnusableRunDirectory: Remote storage has no run of that name.
    """
    return Runs.at(output_dir, datastores).handle(name, resumes=True).directory.root
