"""The directory of a run that was begun before."""

from __future__ import annotations

from pathlib import Path

from prefect_parallel.data import Datastores
from prefect_parallel.flow.run_directories.runs import runs_at


def earlier_run(output_dir: str, name: str, datastores: Datastores) -> Path:
    """Where it is here; one on remote storage is downloaded, if it is not here.

    Raises:
        UnusableRunDirectory: There is no such run on remote storage.
    """
    return runs_at(output_dir, datastores).directory(name, resumes=True).root
