"""`prefect-parallel report`, and the report at the end of each run."""

from __future__ import annotations

import importlib.util
import webbrowser
from pathlib import Path

from rich.console import Console

from prefect_parallel.cli.console import plain_console
from prefect_parallel.errors import PrefectParallelError
from prefect_parallel.layout import RunDirectory
from prefect_parallel.output.report import write_report


def report_run(run: Path, *, opens: bool) -> None:
    """Write the report of a run and print its path.

    Raises:
        NoSuchRun: The directory does not exist or is not a run directory.
        ReportExtraMissing: The extra `report` is not installed.
        PrefectParallelError: The report cannot be written.
    """
    try:
        file = write_report(RunDirectory(run))
    except OSError as error:
        raise PrefectParallelError(f"cannot write the report: {error}") from error
    plain_console().print(file)
    if opens:
        webbrowser.open(file.absolute().as_uri())


def report_at_end(directory: RunDirectory, console: Console) -> None:
    """Write the report of a run if the extra is installed; a failure does not change the result."""
    if importlib.util.find_spec("bokeh") is None or not directory.job_file.exists():
        return
    try:
        file = write_report(directory)
    except (OSError, PrefectParallelError) as error:
        console.print(f"  no report: {error}", markup=False, soft_wrap=True)
    else:
        console.print(f"  report  {file}", markup=False, soft_wrap=True)
