"""`prefect-parallel report`."""

from __future__ import annotations

import webbrowser
from pathlib import Path

from prefect_parallel.cli.console import plain_console
from prefect_parallel.errors import PrefectParallelError
from prefect_parallel.layout import RunDirectory
from prefect_parallel.output.report import write_report


def report_run(run: Path, *, opens: bool) -> None:
    """Write the report of a run and print its path.

    Raises:
        NoSuchRun: The directory does not exist or is not a run directory.
        PrefectParallelError: The report cannot be written.
    """
    try:
        file = write_report(RunDirectory(run))
    except OSError as error:
        raise PrefectParallelError(f"cannot write the report: {error}") from error
    plain_console().print(file)
    if opens:
        webbrowser.open(file.absolute().as_uri())
