"""The directory of an earlier run."""

from __future__ import annotations

import os
from pathlib import Path

from prefect_parallel.data import Datastores
from prefect_parallel.flow.run_directories.runs import Runs


def earlier_run(output_dir: str, name: str, datastores: Datastores) -> Path:
    """The local directory of a run. A run on remote storage is downloaded first.

    Args:
        name: Name of the run, or the path of its directory.

    Raises:
        UnusableRunDirectory: Remote storage has no run of that name.
    """
    if os.sep in name and Path(name).is_dir():
        return Path(name)
    return Runs.at(output_dir, datastores).handle(name, resumes=True).directory.root
