"""`prefect-parallel report`, and the report that each run ends with."""

from __future__ import annotations

import importlib.util
import webbrowser
from pathlib import Path

from rich.console import Console

from prefect_parallel.errors import PrefectParallelError
from prefect_parallel.layout import RunDirectory
from prefect_parallel.output.report import write_report


def report_run(run: Path, *, opens: bool) -> None:
    """Write the report of a run, and say where.

    Raises:
        NoSuchRun: There is no such run.
        ReportExtraMissing: What makes reports is not installed.
        PrefectParallelError: The file cannot be written.
    """
    try:
        file = write_report(RunDirectory(run))
    except OSError as error:
        raise PrefectParallelError(f"the report cannot be written: {error}") from error
    Console(highlight=False, markup=False, soft_wrap=True).print(file)
    if opens:
        webbrowser.open(file.absolute().as_uri())


def report_at_end(directory: RunDirectory, console: Console) -> None:
    """Write the report of a run that has just ended, where the extra is installed.

    The run has ended as it has, whether or not there is a report about it.
    """
    if importlib.util.find_spec("bokeh") is None or not directory.job_file.exists():
        return
    try:
        file = write_report(directory)
    except (OSError, PrefectParallelError) as error:
        console.print(f"  no report: {error}", markup=False, soft_wrap=True)
    else:
        console.print(f"  report  {file}", markup=False, soft_wrap=True)
