"""`prefect-parallel finish`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from prefect_parallel.cli.exit_status import FAILED
from prefect_parallel.cli.run import run_pipeline
from prefect_parallel.data import Datastores
from prefect_parallel.flow.run_options import RunOptions
from prefect_parallel.layout import RunDirectory
from prefect_parallel.output.run_log import existing_run
from prefect_parallel.output.run_result import RunResult

if TYPE_CHECKING:
    from prefect_parallel.flow.run.environments import Choice


def finish_run(root: Path, datastores: Datastores, environment: Choice, *, verbose: bool) -> int:
    """Finish a run as far as workers have done it; the exit status.

    Raises:
        NoSuchRun: The directory does not exist, or is not a run directory.
        UnusableRunDirectory: Another process runs it.
    """
    directory = existing_run(RunDirectory(root.resolve()))
    options = RunOptions(
        output_dir=directory.root.parent,
        name=directory.root.name,
        resumes=True,
        datastores=datastores,
        environment=environment,
        phase="finish",
    )
    status = run_pipeline(directory.job_file, [], options, lenient=False, verbose=verbose)
    is_complete = (
        directory.result.exists() and RunResult.read(directory.result).status == "Completed"
    )
    return status if is_complete else FAILED
