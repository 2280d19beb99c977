"""The directory of an earlier run."""

from __future__ import annotations

from pathlib import Path

from prefect_parallel.data import Datastores
from prefect_parallel.flow.run_directories.runs import runs_at


def earlier_run(output_dir: str, name: str, datastores: Datastores) -> Path:
    """The local directory of a run. A run on remote storage is downloaded first.

    Raises:
        UnusableRunDirectory: Remote storage has no run of that name.
    """
    return runs_at(output_dir, datastores).directory(name, resumes=True).root
