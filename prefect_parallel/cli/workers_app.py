"""The commands of runs whose mini-batches are run by workers that share a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from prefect_parallel.cli.options import DatastoresFile, EnvironmentMode, Flag
from prefect_parallel.flow.workers.leases import LEASE_SECONDS


def work(
    run_directory: Path,
    *,
    slots: Annotated[int | None, Parameter(validator=Number(gte=1))] = None,
    lease_seconds: Annotated[float, Parameter(validator=Number(gte=1))] = LEASE_SECONDS,
    datastores: DatastoresFile = None,
) -> int:
    """Run mini-batches of a run that was prepared with `run --workers 0`.

    Any number of workers, on machines that share the run directory, may come and go. A worker
    ends when all mini-batches are done. If it is killed, others run its mini-batches again.

    Example: prefect-parallel work /shared/runs/monday

    Args:
        run_directory: Directory of the run.
        slots: Number of entry processes. Defaults to `max_concurrency_per_instance` of the step,
            else to 1 on a machine with GPUs, else to the number of cores.
        lease_seconds: How long after this worker has died others wait before they run its
            mini-batches again.
    """
    from prefect_parallel.cli.datastores import known_datastores
    from prefect_parallel.cli.work import work_on

    return work_on(
        run_directory,
        slots=slots,
        lease_seconds=lease_seconds,
        datastores=known_datastores(datastores),
    )


def finish(
    run_directory: Path,
    *,
    datastores: DatastoresFile = None,
    environment: EnvironmentMode = "this",
    verbose: Flag = False,
) -> int:
    """Finish a run whose mini-batches were run by workers: aggregate, and start the next steps.

    If other parallel steps follow, they are prepared for workers. Exit status 1: the run is not
    complete yet.

    Example: prefect-parallel finish /shared/runs/monday

    Args:
        run_directory: Directory of the run.
        verbose: Show the logs of Prefect and Dask, too.
    """
    from prefect_parallel.cli.datastores import known_datastores
    from prefect_parallel.cli.finish import finish_run

    return finish_run(run_directory, known_datastores(datastores), environment, verbose=verbose)
